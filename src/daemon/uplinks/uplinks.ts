// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { readUplinkState, type UplinkReport, writeUplinkStates } from "../../contract/uplinks.ts";
import type { NetlinkEvent } from "../../netlink/watch.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { VLAN_LINK_GROUP } from "../../node/marks.ts";
import type { Nftables } from "../../node/nftables.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import type { OwnNode } from "../node-gateway/node-reader.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import type { RepairReport } from "../repair-report.ts";
import { exchangedUplinks, givenName, type UplinkKey, uplinkKey } from "./uplink-names.ts";
import type { UplinkParts } from "./uplink-node.ts";
import type { WantedUplink } from "./uplink-plan.ts";
import { isUplinkBridge, mappingOf, uplinkBridges } from "./uplink-rows.ts";
import { runWithVlans, type UplinkRun } from "./uplink-run.ts";
import { isVlanPortName } from "./vlan-ports.ts";

/** A state that an uplink waits for is reported after this time, in ms; usually it is reached earlier. */
const PATIENCE_MS = 5_000;
/** A move that failed is begun again after so long, in ms. */
const UNDONE_MS = 30_000;
/** The maximum length of a message in the Node's annotation. */
const MOST_TEXT = 400;

/** The dependencies of {@link Uplinks}. */
export interface UplinksDependencies {
  readonly view: OvsView;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  readonly node: string;
  readonly nodes: { get(key: string): OwnNode | undefined; subscribe(listener: () => void): () => void };
  readonly report: Pick<RepairReport, "note">;
  readonly clock: Clock;
  readonly log: Record<"info" | "warn", (fields: object, message: string) => void>;
  /** See {@link UplinkParts.boot}. */
  bootId(): string;
  /** Writes to the API server which networks this node is connected to. */
  annotate(text: string | undefined): Promise<void>;
}

type Failure = Extract<UplinkReport, { readonly reason: string }>;

/** An uplink to reconcile; `isWanted`: whether it must exist. */
interface Task {
  readonly key: UplinkKey;
  readonly isWanted: boolean;
  /** There is a bridge with a record. */
  readonly isBegun: boolean;
}

/**
 * Connects the node to networks outside according to its contract: the interface becomes a port of a bridge of Open vSwitch, and its addresses, routes and neighbours move to the bridge's
 * device, and back (`uplink-plan.ts`). While the contract is unknown, existing uplinks stay, and unfinished moves are completed.
 */
export class Uplinks {
  readonly #deps: UplinksDependencies;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  /** Names of the devices of the last pass. */
  #names: ReadonlySet<string> = new Set();
  #indexes: ReadonlySet<number> = new Set();
  /** An interface is missing: any new one may be it. */
  #isMissing = false;
  /** Network → the time since when its uplink waits. */
  readonly #waiting = new Map<string, number>();
  #cancel: () => void = () => undefined;
  /** Network → the interface that could not be moved to its bridge, and why. */
  readonly #undone = new Map<string, { interface: string; report: UplinkReport; cancel: () => void }>();
  /** Network → the devices of a pass that had nothing to do; later changes of these are another program's. */
  readonly #settled = new Map<string, string>();

  constructor(deps: UplinksDependencies) {
    this.#deps = deps;
    const onError = (error: unknown, retryMs: number): void =>
      deps.log.warn({ err: error, retryMs }, "failed to connect the node to a network outside; retrying");
    // No packet must be lost between the opening of the port and the change of the routes.
    this.#loop = new ReconcileLoop(() => this.#reconcile(), onError, { restMs: 0 }, deps.clock);
  }

