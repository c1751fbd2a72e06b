// SPDX-License-Identifier: Apache-2.0

import type { Netem } from "../../contract/qos-record.ts";
import type { Watched } from "../../kube/wait.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { POD_LINK_ALIAS } from "../../node/marks.ts";
import type { Nftables } from "../../node/nftables.ts";
import type { OvsdbClient } from "../../ovsdb/client.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { update } from "../../ovsdb/operation.ts";
import type { PodSource } from "../cni/await-allocation.ts";
import type { PodRoute } from "../cni/wanted-routes.ts";
import { EXTERNAL_ID, type PodPort, type PortSpec, type Ports } from "../ovs/ports.ts";
import type { HostEnd, NetemResult, ObservedInterface, PodLink, PodLinks } from "../pods/pod-links.ts";
import { readPodAlias } from "../pods/pod-mark.ts";
import { type NodePod, nodePod } from "../pods/pods.ts";

/** Called at the entry of a fake's method, for example `createPair`; a test throws, waits or counts there. */
export type OnStep = (step: string) => void | Promise<void>;

/** As the alias of a pair: the pair has Weft's group and no alias. */
export const GROUP_ONLY = "(group only)";

/** Interfaces of a node that exists in memory only. */
export class FakeLinks implements PodLinks {
  /** host end's name → the pod's end. */
  readonly pairs = new Map<string, PodLink>();
  /** Names of veths of other programs; they have no mark. */
  readonly others = new Set<string>();
  /** Host ends whose pod's end is configured. */
  readonly configured = new Set<string>();
  readonly announced: string[] = [];
  /** Paths of namespaces that do not exist. */
  readonly goneNetns = new Set<string>();
  /** netns and interface → what is emulated there. */
  readonly emulated = new Map<string, Netem>();
  /** Whether the kernel has sch_netem. */
  hasNetem = true;
  onStep: OnStep = () => undefined;

  async createPair(wanted: PodLink): Promise<void> {
    await this.onStep("createPair");
    if (this.goneNetns.has(wanted.netns)) throw new Error(`${wanted.netns} does not exist`);
    this.pairs.set(wanted.hostName, wanted);
    await this.onStep("createPair done");
  }

  async connect(hostName: string): Promise<void> {
    await this.onStep("connect");
    const { startsDown: _, ...pair } = this.pairs.get(hostName) ?? {};
    this.pairs.set(hostName, pair as PodLink);
  }

  async configure(wanted: PodLink): Promise<void> {
    await this.onStep("configure");
    this.configured.add(wanted.hostName);
    // As in the kernel: a route replaces the one to its destination.
    const destinations = wanted.routes.map(({ destination }) => destination.text);
    this.#loseRoutes(wanted.netns, wanted.ifName, (destination) => destinations.includes(destination.text));
    await this.onStep("configure done");
  }

  async removeDefaultRoutes(netns: string, ifName: string, families: readonly (4 | 6)[]): Promise<void> {
    await this.onStep("removeDefaultRoutes");
    this.#loseRoutes(netns, ifName, ({ prefix, family }) => prefix === 0 && families.includes(family));
  }

  async setRoutes(netns: string, ifName: string, wanted: readonly PodRoute[]): Promise<readonly string[]> {
    await this.onStep("setRoutes");
    for (const [name, pair] of this.pairs) {
      if (pair.netns !== netns || pair.ifName !== ifName) continue;
      const text = (routes: readonly PodRoute[]) =>
        routes.map((route) => `${route.destination.text} via ${route.gateway.text}`);
      const kept = pair.routes.filter(({ isConfigured }) => isConfigured === true);
      const routes = [...kept, ...wanted.filter((route) => !text(kept).includes(text([route])[0] ?? ""))];
      this.pairs.set(name, { ...pair, routes });
      const before = text(pair.routes);
      return text(routes).filter((route) => !before.includes(route));
    }
    return [];
  }

