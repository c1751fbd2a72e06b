// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { VerbHandlers } from "../../../src/daemon/cni/server.ts";
import { type Daemon, startDaemon } from "../../../src/daemon/daemon.ts";
import { DaemonMetrics } from "../../../src/daemon/metrics.ts";
import { readOptions } from "../../../src/daemon/options.ts";
import type { ObjectRef } from "../../../src/kube/object.ts";
import type { ResourceType } from "../../../src/kube/resources.ts";
import type { FakeKube } from "../../../src/kube/testing/fake.ts";
import { Connection } from "../../../src/ovsdb/connection.ts";
import { VSWITCH } from "../../../src/ovsdb/generated/vswitch.ts";
import type { CodeMutation } from "../code-mutation.ts";
import { KubeLink } from "../kube-link.ts";
import type { MachineClocks } from "../machine-clocks.ts";
import { SimProcess } from "../process.ts";
import { Random } from "../random.ts";
import type { RandomFaults } from "../random-faults.ts";
import type { Scheduler } from "../scheduler.ts";
import { Foreign } from "./foreign.ts";
import { Machine } from "./machine.ts";
import { machineParts } from "./process-parts.ts";
import { Runtime } from "./runtime.ts";
import { Vswitch } from "./vswitch.ts";

/** Dependencies of a node. */
export interface NodeWorld {
  readonly scheduler: Scheduler;
  readonly randomFaults: RandomFaults;
  readonly clocks: MachineClocks;
  readonly kube: FakeKube;
  readonly seed: string;
  hasPort(name: string): boolean;
  /** A daemon has written to the API server. */
  onWrite(verb: string, type: ResourceType, ref: ObjectRef): void;
  /** A pod's network has been created or removed. */
  onNetwork(): void;
  /** A bug in the daemons. */
  readonly mutation: CodeMutation | undefined;
  readonly onViolation: (what: string) => void;
  readonly onBug: (what: string) => void;
}

interface Life {
  readonly process: SimProcess;
  handlers: VerbHandlers | undefined;
  daemon: Daemon | undefined;
  /** Breaks the connections of waiting clients. */
  readonly callers: Set<() => void>;
}

/** A node: its machine, its Open vSwitch, its runtime, and the real daemon, which is restarted after it ends. */
export class SimNode {
  readonly name: string;
  readonly machine = new Machine();
  readonly vswitch: Vswitch;
  readonly runtime: Runtime;
  readonly foreign: Foreign;
  #disturbed = 0;
  readonly #world: NodeWorld;
  #life: Life | undefined;
  #lives = 0;

  /** `addresses`: of its uplink. */
  constructor(name: string, addresses: readonly string[], world: NodeWorld) {
    this.name = name;
    this.#world = world;
    const { scheduler, randomFaults, seed } = world;
    this.foreign = new Foreign(this.machine, addresses);
    this.vswitch = new Vswitch({
      ...{ scheduler, randomFaults, seed, node: name, machine: this.machine, encap: addresses[0] ?? "" },
      hasPort: (port) => world.hasPort(port),
      onChange: () => undefined,
    });
    this.runtime = new Runtime({
      ...{ scheduler, seed, node: name, machine: this.machine },
      call: (verb, body) => this.#call(verb, body),
      onNetwork: () => world.onNetwork(),
      onDeleted: (container) => this.#deleted(container),
    });
  }

  get process(): SimProcess | undefined {
    return this.#life?.process;
  }

  /** Namespaces whose interface was deleted: their pods have to be recreated. */
  readonly broken = new Set<string>();

  /**
   * Whether nothing was changed by other programs, and nothing was down, for this many ms. A stopped daemon is not a
   * disturbance.
   */
  undisturbedFor(ms: number): boolean {
    return this.#world.scheduler.elapsed - this.#disturbed >= ms;
  }

  /** The node was changed and its daemon has to restore it: a temporary absence is not a fault. */
  disturbed(): void {
    this.#disturbed = this.#world.scheduler.elapsed;
  }

