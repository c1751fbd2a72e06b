// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../src/api/annotations.ts";
import { rowUuid } from "../../src/desired/identity.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { NODES } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { OVN_SB } from "../../src/ovsdb/generated/ovn-sb.ts";
import { insert, type Operation, remove, update } from "../../src/ovsdb/operation.ts";
import { type Cluster, merge } from "./cluster.ts";
import { type NorthboundServer, SouthboundServer } from "./database-server.ts";
import { Random } from "./random.ts";
import type { RandomFaults } from "./random-faults.ts";
import type { Scheduler } from "./scheduler.ts";
import type { ChassisAction } from "./script.ts";

/** BFD of tunnels detects a failure after 3 × 400 ms (`tunnel-bfd.ts`), and a session comes up within a second, in ms. */
const BFD_MS = 1_200;
/** While the sessions of a new group come up, any member may claim its port, in ms; each waits this long before it claims a port again (ovn controller/binding.c). */
const NEW_GROUP_MS = 3_000;
const CLAIM_MS = 500;
/** After this time without a heartbeat of kubelet its Node is not Ready (kube-controller-manager, node-monitor-grace-period), in ms. */
const NODE_LOST_MS = 40_000;
/** The longest time after which an ovn-controller that could not register retries, in ms. */
const RETRY_MS = 8_000;

/** Dependencies of the southbound model. */
export interface SouthboundWorld {
  readonly scheduler: Scheduler;
  readonly randomFaults: RandomFaults;
  readonly kube: FakeKube;
  readonly cluster: Cluster;
  readonly northbound: NorthboundServer;
  readonly seed: string;
  /** A machine has died. */
  readonly onDeath: (node: string) => void;
}

/** A machine with kubelet, ovn-controller and daemon. */
interface Machine {
  readonly node: string;
  readonly random: Random;
  /** The number of reinstallations, each of which changes its `system-id`. */
  installed: number;
  encap: string;
  up: boolean;
  /** When it started or died, in ms since the run began. */
  since: number;
}

/**
 * The southbound database, northd and the nodes' ovn-controllers, as far as the controller sees them: chassis register, unless another chassis has
 * the tunnel address; northd creates the ports of type `external`, and the first living chassis of a group claims its port. An ovn-controller that has a
 * session with no other member of a group claims nothing and gives nothing up that others could see (ovn controller/ha-chassis.c).
 */
export class SimulatedSouthbound {
  readonly server: SouthboundServer;
  readonly #world: SouthboundWorld;
  readonly #machines = new Map<string, Machine>();
  /** Port → when northd made it. */
  readonly #made = new Map<string, number>();
  readonly #random: Random;
  #due = false;

  constructor(world: SouthboundWorld) {
    this.#world = world;
    this.#random = new Random(`${world.seed}/southbound`);
    const nothing = (): void => {};
    const watcher = { onTransact: nothing, onCommit: nothing };
    this.server = new SouthboundServer(world.scheduler, world.randomFaults, world.seed, watcher);
  }