  #loseRoutes(netns: string, except: string, which: (destination: PodRoute["destination"]) => boolean): void {
    for (const [name, pair] of this.pairs) {
      if (pair.netns !== netns || pair.ifName === except) continue;
      this.pairs.set(name, { ...pair, routes: pair.routes.filter(({ destination }) => !which(destination)) });
    }
  }

  async setNetem(netns: string, ifName: string, netem: Netem | undefined): Promise<NetemResult> {
    await this.onStep("setNetem");
    if (this.goneNetns.has(netns)) return "absent";
    if (netem === undefined) this.emulated.delete(`${netns} ${ifName}`);
    else if (!this.hasNetem) return "unsupported";
    else this.emulated.set(`${netns} ${ifName}`, netem);
    return "done";
  }

  announce(wanted: PodLink): void {
    this.announced.push(wanted.hostName);
  }

  async removePair(hostName: string): Promise<void> {
    await this.onStep("removePair");
    this.others.delete(hostName);
    this.pairs.delete(hostName);
    this.configured.delete(hostName);
  }

  async exists(hostName: string): Promise<boolean> {
    return this.pairs.has(hostName) || this.others.has(hostName);
  }

  async hostEnds(): Promise<readonly HostEnd[]> {
    return [...new Set([...this.pairs.keys(), ...this.others])].map((name) => {
      const alias = this.others.has(name) ? undefined : this.pairs.get(name)?.alias;
      const mark = alias === undefined ? undefined : readPodAlias(alias);
      const isUnfinished = alias === GROUP_ONLY;
      const isOurs = isUnfinished || alias?.startsWith(POD_LINK_ALIAS) === true;
      return { name, isOurs, isUnfinished, isForeign: false, mark };
    });
  }

  async mark(hostName: string, alias: string): Promise<void> {
    const pair = this.pairs.get(hostName);
    if (pair !== undefined) this.pairs.set(hostName, { ...pair, alias });
  }

  async inspect(netns: string, ifName: string): Promise<ObservedInterface | undefined> {
    const pair = [...this.pairs.values()].find((pod) => pod.netns === netns && pod.ifName === ifName);
    if (pair === undefined || this.goneNetns.has(netns)) return undefined;
    return {
      mac: pair.mac,
      mtu: pair.mtu,
      up: this.configured.has(pair.hostName),
      addresses: pair.addresses.map(({ ip, cidr }) => `${ip.text}/${cidr.prefix}`),
      routes: pair.routes.map(({ destination }) => destination.text),
      defaultsOfOthers: [...this.pairs.values()]
        .filter((other) => other.netns === netns && other.ifName !== ifName)
        .flatMap(({ routes }) => routes.filter(({ destination }) => destination.prefix === 0))
        .map(({ destination }) => destination.text),
    };
  }
}

/** An integration bridge in memory, with an ovn-controller that installs a port's flows at once by default. */
export class FakePorts implements Ports {
  userspace = false;
  /** port uuid → port. */
  readonly ports = new Map<string, PodPort>();
  /** False: `whenInstalled` waits for its signal. */
  installs = true;
  onStep: OnStep = () => undefined;

  async whenConnected(signal: AbortSignal): Promise<void> {
    await this.onStep("whenConnected");
    signal.throwIfAborted();
  }

  async attach(spec: PortSpec, signal: AbortSignal): Promise<void> {
    await this.onStep("attach");
    signal.throwIfAborted();
    for (const [uuid, port] of this.ports) {
      const same = port.externalIds[EXTERNAL_ID.ifaceId] === spec.externalIds[EXTERNAL_ID.ifaceId];
      if (same || port.name === spec.name) this.ports.delete(uuid);
    }
    this.ports.set(spec.portUuid, { ...spec, error: "", installed: this.installs });
    await this.onStep("attach done");
  }

  async vacate(name: string): Promise<void> {
    await this.onStep("vacate");
    for (const [uuid, port] of this.ports) if (port.name === name) this.ports.delete(uuid);
  }

  async whenInstalled(_interfaceUuid: string, signal: AbortSignal): Promise<void> {
    await this.onStep("whenInstalled");
    if (this.installs) return;
    const { promise, reject } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => reject(signal.reason as Error));
    if (signal.aborted) reject(signal.reason as Error);
    await promise;
  }

  async detach(portUuids: readonly string[]): Promise<void> {
    await this.onStep("detach");
    for (const uuid of portUuids) this.ports.delete(uuid);
  }

  ofContainer(containerId: string, ifName?: string): readonly PodPort[] {
    return this.all().filter(({ externalIds }) => {
      if (externalIds[EXTERNAL_ID.containerId] !== containerId) return false;
      return ifName === undefined || externalIds[EXTERNAL_ID.ifName] === ifName;
    });
  }

  byName(name: string): PodPort | undefined {
    return this.all().find((port) => port.name === name);
  }

  all(): readonly PodPort[] {
    return [...this.ports.values()];
  }
}