  /** Starts the daemon, if it does not run. */
  start(): void {
    if (this.#life !== undefined) return;
    const { scheduler, randomFaults, kube, seed, onBug, onWrite } = this.#world;
    const name = `${this.name}#${this.#lives++}`;
    const process = new SimProcess(
      scheduler,
      name,
      new Random(`${seed}/process/${name}`),
      (error) => onBug(`uncaught: ${error instanceof Error ? error.stack : String(error)}`),
      () => this.#world.clocks.wall(this.name),
    );
    const life: Life = { process, handlers: undefined, daemon: undefined, callers: new Set() };
    this.#life = life;
    const ovsdb = new Connection(
      { remotes: ["sim"], database: VSWITCH.name },
      { clock: process.clock, dial: this.vswitch.server.dialer(process) },
    );
    const machine = machineParts(this.machine, process, scheduler, seed, (what) => this.#changed(what));
    const { mutation } = this.#world;
    const parts = {
      ...(mutation?.machine?.(machine) ?? machine),
      kube: new KubeLink({
        ...{ scheduler, randomFaults, server: kube, process, replica: this.name, seed },
        received: (type, object) => mutation?.heard?.(type, object) ?? object,
        onWrite,
      }),
      ovsdb,
      clock: process.clock,
      metrics: new DaemonMetrics(this.name, { processMetrics: false }),
      hostIo: this.#hostIo(life),
    };
    scheduler.note(`${name} starts`);
    const argv = [`--node-name=${this.name}`, "--metrics-port=0", "--health-port=0"];
    startDaemon(readOptions(argv, {}), parts, this.#logOf(process)).then(
      (daemon) => {
        life.daemon = daemon;
      },
      (error: unknown) => onBug(`a daemon cannot start: ${String(error)}`),
    );
  }

  /** The daemon crashes, and is restarted after `downMs`. */
  crash(downMs: number): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#world.scheduler.note(`${life.process.name} crashes`);
    this.#end(life, downMs);
  }

  /** The daemon dies after this number of further events. */
  crashWithin(steps: number, downMs: number): void {
    const life = this.#life;
    life?.process.endAfter(steps, () => {
      if (this.#life === life) this.crash(downMs);
    });
  }

  /** The daemon stops normally, and is restarted after `downMs`. */
  async restart(downMs: number): Promise<void> {
    const life = this.#life;
    if (life?.daemon === undefined) return;
    await life.daemon.stop();
    if (this.#life === life) this.#end(life, downMs);
  }

  #end(life: Life, downMs: number): void {
    this.#life = undefined;
    life.process.kill();
    for (const wire of this.vswitch.server.wires(life.process)) wire.cut({ upArrives: true, downArrives: false });
    for (const broken of [...life.callers]) broken();
    this.#world.scheduler.after(downMs, () => this.start());
  }

  /** Sends a request as the shim does: it connects, waits, and gets an answer, or the connection breaks. */
  #call(verb: "add" | "del" | "check" | "gc", body: object): Promise<unknown> {
    const { scheduler } = this.#world;
    const life = this.#life;
    return new Promise((resolve, reject) => {
      const broken = (): void => {
        life?.callers.delete(broken);
        scheduler.after(1, () => reject(new Error("the daemon does not answer")));
      };
      // The runtime finds no network configuration before the daemon has written one.
      if (life?.handlers === undefined || this.machine.conflist === undefined) return broken();
      life.callers.add(broken);
      const answer = (run: () => void): void => {
        if (!life.process.alive) return;
        scheduler.after(1, () => {
          if (life.callers.delete(broken)) run();
        });
      };
      scheduler.after(1, () =>
        life.process.deliver(() => {
          life.handlers?.[verb](body, new AbortController().signal).then(
            (result) => answer(() => resolve(result)),
            (error: unknown) => answer(() => reject(error instanceof Error ? error : new Error(String(error)))),
          );
        }),
      );
    });
  }

  #hostIo(life: Life) {
    return {
      serveCni: async (handlers: VerbHandlers) => {
        life.handlers = handlers;
        let drained = false;
        return {
          active: 0,
          drain: async () => {
            drained = true;
          },
          close: () => {
            if (drained) life.handlers = undefined;
          },
        };
      },
      serveAdmin: async () => ({ close: () => undefined }),
      forgetUdpFlows: () => 0,
      serveHealth: async () => ({ close: () => undefined }),
      // Its ovn-controller installs no numbered configuration, so nothing is flushed.
      control: async () => "",
      writeConflist: async (text: string) => {
        if (life.process.alive) this.machine.conflist = text;
      },
      ensureConflist: async (text: string) => {
        if (!life.process.alive || this.machine.conflist === text) return false;
        this.machine.conflist = text;
        return true;
      },
      removeConflist: async () => false,
      watchConflist: () => ({ close: () => undefined }),
      started: () => undefined,
      portmapVersions: async () => undefined,
      ovsSettings: () => ({}),
      bootId: () => "boot",
    };
  }

  #changed(what: string): void {
    for (const lost of this.foreign.missing())
      this.#world.onViolation(`the daemon of ${this.name} (${what}) takes away ${lost}`);
  }

  #deleted(container: string): void {
    const port = this.vswitch.server
      .rows("Interface")
      .find(({ external_ids: ids }) => ids["container_id"] === container);
    if (port !== undefined)
      this.#world.onViolation(`a DEL on ${this.name} was answered, but port ${port.name} is there`);
    for (const { wanted } of this.machine.pairs.values()) {
      if (wanted.netns.endsWith(container))
        this.#world.onViolation(`a DEL on ${this.name} was answered, but link ${wanted.hostName} is there`);
    }
  }

  #logOf(process: SimProcess): Logger {
    const write = (level: string) => (fields: object, message: string) => {
      if (!process.alive) return;
      const { err, ...rest } = fields as { err?: unknown };
      const why = err instanceof Error ? ` (${err.message})` : "";
      this.#world.scheduler.note(`${process.name} ${level}: ${message} ${JSON.stringify(rest)}${why}`);
      const kinds = [TypeError, RangeError, ReferenceError, SyntaxError];
      if (err instanceof Error && kinds.some((kind) => err instanceof kind))
        this.#world.onBug(`the daemon's code threw: ${err.stack ?? err.message}`);
    };
    const quiet = (): void => {};
    return { debug: quiet, trace: quiet, info: quiet, warn: write("warn"), error: write("error") } as unknown as Logger;
  }
}