  /** Starts a machine for each present and later Node. */
  start(): void {
    const { kube, cluster } = this.#world;
    const { signal } = new AbortController();
    cluster.ignore(kube.watch(NODES, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => this.#boot()));
    this.#boot();
  }

  /** The northbound database has changed. */
  onNorthbound(): void {
    this.#wake(this.#random.delay(5, 300));
  }

  act(action: ChassisAction): void {
    const machine = this.#machines.get(action.name);
    if (machine === undefined) return;
    if (action.do === "chassis-delete") {
      this.#deleteStrangers(machine);
      return;
    }
    if (action.do === "chassis-start") {
      this.#set(machine, true);
      return;
    }
    this.#set(machine, false);
    if (action.for === undefined) return;
    this.#world.scheduler.after(action.for, () => {
      if (this.#machines.get(action.name) !== machine || machine.up) return;
      if (action.back === "reinstalled") machine.installed++;
      if (action.back === "elsewhere") machine.encap = action.encap ?? machine.encap;
      this.#set(machine, true);
    });
  }

  /** Whether a node's machine runs and other chassis can reach it. */
  lives(node: string): boolean {
    const machine = this.#machines.get(node);
    return machine?.up === true && this.#chassis(idOf(machine)) !== undefined;
  }

  /** Whether BFD detects the death of a node: it is in a group in which two others have a session with each other. */
  isWatched(node: string): boolean {
    const { northbound } = this.#world;
    const machine = this.#machines.get(node);
    const group = northbound.rows("HA_Chassis_Group").find(({ external_ids }) => external_ids["node"] === node);
    const members = northbound.rows("HA_Chassis").filter(({ _uuid }) => group?.ha_chassis.includes(_uuid) === true);
    const others = members.filter(({ chassis_name }) => this.#isHeard(chassis_name));
    return machine !== undefined && !machine.up && others.length >= 2;
  }

  #boot(): void {
    const { kube, seed, scheduler } = this.#world;
    const nodes = kube.objects<SimNodeObject>(NODES);
    for (const { metadata, status } of nodes) {
      const { name, annotations = {} } = metadata;
      const [encap] = (status?.addresses ?? []).map(({ address }) => address);
      const known = this.#machines.get(name);
      if (known !== undefined) {
        if (known.up && annotations[NODE.chassis] !== idOf(known)) this.#tell(known);
        continue;
      }
      if (encap === undefined) continue;
      const random = new Random(`${seed}/machine/${name}`);
      const machine: Machine = { node: name, random, installed: 0, encap, up: false, since: scheduler.elapsed };
      this.#machines.set(name, machine);
      this.#set(machine, true);
    }
    for (const machine of this.#machines.values()) {
      if (nodes.some(({ metadata }) => metadata.name === machine.node)) continue;
      this.#machines.delete(machine.node);
      // An ovn-controller that stops normally deletes its chassis; that of a discarded machine stays.
      if (machine.up && machine.random.chance(0.6)) this.#remove(idOf(machine));
      this.#wake(BFD_MS);
    }
  }

  #set(machine: Machine, up: boolean): void {
    if (machine.up === up) return;
    const { scheduler } = this.#world;
    scheduler.note(`${machine.node} ${up ? `goes on as ${idOf(machine)} at ${machine.encap}` : "is dead"}`);
    machine.up = up;
    machine.since = scheduler.elapsed;
    if (!up) this.#world.onDeath(machine.node);
    this.#wake(BFD_MS + machine.random.int(0, 600));
    if (up) this.#wake(machine.random.int(50, 2_000));
    const { since } = machine;
    scheduler.after(up ? machine.random.int(200, 4_000) : NODE_LOST_MS, () => {
      if (machine.since !== since || this.#machines.get(machine.node) !== machine) return;
      const status = { conditions: [{ type: "Ready", status: up ? "True" : "Unknown" }] };
      this.#patch(machine.node, { status }, "status");
      if (up) this.#tell(machine);
    });
  }

  /** The daemon reports its chassis. */
  #tell(machine: Machine): void {
    const annotations = { [NODE.chassis]: idOf(machine) };
    if (this.#world.kube.object(NODES, { name: machine.node })?.metadata.annotations?.[NODE.chassis] !== idOf(machine))
      this.#patch(machine.node, { metadata: { annotations } });
  }

  #patch(name: string, body: object, subresource?: "status"): void {
    const { kube, cluster } = this.#world;
    if (kube.object(NODES, { name }) === undefined) return;
    cluster.ignore(kube.patch(NODES, { name }, merge(body), subresource === undefined ? {} : { subresource }));
  }