  start(): void {
    const { view, nodes, kernel } = this.#deps;
    const trigger = (): void => this.#loop.trigger();
    const watched = kernel.watch((event) => {
      if (this.#concerns(event)) trigger();
    });
    this.#stops.push(
      nodes.subscribe(trigger),
      view.mirror.onSyncedChange(trigger),
      view.mirror.subscribe((changes) => {
        if (changes.some((change) => this.#concernsRow(change))) trigger();
      }),
      () => watched.close(),
    );
    trigger();
  }

  /** Stops reconciling. Uplinks stay as they are. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#cancel();
    for (const { cancel } of this.#undone.values()) cancel();
    await this.#loop.stop();
  }

  async #reconcile(): Promise<void> {
    const { view, kernel, nft, clock, nodes, node, bootId } = this.#deps;
    // Open vSwitch has not been heard of since this daemon started, or its datapath is not known: ovn-controller makes br-int.
    if (view.root() === undefined || view.bridge() === undefined) return;
    const own = nodes.get(node);
    const {
      uplinks: wanted,
      vlanUplinks = [],
      exchangedUplinks: exchanged = [],
      keptVlans = {},
    } = typeof own?.contract === "object" ? own.contract : {};
    const goals =
      wanted && Object.entries(wanted).map(([network, name]) => uplinkKey(network, name, exchanged.includes(network)));
    const tasks = tasksOf(begunUplinks(view, kernel), goals);
    if (tasks.length === 0 && own?.uplinks === undefined) {
      if (wanted !== undefined) this.#deleteVlans(new Set());
      return;
    }
    const parts: UplinkParts = { view, kernel, nft, boot: bootId(), uuid: () => clock.uuid() };
    const states = new Map<string, UplinkReport>();
    const failures: unknown[] = [];
    this.#isMissing = false;
    /** By interface. Two networks that both begin to move one would each take it from the other. */
    const first = new Map<string, UplinkKey>();
    for (const task of tasks) {
      const { key, isWanted } = task;
      this.#follow(tasks);
      const rival = isWanted ? first.get(givenName(key)) : undefined;
      if (rival === undefined) first.set(givenName(key), key);
      // While the contract is unknown, ports that have taken the place of VLAN sub-interfaces stay.
      const vlans = wanted === undefined ? undefined : (keptVlans[key.network] ?? []);
      const more = { createsVlan: vlanUplinks.includes(key.network), ...(vlans && { keptVlans: vlans }) };
      const goal = isWanted ? { ...key, ...more } : undefined;
      const settling = rival === undefined ? this.#settle(parts, key, goal) : this.#yield(parts, task, rival);
      const state = await settling.catch((error: unknown): UplinkReport => {
        failures.push(error);
        return failed(error);
      });
      const kept = state ?? readUplinkState(own?.uplinks, key.network);
      // One that is being given up is reported until that has been done.
      if (kept !== undefined && (isWanted || this.#waiting.has(key.network))) states.set(key.network, shortened(kept));
    }
    this.#follow(tasks);
    const moved = begunUplinks(view, kernel).map((key) => key.interface);
    if (wanted !== undefined) this.#deleteVlans(new Set([...Object.values(wanted), ...moved]));
    const text = states.size === 0 ? undefined : writeUplinkStates(states);
    if (own !== undefined && wanted !== undefined && text !== own.uplinks) await this.#deps.annotate(text);
    const [failure] = failures;
    if (failure !== undefined) throw new Error("an uplink could not be set up", { cause: failure });
  }

  /** The state to report; undefined: the former one. */
  async #settle(parts: UplinkParts, key: UplinkKey, goal: WantedUplink | undefined): Promise<UplinkReport | undefined> {
    const { log, clock } = this.#deps;
    const isWanted = goal !== undefined;
    const undone = this.#undone.get(key.network);
    if (isWanted && undone?.interface === key.interface) {
      await runWithVlans(parts, key, undefined);
      return undone.report;
    }
    const run = await runWithVlans(parts, key, goal).catch((error: unknown) => this.#undo(parts, key, isWanted, error));
    if ("reason" in run) return run;
    const { outcome, steps } = run;
    if (steps.length > 0) log.info({ ...key, steps }, "interface to a network outside");
    this.#judge(key, isWanted, { outcome, steps });
    if (!("wait" in outcome)) this.#waiting.delete(key.network);
    if ("done" in outcome) return outcome.done;
    if ("problem" in outcome) {
      this.#isMissing ||= outcome.problem.reason === "InterfaceNotFound";
      return outcome.problem;
    }
    if ("gone" in outcome) return undefined;
    const since = this.#waiting.get(key.network) ?? clock.now();
    this.#waiting.set(key.network, since);
    const left = since + PATIENCE_MS - clock.now();
    if (left <= 0) return { reason: "Waiting", message: outcome.wait };
    this.#cancel();
    this.#cancel = clock.after(left, () => this.#loop.trigger());
    return undefined;
  }

  /** Deletes the VLAN sub-interfaces that Weft has created, except for those in use. */
  #deleteVlans(used: ReadonlySet<string>): void {
    const { kernel, view, log } = this.#deps;
    for (const { kind, group, name, index } of kernel.links()) {
      if (kind !== "vlan" || group !== VLAN_LINK_GROUP || used.has(name)) continue;
      if (view.interfaceNamed(name) !== undefined) continue;
      kernel.deleteLink(index);
      log.info({ interface: name }, "VLAN interface deleted (no longer wanted)");
    }
  }

  /** The interface is another network's; what there is of an earlier attempt goes. */
  async #yield(parts: UplinkParts, { key, isBegun }: Task, { bridge, network }: UplinkKey): Promise<UplinkReport> {
    if (isBegun) await runWithVlans(parts, key, undefined);
    const message = `${givenName(key)} is a port of bridge ${bridge}, to network ${network}`;
    return { reason: "InterfaceInUse", message };
  }

  /**
   * A move that failed half way would leave the node without what could not be moved: the interface gets everything back, until the next attempt. A network that was connected stays.
   * @throws the error of such a network.
   */
  async #undo(parts: UplinkParts, key: UplinkKey, isWanted: boolean, error: unknown): Promise<Failure> {
    const { log, clock } = this.#deps;
    if (!isWanted || mappingOf(parts.view, key.network) === key.bridge) throw error;
    this.#undone.get(key.network)?.cancel();
    const cancel = clock.after(UNDONE_MS, () => {
      this.#undone.delete(key.network);
      this.#loop.trigger();
    });
    const report = failed(error);
    this.#undone.set(key.network, { interface: key.interface, report, cancel });
    const { steps } = await runWithVlans(parts, key, undefined);
    log.warn(
      { ...key, steps, err: error, retryMs: UNDONE_MS },
      "an interface could not be moved to its bridge; moved back",
    );
    return report;
  }

