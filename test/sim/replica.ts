// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { Controller } from "../../src/controller/controller.ts";
import type { ControllerParts } from "../../src/controller/controller-parts.ts";
import { Northbound } from "../../src/controller/databases/northbound.ts";
import { Southbound } from "../../src/controller/databases/southbound.ts";
import { Election } from "../../src/controller/leadership/election.ts";
import type { Settings } from "../../src/controller/settings.ts";
import type { ObjectRef } from "../../src/kube/object.ts";
import type { ResourceType } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { Connection } from "../../src/ovsdb/connection.ts";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import { OVN_SB } from "../../src/ovsdb/generated/ovn-sb.ts";
import type { CodeMutation } from "./code-mutation.ts";
import type { NorthboundServer, SouthboundServer } from "./database-server.ts";
import type { Throwing } from "./injected-exceptions.ts";
import { KubeLink } from "./kube-link.ts";
import type { MachineClocks } from "./machine-clocks.ts";
import { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { RandomFaults } from "./random-faults.ts";
import type { Scheduler } from "./scheduler.ts";

/** Dependencies of a replica. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly randomFaults: RandomFaults;
  readonly clocks: MachineClocks;
  readonly kube: FakeKube;
  readonly northbound: NorthboundServer;
  /** Absent: the controller reads no southbound database. */
  readonly southbound?: SouthboundServer | undefined;
  readonly settings: Settings;
  readonly seed: string;
  /** The injected exceptions of the code. */
  readonly throwing: Throwing;
  /** A bug in the controllers. */
  readonly mutation: Pick<CodeMutation, "parts" | "controller"> | undefined;
  readonly onWrite: (process: SimProcess, verb: string, type: ResourceType, ref: ObjectRef) => void;
  /** Objects may be malformed in this run: errors about them are expected. */
  readonly hostile: boolean;
  /** Records an error of the code itself. */
  readonly onBug: (what: string) => void;
}

/** One run of the controller's code: a process with its connections. */
interface Incarnation {
  readonly process: SimProcess;
  readonly link: KubeLink;
  readonly controller: Controller;
  readonly election: Election;
  readonly northbound: Northbound;
  readonly southbound: Southbound | undefined;
}

/** One replica of the controller's Deployment: it is restarted, as another process, whenever it has ended. */
export class Replica {
  readonly name: string;
  readonly #world: Surroundings;
  #generation = 0;
  #running: Incarnation | undefined;

  constructor(name: string, world: Surroundings) {
    this.name = name;
    this.#world = world;
  }

  get process(): SimProcess | undefined {
    return this.#running?.process;
  }

  get link(): KubeLink | undefined {
    return this.#running?.link;
  }

  get leading(): boolean {
    return this.#running?.controller.leading ?? false;
  }

  /** The running controller, for state that no server shows. */
  get controller(): Controller | undefined {
    return this.#running?.controller;
  }

