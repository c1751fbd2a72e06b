// SPDX-License-Identifier: Apache-2.0

import { rowUuid } from "../../../src/desired/identity.ts";
import { VSWITCH } from "../../../src/ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, update } from "../../../src/ovsdb/operation.ts";
import { VswitchServer } from "../database-server.ts";
import { Random } from "../random.ts";
import type { RandomFaults } from "../random-faults.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Machine } from "./machine.ts";

/** Identifiers that ovn-controller reads and writes. */
const IFACE_ID = "iface-id";
const INSTALLED = "ovn-installed";

/** Dependencies of the node's Open vSwitch. */
export interface VswitchWorld {
  readonly scheduler: Scheduler;
  readonly randomFaults: RandomFaults;
  readonly seed: string;
  readonly node: string;
  readonly machine: Machine;
  /** The address of the node's tunnels. */
  readonly encap: string;
  /** Whether the northbound database has a logical port. */
  hasPort(name: string): boolean;
  /** After each transaction that changes something. */
  onChange(): void;
}

/**
 * Open vSwitch of a node: the database, and what a daemon waits for of ovs-vswitchd and ovn-controller: devices of internal interfaces, `cur_cfg`,
 * errors of interfaces without a device, br-int, `ovn-installed`.
 */
export class Vswitch {
  readonly server: VswitchServer;
  readonly #world: VswitchWorld;
  readonly #random: Random;
  /** Internal interfaces whose devices were created. Like the real one, it creates none a second time. */
  readonly #made = new Set<string>();
  #up = true;
  #due = false;
  #root = "";

  constructor(world: VswitchWorld) {
    this.#world = world;
    this.#random = new Random(`${world.seed}/vswitch/${world.node}`);
    this.server = new VswitchServer(world.scheduler, world.randomFaults, `${world.seed}/${world.node}`, {
      onTransact: () => undefined,
      onCommit: () => {
        world.onChange();
        this.wake();
      },
    });
    this.#root = rowUuid("Open_vSwitch", world.node);
    const external_ids = {
      "system-id": `chassis-${world.node}`,
      "ovn-encap-ip": world.encap,
      "ovn-encap-type": "geneve",
    };
    this.#edit([insert(VSWITCH, "Open_vSwitch", this.#root, { external_ids })]);
    this.wake();
  }

  /** To be called after changes. */
  wake(): void {
    if (this.#due || !this.#up) return;
    this.#due = true;
    this.#world.scheduler.after(this.#random.delay(5, 300), () => {
      this.#due = false;
      if (!this.#up) return;
      this.#switch();
      this.#controller();
    });
  }

  /** ovs-vswitchd ends; with the userspace datapath its devices are deleted, and they are recreated in any case. */
  stop(withDatabase: boolean): void {
    this.#up = false;
    for (const name of this.#made) this.#world.machine.deleteLink(name);
    this.#made.clear();
    if (withDatabase) this.server.stop();
  }

  start(): void {
    this.server.start(true);
    this.#up = true;
    this.wake();
  }

  /** Another program removes a port from the bridge. */
  removePort(name: string): void {
    const port = this.server.rows("Port").find((row) => row.name === name);
    const bridge = this.server.rows("Bridge").find((row) => port !== undefined && row.ports.includes(port._uuid));
    if (port === undefined || bridge === undefined) return;
    this.#edit([mutate(VSWITCH, "Bridge", bridge._uuid, [["ports", "delete", [port._uuid]]])]);
    this.wake();
  }

  /** Another program adds a port. */
  addForeignPort(name: string): void {
    const bridge = this.server.rows("Bridge")[0];
    if (bridge === undefined || this.server.rows("Port").some((row) => row.name === name)) return;
    const [port, face] = [
      rowUuid("Port", `${this.#world.node}/${name}`),
      rowUuid("Interface", `${this.#world.node}/${name}`),
    ];
    this.#edit([
      insert(VSWITCH, "Interface", face, { name, type: "patch", external_ids: { owner: "another program" } }),
      insert(VSWITCH, "Port", port, { name, interfaces: [face] }),
      mutate(VSWITCH, "Bridge", bridge._uuid, [["ports", "insert", [port]]]),
    ]);
  }

  #switch(): void {
    const { kernel } = this.#world.machine;
    const faces = this.server.rows("Interface");
    const internal = new Set(faces.filter(({ type }) => type === "internal").map(({ name }) => name));
    for (const name of this.#made) {
      if (internal.has(name)) continue;
      this.#made.delete(name);
      this.#world.machine.deleteLink(name);
    }
    for (const name of internal) {
      if (this.#made.has(name)) continue;
      this.#made.add(name);
      if (kernel.link(name) === undefined) kernel.createLink({ name, kind: "openvswitch" });
    }
    const operations: Operation[] = [];
    for (const { _uuid, name, type, error = "" } of faces) {
      const missing = type === "" && kernel.link(name) === undefined;
      const says = missing ? `could not open network device ${name} (No such device)` : "";
      if (error !== says) operations.push(update(VSWITCH, "Interface", _uuid, { error: missing ? says : undefined }));
    }
    const [root] = this.server.rows("Open_vSwitch");
    if (root !== undefined && root.cur_cfg !== root.next_cfg)
      operations.push(update(VSWITCH, "Open_vSwitch", root._uuid, { cur_cfg: root.next_cfg }));
    this.#edit(operations);
  }

  #controller(): void {
    const operations: Operation[] = [];
    if (this.server.rows("Bridge").every(({ name }) => name !== "br-int")) {
      const uuid = rowUuid("Bridge", `${this.#world.node}/${this.#world.scheduler.elapsed}`);
      operations.push(
        insert(VSWITCH, "Bridge", uuid, { name: "br-int", datapath_type: "system" }),
        mutate(VSWITCH, "Open_vSwitch", this.#root, [["bridges", "insert", [uuid]]]),
      );
    }
    for (const { _uuid, external_ids: ids, error = "" } of this.server.rows("Interface")) {
      const id = ids[IFACE_ID];
      if (id === undefined) continue;
      const wanted = error === "" && this.#world.hasPort(id);
      if (wanted === (ids[INSTALLED] === "true")) continue;
      const change = wanted
        ? (["external_ids", "insert", { [INSTALLED]: "true" }] as const)
        : (["external_ids", "delete", [INSTALLED]] as const);
      operations.push(mutate(VSWITCH, "Interface", _uuid, [change]));
    }
    this.#edit(operations);
  }

  #edit(operations: readonly Operation[]): void {
    if (operations.length === 0) return;
    const refusal = this.server.edit(operations);
    if (refusal !== undefined) this.#world.scheduler.note(`${this.#world.node}: Open vSwitch refuses: ${refusal}`);
    this.#world.onChange();
  }
}