/** The node's pods, set by the test. */
export class FakePods implements PodSource, Watched<NodePod> {
  synced = true;
  readonly #pods = new Map<string, NodePod>();
  readonly #listeners = new Set<Parameters<Watched<NodePod>["subscribe"]>[0]>();

  /** Adds or replaces a pod; without annotations the controller has not allocated yet. */
  set(namespace: string, name: string, uid: string, annotations: Readonly<Record<string, string>> = {}): void {
    const metadata = { namespace, name, uid, annotations, resourceVersion: "1" };
    this.#change(`${namespace}/${name}`, nodePod({ metadata }));
  }

  remove(namespace: string, name: string): void {
    this.#change(`${namespace}/${name}`, undefined);
  }

  get(key: string): NodePod | undefined {
    return this.#pods.get(key);
  }

  values(): IterableIterator<NodePod> {
    return this.#pods.values();
  }

  subscribe(listener: Parameters<Watched<NodePod>["subscribe"]>[0]): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async whenSynced(): Promise<void> {}

  #change(key: string, next: NodePod | undefined): void {
    const old = this.#pods.get(key);
    if (next === undefined) this.#pods.delete(key);
    else this.#pods.set(key, next);
    const change = { key, ...(old === undefined ? {} : { old }), ...(next === undefined ? {} : { new: next }) };
    for (const listener of [...this.#listeners]) listener(change);
  }
}

/** nftables in memory. A table's listing is the script that created it. */
export class FakeNftables implements Nftables {
  /** All scripts that were applied. */
  readonly scripts: string[] = [];
  readonly watchers = new Set<(table: string | undefined) => void>();
  broken = false;
  /** Name → listing. */
  readonly all = new Map<string, string>();
  lists = 0;

  async apply(script: string): Promise<void> {
    if (this.broken) throw new Error("nft broke");
    this.scripts.push(script);
    const name = /^table (\w+ \S+)/.exec(script)?.[1] ?? "";
    this.change(name, script.endsWith(`delete table ${name}\n`) ? "" : script);
  }

  async list(table: string): Promise<string> {
    this.lists += 1;
    return this.all.get(table) ?? "";
  }

  async tables(): Promise<readonly string[]> {
    return [...this.all.keys()];
  }

  watch(listener: (table: string | undefined) => void): { close(): void } {
    this.watchers.add(listener);
    return { close: () => void this.watchers.delete(listener) };
  }

  /** Simulates a change by another program; "" deletes the table. */
  change(table: string, listing: string): void {
    if (listing === "") this.all.delete(table);
    else this.all.set(table, listing);
    for (const watcher of this.watchers) watcher(table);
  }
}

/** The parts of ovs-vswitchd that the daemon waits for: devices of interfaces of type `internal`, and `cur_cfg`. */
export async function fakeVswitchd(
  client: OvsdbClient,
  kernel: NodeKernel,
): Promise<{ stop(): void; restart(): void }> {
  const mirror = client.monitor(VSWITCH, { Open_vSwitch: ["next_cfg", "cur_cfg"], Interface: ["name", "type"] });
  let isUp = true;
  const made = new Set<string>();
  const look = (): void => {
    if (!isUp) return;
    const internal = [...mirror.rows("Interface")].filter(({ type }) => type === "internal");
    const names = new Set(internal.map(({ name }) => name));
    for (const name of made) {
      if (names.has(name)) continue;
      const index = kernel.link(name)?.index;
      if (index !== undefined) kernel.deleteLink(index);
      made.delete(name);
    }
    for (const { name } of internal) {
      // As the real one: a device that another program deletes is not created again.
      if (made.has(name)) continue;
      made.add(name);
      if (kernel.link(name) === undefined) kernel.createLink({ name, kind: "openvswitch" });
    }
    const [root] = mirror.rows("Open_vSwitch");
    if (root === undefined || root.cur_cfg === root.next_cfg) return;
    const done = update(VSWITCH, "Open_vSwitch", root._uuid, { cur_cfg: root.next_cfg });
    client.transact(VSWITCH.name, [done]).catch(() => undefined);
  };
  mirror.subscribe(look);
  await mirror.whenSynced();
  look();
  return {
    stop() {
      isUp = false;
    },
    restart() {
      isUp = true;
      made.clear();
      look();
    },
  };
}
