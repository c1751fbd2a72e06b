// SPDX-License-Identifier: Apache-2.0

import { SUBNET } from "../../../src/api/annotations.ts";
import { NODES, PODS, SUBNETS } from "../../../src/kube/resources.ts";
import { merge, type SimPod } from "../cluster.ts";
import { ClusterView } from "../cluster-view.ts";
import type { NodeAction } from "../script.ts";
import { pickOf } from "../users.ts";
import { judgeNode, unreachableSandboxes } from "./judge.ts";
import { type NodeWorld, SimNode } from "./node.ts";

/** The interval at which nodes are checked, in ms. */
const LOOK_MS = 2_000;
/**
 * The time after which disturbed objects must be restored: the daemon's longest pause under contention is a minute,
 * others are seconds. In ms.
 */
const REPAIRED_MS = 30_000;

/** The nodes of the cluster with running daemons, for the rest of the cluster and the script. */
export class Nodes {
  readonly #world: NodeWorld;
  readonly #nodes = new Map<string, SimNode>();

  constructor(world: NodeWorld) {
    this.#world = world;
  }

  /** Starts a machine for each present and later Node. */
  start(): void {
    const { kube, scheduler } = this.#world;
    const signal = new AbortController().signal;
    const watch = { resourceVersion: "0", timeoutSeconds: 1e9, signal };
    kube.watch(NODES, watch, () => this.#boot()).catch(() => undefined);
    this.#boot();
    const look = (): void => {
      this.#look();
      scheduler.after(LOOK_MS, look);
    };
    scheduler.after(LOOK_MS, look);
  }

  /** Pods have changed. */
  look(pods: readonly SimPod[]): void {
    for (const node of this.#nodes.values()) node.runtime.look(pods.filter(({ spec }) => spec.nodeName === node.name));
  }

  /** Ends a pod's sandbox on its node, and calls `done`. */
  end({ metadata, spec }: SimPod, done: () => void): void {
    const node = this.#nodes.get(spec.nodeName ?? "");
    if (node === undefined) done();
    else node.runtime.end(metadata.uid, done);
  }

  hasNetwork({ metadata, spec }: SimPod): boolean {
    return this.#nodes.get(spec.nodeName ?? "")?.runtime.hasNetwork(metadata.uid) === true;
  }

  /** The northbound database has changed, and with it the input of ovn-controllers. */
  onNorthbound(): void {
    for (const node of this.#nodes.values()) node.vswitch.wake();
  }

  act(action: NodeAction): void {
    const node = pickOf([...this.#nodes.values()], action.pick);
    if (node === undefined) return;
    switch (action.do) {
      case "daemon-crash":
        if (action.steps === undefined) node.crash(action.down);
        else node.crashWithin(action.steps, action.down);
        return;
      case "daemon-restart":
        void node.restart(action.down);
        return;
      case "ovs-restart":
        node.disturbed();
        node.vswitch.stop(action.database);
        this.#world.scheduler.after(action.down, () => {
          node.vswitch.start();
          node.disturbed();
        });
        return;
      case "node-change":
        this.#change(node, action.how, action.thing);
        return;
      case "node-foreign":
        if (action.what === "port") node.vswitch.addForeignPort(`foreign${Math.floor(action.thing * 3)}`);
        else node.foreign.make(action.what);
        return;
      case "cni-gc":
        node.runtime.collect();
        return;
      case "cni-forget":
        node.disturbed();
        node.runtime.forget(action.thing, action.namespace);
        return;
      case "subnet-mistake": {
        // Every second time the subnet with the most pods.
        const all = this.#world.kube.objects(SUBNETS);
        const main = all.find(({ metadata }) => metadata.name === "ovn-default");
        const subnet = action.thing < 0.5 ? main : pickOf(all, 2 * action.thing - 1);
        if (subnet === undefined) return;
        // A value that the CRD accepts and OVN cannot parse: the subnet is not ready, and its pods keep their
        // network.
        const acls = [{ direction: "to-lport", priority: 1_001, match: "ip4.src == nowhere &&", action: "drop" }];
        const { name } = subnet.metadata;
        this.#world.kube
          .patch(SUBNETS, { name }, merge({ spec: { acls: action.mend ? [] : acls } }))
          .catch(() => undefined);
        return;
      }
    }
  }

  /** The differences on any node, when all is quiet. */
  async judge(touched: ReadonlySet<string>): Promise<string[]> {
    const picture = new ClusterView(this.#world.kube);
    const found: string[] = [];
    for (const node of this.#nodes.values()) {
      if (!picture.nodes.some(({ name }) => name === node.name)) continue;
      found.push(...judgeNode(node, picture, this.#contracts(), touched));
      for (const sandbox of node.runtime.sandboxes) {
        if (sandbox.result === undefined || sandbox.ending || node.broken.has(sandbox.netns)) continue;
        // A pod whose record was deleted may get another address.
        if (touched.has(`ips/${sandbox.pod.name}.${sandbox.pod.namespace}`)) continue;
        const why = await node.runtime.check(sandbox);
        if (why !== undefined) found.push(`CHECK of ${sandbox.pod.namespace}/${sandbox.pod.name} fails: ${why}`);
      }
    }
    return found;
  }

  /** All daemons crash at once. */
  crash(): void {
    for (const node of this.#nodes.values()) node.crash(500);
  }

  kill(): void {
    for (const node of this.#nodes.values()) node.process?.kill();
  }

  #boot(): void {
    for (const { metadata, status } of this.#world.kube.objects(NODES)) {
      const { addresses = [] } = (status ?? {}) as { addresses?: readonly { readonly address: string }[] };
      if (addresses.length === 0 || this.#nodes.has(metadata.name)) continue;
      const node = new SimNode(
        metadata.name,
        addresses.map(({ address }) => address),
        this.#world,
      );
      this.#nodes.set(metadata.name, node);
      node.start();
      node.runtime.look(this.#world.kube.objects<SimPod>(PODS).filter(({ spec }) => spec.nodeName === node.name));
    }
  }

  /** A pod that has its network keeps it, whether the daemon runs or not, unless another program removes it. */
  #look(): void {
    const { scheduler, kube, onViolation } = this.#world;
    const picture = new ClusterView(kube);
    for (const node of this.#nodes.values()) {
      if (node.undisturbedFor(REPAIRED_MS)) {
        for (const { sandbox, why } of unreachableSandboxes(node, picture)) {
          if (scheduler.elapsed - sandbox.since < REPAIRED_MS) continue;
          onViolation(`${sandbox.pod.namespace}/${sandbox.pod.name} cannot be reached from ${node.name}: ${why}`);
        }
      }
      for (const lost of node.foreign.missing())
        onViolation(`${lost} of another program was removed from ${node.name}`);
    }
  }

  #contracts(): ReadonlyMap<string, string> {
    const subnets = this.#world.kube.objects(SUBNETS);
    return new Map(subnets.map(({ metadata }) => [metadata.name, metadata.annotations?.[SUBNET.nodeContract] ?? ""]));
  }

  #change(node: SimNode, how: Extract<NodeAction, { do: "node-change" }>["how"], thing: number): void {
    const { machine, vswitch } = node;
    const { kernel } = machine;
    const own = kernel.link("ovn0");
    node.disturbed();
    switch (how) {
      case "route": {
        const route = pickOf(kernel.routes(own === undefined ? {} : { device: own.index }), thing);
        if (own === undefined || route === undefined) return;
        const { destination, table, metric } = route;
        kernel.deleteRoute({ destination, table, metric, device: own.index });
        return;
      }
      case "address": {
        const address = own && pickOf(kernel.addresses({ index: own.index }), thing);
        if (address !== undefined) kernel.deleteAddress(address);
        return;
      }
      case "down":
        if (own !== undefined) kernel.setLink(own.index, { up: false });
        return;
      case "ovn0":
        machine.deleteLink("ovn0");
        return;
      case "table":
        for (const name of machine.tables.keys()) if (/ weft/.test(name)) machine.setTable(name, "");
        return;
      case "port": {
        const port = pickOf(vswitch.server.rows("Port"), thing);
        if (port !== undefined && !port.name.startsWith("foreign")) vswitch.removePort(port.name);
        return;
      }
      case "pair": {
        const name = pickOf([...machine.pairs.keys()], thing);
        if (name === undefined) return;
        // The daemon cannot restore that: the pod has to be recreated.
        node.broken.add(machine.pairs.get(name)?.wanted.netns ?? "");
        machine.deleteLink(name);
        return;
      }
    }
  }
}