  /** Backs off if another program changes an uplink repeatedly. */
  #judge({ network, bridge, interface: name }: UplinkKey, isWanted: boolean, { outcome, steps }: UplinkRun): void {
    const { kernel, report } = this.#deps;
    const devices = [bridge, name].map((link) => kernel.link(link)?.index ?? 0);
    const now = `${isWanted} ${name} ${devices.join(" ")}`;
    const isSame = this.#settled.get(network) === now;
    const changes = steps.filter((step) => !step.startsWith("record "));
    if (isSame && changes.length > 0) this.#loop.backOff(report.note(changes));
    if ("done" in outcome) this.#settled.set(network, now);
    else this.#settled.delete(network);
  }

  /** Selects the devices whose events trigger a pass. */
  #follow(tasks: readonly Task[]): void {
    this.#names = new Set(tasks.flatMap(({ key }) => [key.interface, key.bridge]));
    this.#indexes = new Set([...this.#names].flatMap((name) => this.#deps.kernel.link(name)?.index ?? []));
  }

  #concerns(event: NetlinkEvent): boolean {
    switch (event.type) {
      case "link":
        return (
          this.#isMissing ||
          this.#names.has(event.link.name) ||
          isVlanPortName(event.link.name) ||
          this.#indexes.has(event.link.index) ||
          // One on top of it.
          this.#indexes.has(event.link.peer ?? 0)
        );
      case "address":
        return this.#indexes.has(event.address.index);
      case "route":
        return (
          this.#indexes.has(event.route.device ?? 0) ||
          event.route.nextHops.some((hop) => this.#indexes.has(hop.device))
        );
      case "overrun":
      case "failed":
        return true;
      default:
        return false;
    }
  }

  #concernsRow({ table, old, new: now }: OvsChange): boolean {
    if (table === "Interface") return this.#names.has((now ?? old)?.name ?? "");
    if (table === "Open_vSwitch") return !samePlain(old?.external_ids, now?.external_ids);
    if (table !== "Bridge") return false;
    const row = now ?? old;
    return row !== undefined && (isUplinkBridge(row) || old === undefined || now === undefined);
  }
}

/** The uplinks that exist or were begun: with a bridge that has a record, or an interface that has exchanged its name. */
function begunUplinks(view: OvsView, kernel: NodeKernel): readonly UplinkKey[] {
  const bridges = uplinkBridges(view).flatMap(({ name: bridge, record }) =>
    record === undefined ? [] : [{ network: record.network, interface: record.interface, bridge }],
  );
  const isNew = (key: UplinkKey): boolean => !bridges.some((other) => isSame(key, other));
  return [...bridges, ...exchangedUplinks(kernel.links()).filter(isNew)];
}

/** The uplinks to reconcile. Those that are no longer wanted come first: an interface may move from one network to another. `goals`: undefined if the contract is unknown. */
function tasksOf(begun: readonly UplinkKey[], goals: readonly UplinkKey[] | undefined): readonly Task[] {
  const isWanted = (key: UplinkKey): boolean => goals?.some((goal) => isSame(goal, key)) ?? true;
  const tasks = begun.map((key): Task => ({ key, isWanted: isWanted(key), isBegun: true }));
  tasks.sort((a, b) => Number(a.isWanted) - Number(b.isWanted));
  for (const key of goals ?? [])
    if (!begun.some((other) => isSame(other, key))) tasks.push({ key, isWanted: true, isBegun: false });
  return tasks;
}

function isSame(a: UplinkKey, b: UplinkKey): boolean {
  return a.network === b.network && a.interface === b.interface && a.bridge === b.bridge;
}

function failed(error: unknown): Failure {
  return { reason: "Failed", message: error instanceof Error ? error.message : String(error) };
}

function shortened(state: UplinkReport): UplinkReport {
  return "mtu" in state ? state : { reason: state.reason, message: state.message.slice(0, MOST_TEXT) };
}
