// SPDX-License-Identifier: Apache-2.0

import { LEADER_LOCK } from "../../src/controller/databases/northbound.ts";
import { Connection } from "../../src/ovsdb/connection.ts";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { Replica, Surroundings } from "./replica.ts";
import type { FaultAction, ThrowAction } from "./script.ts";

/** Injects the faults of the script, and ends them. */
export class Faults {
  readonly #world: Surroundings;
  readonly #replicas: readonly Replica[];
  /** How to end each fault that lasts. */
  readonly #lasting = new Set<() => void>();
  #thieves = 0;

  constructor(world: Surroundings, replicas: readonly Replica[]) {
    this.#world = world;
    this.#replicas = replicas;
  }

  act(action: FaultAction | ThrowAction): void {
    const { randomFaults, northbound, southbound, kube, throwing } = this.#world;
    switch (action.do) {
      case "random-faults":
        this.#last(action.for, randomFaults.begin(action.kind, action.rate, action.replica));
        return;
      case "api-down":
        randomFaults.apiDown = true;
        for (const replica of this.#replicas) replica.link?.endWatches(undefined, "unavailable");
        this.#last(action.for, () => {
          randomFaults.apiDown = false;
        });
        return;
      case "api-compact":
        kube.compact();
        return;
      case "watch-end":
        this.#of(action.replica)?.link?.endWatches(action.plural, action.code);
        return;
      case "watch-stall":
        this.#of(action.replica)?.link?.stallWatches(action.plural);
        return;
      case "crash":
        this.#of(action.replica)?.crash(action.down, action.server);
        return;
      case "crash-leader":
        this.#leader()?.crash(action.down, action.server);
        return;
      case "crash-within": {
        const leader = this.#leader();
        leader?.process?.endAfter(action.steps, () => leader.crash(action.down, action.server));
        return;
      }
      case "restart":
        void this.#of(action.replica)?.restart(action.down);
        return;
      case "pause":
        this.#pause(this.#of(action.replica), action.for, action.lose);
        return;
      case "pause-leader":
        this.#pause(this.#leader(), action.for, action.lose);
        return;
      case "nb-cut": {
        const process = this.#of(action.replica)?.process;
        if (process === undefined) return;
        for (const wire of northbound.wires(process)) {
          wire.cut({ upArrives: action.up, downArrives: action.down });
        }
        return;
      }
      case "nb-unreachable": {
        const process = this.#of(action.replica)?.process;
        if (process === undefined) return;
        northbound.setReachable(process, false);
        if (action.lose) this.#lose(process, action.for / 2);
        this.#last(action.for, () => northbound.setReachable(process, true));
        return;
      }
      case "nb-down":
        northbound.stop();
        this.#last(action.for, () => northbound.start(action.forget));
        return;
      case "sb-down":
        southbound?.stop();
        this.#last(action.for, () => southbound?.start(action.forget));
        return;
      case "nb-follower":
        northbound.setLeader(false);
        this.#last(action.for, () => northbound.setLeader(true));
        return;
      case "throw":
        this.#last(action.for, throwing.begin(action));
        return;
      case "nb-steal":
        this.#steal(action.for);
        return;
    }
  }

  /** Ends all faults. */
  end(): void {
    for (const end of [...this.#lasting]) end();
  }

  #of(name: string): Replica | undefined {
    return this.#replicas.find((replica) => replica.name === name);
  }

  #leader(): Replica | undefined {
    return this.#replicas.find((replica) => replica.leading);
  }

  #last(ms: number, end: () => void): void {
    const once = (): void => {
      if (this.#lasting.delete(once)) end();
    };
    this.#lasting.add(once);
    this.#world.scheduler.after(ms, once);
  }

  #pause(replica: Replica | undefined, ms: number, lose: boolean): void {
    const process = replica?.process;
    if (process === undefined || process.paused) return;
    this.#world.scheduler.note(`${process.name} stands still`);
    process.pause();
    if (lose) this.#lose(process, ms / 2);
    this.#last(ms, () => {
      this.#world.scheduler.note(`${process.name} goes on`);
      process.resume();
    });
  }

  /** The database closes the connections of a process that does not answer its probes. */
  #lose(process: SimProcess, ms: number): void {
    this.#world.scheduler.after(ms, () => {
      for (const wire of this.#world.northbound.wires(process)) wire.cut({ upArrives: false, downArrives: true });
    });
  }

  /** Another client takes the lock, as `ovsdb-client lock steal` does, and gives it back when it ends. */
  #steal(ms: number): void {
    const { scheduler, seed, northbound } = this.#world;
    const name = `thief#${this.#thieves++}`;
    const process = new SimProcess(scheduler, name, new Random(`${seed}/${name}`));
    const client = new Connection(
      { remotes: ["sim"], database: OVN_NB.name, leaderOnly: true },
      { clock: process.clock, dial: northbound.dialer(process) },
    );
    client.steal(LEADER_LOCK);
    this.#last(ms, () => void client.close());
  }
}