  start(): void {
    if (this.#running !== undefined) return;
    const { scheduler, randomFaults, kube, northbound: server, seed, settings, onWrite, throwing } = this.#world;
    const name = `${this.name}#${this.#generation++}`;
    const process = new SimProcess(
      scheduler,
      name,
      new Random(`${seed}/process/${name}`),
      (error) => this.#world.onBug(`uncaught: ${error instanceof Error ? error.stack : String(error)}`),
      () => this.#world.clocks.wall(this.name),
    );
    const link = new KubeLink({
      scheduler,
      randomFaults,
      server: kube,
      process,
      replica: this.name,
      seed,
      onWrite: (verb, type, ref) => onWrite(process, verb, type, ref),
      received: (type, object) => throwing.poisoned(type.plural, object),
    });
    const log = this.#logOf(process);
    const client = new Connection(
      {
        remotes: ["sim"],
        database: OVN_NB.name,
        leaderOnly: true,
        onEvent: (event) => {
          if (event.type === "listener-error") this.#check(event.error);
          scheduler.note(`${name} northbound ${event.type}`);
        },
      },
      { clock: process.clock, dial: server.dialer(process) },
    );
    const northbound = new Northbound(client, process.clock);
    const southbound = this.#southboundOf(process);
    const made: ControllerParts = {
      kube: link,
      northbound,
      ...(southbound && { southbound }),
      settings: { ...settings, identity: name },
      log,
      clock: process.clock,
      listedWhole: 1,
    };
    const { mutation } = this.#world;
    const parts = mutation?.parts?.(made) ?? made;
    const controller = new Controller(parts);
    mutation?.controller?.(controller, parts);
    const election = new Election(parts, controller, () => {
      randomFaults.count("controller gave itself up");
      this.crash(1_000, "at once");
    });
    this.#running = { process, link, controller, election, northbound, southbound };
    scheduler.note(`${name} starts`);
    election.start();
  }

  /**
   * Ends without notice, and is restarted after `downMs`. `server`: whether the database is notified at once (the
   * kernel closes the socket) or only detects it by its probes (the machine is down).
   */
  crash(downMs: number, server: "at once" | "later"): void {
    const { scheduler, northbound, southbound, seed } = this.#world;
    const ended = this.#running;
    if (ended === undefined) return;
    this.#running = undefined;
    const { process } = ended;
    scheduler.note(`${process.name} crashes`);
    const random = new Random(`${seed}/crash/${process.name}`);
    process.kill();
    for (const wire of northbound.wires(process)) {
      if (server === "at once") wire.cut({ upArrives: random.chance(0.5), downArrives: false });
      else scheduler.after(random.int(5_000, 30_000), () => wire.abandon());
    }
    for (const wire of southbound?.wires(process) ?? []) wire.cut({ upArrives: false, downArrives: false });
    scheduler.after(downMs, () => this.start());
  }

  /** Stops normally, as on SIGTERM, and is restarted after `downMs`. */
  async restart(downMs: number): Promise<void> {
    const { scheduler } = this.#world;
    const ending = this.#running;
    if (ending === undefined) return;
    scheduler.note(`${ending.process.name} stops`);
    // Kubelet kills a process that does not end by itself.
    ending.process.clock.after(30_000, () => this.#ended(ending, downMs));
    await ending.election.stop();
    await Promise.all([ending.northbound.close(), ending.southbound?.close()]);
    this.#ended(ending, downMs);
  }

  #ended(ending: Incarnation, downMs: number): void {
    if (this.#running !== ending) return;
    this.#running = undefined;
    ending.process.kill();
    for (const wire of this.#world.northbound.wires(ending.process)) wire.cut({ upArrives: true, downArrives: false });
    this.#world.scheduler.after(downMs, () => this.start());
  }

  #southboundOf(process: SimProcess): Southbound | undefined {
    const { southbound: server, scheduler } = this.#world;
    if (server === undefined) return undefined;
    const onEvent = ({ type }: { readonly type: string }): void => scheduler.note(`${process.name} southbound ${type}`);
    const options = { remotes: ["sim"], database: OVN_SB.name, onEvent };
    return new Southbound(new Connection(options, { clock: process.clock, dial: server.dialer(process) }));
  }

  /** The log of the code. Errors of other components are expected here; internal errors are not. */
  #logOf(process: SimProcess): Logger {
    const write = (level: string) => (fields: object | string, message?: string) => {
      if (!process.alive) return;
      const text = typeof fields === "string" ? fields : `${message ?? ""}${briefly(fields)}`;
      this.#world.scheduler.note(`${process.name} ${level}: ${text}`);
      if (typeof fields !== "string") this.#check((fields as { err?: unknown }).err);
    };
    const quiet = (): void => {};
    const log = { debug: quiet, trace: quiet, info: write("info"), warn: write("warn"), error: write("error") };
    return log as unknown as Logger;
  }

  #check(error: unknown): void {
    if (this.#world.hostile) return;
    const kinds = [TypeError, RangeError, ReferenceError, SyntaxError];
    if (error instanceof Error && kinds.some((kind) => error instanceof kind)) {
      this.#world.onBug(`the code threw: ${error.stack ?? error.message}`);
    }
  }
}

function briefly(fields: object): string {
  const { err, ...rest } = fields as { err?: unknown };
  const text = Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest)}`;
  return err instanceof Error ? `${text} (${err.message})` : text;
}