  #wake(ms: number): void {
    if (this.#due && ms < BFD_MS) return;
    if (ms < BFD_MS) this.#due = true;
    this.#world.scheduler.after(ms, () => {
      if (ms < BFD_MS) this.#due = false;
      this.#northd();
      this.#register();
      this.#claim();
    });
  }

  /** Ports of type `external`, which northd copies from the northbound database. */
  #northd(): void {
    const { northbound, scheduler } = this.#world;
    const wanted = new Set(
      northbound.rows("Logical_Switch_Port").flatMap(({ name, type }) => (type === "external" ? name : [])),
    );
    const bound = this.server.rows("Port_Binding");
    const operations: Operation[] = bound.flatMap(({ _uuid, logical_port, datapath }) => {
      if (wanted.has(logical_port)) return [];
      this.#made.delete(logical_port);
      return [remove(OVN_SB, "Port_Binding", _uuid), remove(OVN_SB, "Datapath_Binding", datapath)];
    });
    for (const name of wanted) {
      if (bound.some(({ logical_port }) => logical_port === name)) continue;
      this.#made.set(name, scheduler.elapsed);
      const key = 1 + this.#serial++;
      const [datapath, port] = [
        rowUuid("Datapath_Binding", `${name}/${key}`),
        rowUuid("Port_Binding", `${name}/${key}`),
      ];
      operations.push(
        insert(OVN_SB, "Datapath_Binding", datapath, { tunnel_key: key }),
        insert(OVN_SB, "Port_Binding", port, { logical_port: name, type: "external", datapath, tunnel_key: key }),
      );
    }
    this.#edit(operations);
  }

  #serial = 0;

  /** Running machines write their chassis and their tunnel address; the database refuses an address that another chassis has. */
  #register(): void {
    let refused = false;
    for (const machine of this.#machines.values()) {
      if (!machine.up) continue;
      const id = idOf(machine);
      const chassis = this.#chassis(id);
      const encaps = this.server.rows("Encap");
      if (encaps.some(({ ip, chassis_name }) => ip === machine.encap && chassis_name === id)) continue;
      const encap = rowUuid("Encap", `${id}/${machine.encap}`);
      const end = insert(OVN_SB, "Encap", encap, { type: "geneve", ip: machine.encap, chassis_name: id });
      const row = { name: id, hostname: machine.node, encaps: [encap] };
      const operations =
        chassis === undefined
          ? [end, insert(OVN_SB, "Chassis", rowUuid("Chassis", id), row)]
          : [end, update(OVN_SB, "Chassis", chassis._uuid, { encaps: [encap] })];
      if (!this.#edit(operations)) refused = true;
    }
    // One timer for all: otherwise two refused machines would double the timers each time.
    if (!refused || this.#retrying) return;
    this.#retrying = true;
    this.#world.scheduler.after(RETRY_MS, () => {
      this.#retrying = false;
      this.#register();
      this.#claim();
    });
  }

  #retrying = false;

  /** The first living chassis of each group claims its port. */
  #claim(): void {
    const { northbound, scheduler } = this.#world;
    const groups = new Map(northbound.rows("HA_Chassis_Group").map((group) => [group._uuid, group.ha_chassis]));
    const members = new Map(northbound.rows("HA_Chassis").map((member) => [member._uuid, member]));
    const groupOf = new Map(northbound.rows("Logical_Switch_Port").map((port) => [port.name, port.ha_chassis_group]));
    const reporting = new Set<string>();
    for (const { _uuid, logical_port, chassis } of this.server.rows("Port_Binding")) {
      const all = (groups.get(groupOf.get(logical_port) ?? "") ?? []).flatMap((uuid) => members.get(uuid) ?? []);
      const ranked = all.toSorted((a, b) => b.priority - a.priority).map(({ chassis_name }) => chassis_name);
      const living = ranked.filter((name) => this.#isHeard(name));
      if (ranked.length === 2) this.#report(ranked, living);
      if (ranked.length === 2) for (const name of ranked) reporting.add(name);
      // A single chassis has no session.
      if (living.length < 2) continue;
      const age = scheduler.elapsed - (this.#made.get(logical_port) ?? 0);
      const holder = age < NEW_GROUP_MS ? this.#random.pick(living) : living[0];
      if (age < NEW_GROUP_MS) this.#wake(CLAIM_MS);
      if (age < NEW_GROUP_MS) this.#wake(BFD_MS + NEW_GROUP_MS);
      const row = this.#chassis(holder ?? "");
      if (row !== undefined && row._uuid !== chassis)
        this.#edit([update(OVN_SB, "Port_Binding", _uuid, { chassis: row._uuid })]);
    }
    for (const machine of this.#machines.values())
      if (machine.up && !reporting.has(idOf(machine))) this.#tellUnreachable(machine, null);
  }

  /**
   * In a group of two, the daemon of the living one reports in its Node that it does not reach the other one
   * (`src/daemon/node-gateway/tunnel-report.ts`).
   */
  #report(members: readonly string[], living: readonly string[]): void {
    for (const machine of this.#machines.values()) {
      const own = idOf(machine);
      const other = members.find((name) => name !== own) ?? "";
      if (!machine.up || !members.includes(own)) continue;
      const unreachable = living.includes(other) ? null : other;
      this.#tellUnreachable(machine, unreachable);
    }
  }

  #tellUnreachable({ node }: Machine, chassis: string | null): void {
    const told = this.#world.kube.object(NODES, { name: node })?.metadata.annotations?.[NODE.unreachable];
    if ((told ?? null) !== chassis) this.#patch(node, { metadata: { annotations: { [NODE.unreachable]: chassis } } });
  }

  /** Whether the others have a session with a chassis. */
  #isHeard(name: string): boolean {
    const machine = [...this.#machines.values()].find((one) => idOf(one) === name);
    if (machine === undefined || this.#chassis(name) === undefined) return false;
    const long = this.#world.scheduler.elapsed - machine.since >= BFD_MS;
    return machine.up ? long : !long;
  }

  #chassis(name: string) {
    return this.server.rows("Chassis").find((row) => row.name === name);
  }

  /** The administrator deletes the chassis that conflict with a node, as its condition says (`ovn-sbctl chassis-del`). */
  #deleteStrangers(machine: Machine): void {
    for (const { name, hostname } of this.server.rows("Chassis"))
      if (hostname === machine.node && name !== idOf(machine)) this.#remove(name);
    for (const { ip, chassis_name } of this.server.rows("Encap"))
      if (ip === machine.encap && chassis_name !== idOf(machine)) this.#remove(chassis_name);
    this.#wake(100);
  }

  #remove(name: string): void {
    const chassis = this.#chassis(name);
    if (chassis !== undefined) this.#edit([remove(OVN_SB, "Chassis", chassis._uuid)]);
  }

  #edit(operations: readonly Operation[]): boolean {
    if (operations.length === 0) return true;
    const refusal = this.server.edit(operations);
    if (refusal !== undefined) this.#world.scheduler.note(`the southbound database refuses: ${refusal}`);
    return refusal === undefined;
  }
}

interface SimNodeObject extends KubeObject {
  readonly status?: { readonly addresses?: readonly { readonly address: string }[] };
}

function idOf({ node, installed }: Machine): string {
  return installed === 0 ? `chassis-${node}` : `chassis-${node}-${installed}`;
}
