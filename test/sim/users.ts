// SPDX-License-Identifier: Apache-2.0

import { LABEL } from "../../src/api/annotations.ts";
import { MIGRATION_LABEL } from "../../src/facts/workload.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import {
  CRDS,
  IP_POOLS,
  IPS,
  MIGRATIONS,
  NAMESPACES,
  NETWORK_ATTACHMENTS,
  NODES,
  PODS,
  type ResourceType,
  STATEFUL_SETS,
  SUBNETS,
  typeName,
  VIPS,
  VPCS,
} from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { type Cluster, merge, objectRef, type SimPod, type SimSet, type Template } from "./cluster.ts";
import type { MigrationEnd, NetworkWant, UserAction, Wishes } from "./script.ts";

/** The annotation by which pods name networks. */
export const NETWORKS_ANNOTATION = "k8s.v1.cni.cncf.io/networks";

/** KubeVirt's VirtualMachines. */
export const MACHINES: ResourceType = {
  group: "kubevirt.io",
  version: "v1",
  plural: "virtualmachines",
  namespaced: true,
  kind: "VirtualMachine",
};

const TYPES = { subnets: SUBNETS, vpcs: VPCS, ippools: IP_POOLS, vips: VIPS, ips: IPS } as const;

/** Executes the actions of users. Actions that are not possible at the time (the object does not exist) are left out, as kubectl would return an error. */
export class Users {
  readonly #kube: FakeKube;
  readonly #cluster: Cluster;
  /** Names of objects that a user has interfered with, to which some guarantees do not apply. */
  readonly touched = new Set<string>();
  readonly #onNetworks: () => void;
  #launchers = 0;

  /** `onNetworks` is called when the definitions of networks have changed. */
  constructor(kube: FakeKube, cluster: Cluster, onNetworks: () => void) {
    this.#kube = kube;
    this.#cluster = cluster;
    this.#onNetworks = onNetworks;
  }

  act(action: UserAction): void {
    const kube = this.#kube;
    const cluster = this.#cluster;
    switch (action.do) {
      case "pod": {
        const { ns, name, labels, wishes, host } = action;
        if (!this.#namespaceLives(ns)) return;
        cluster.createPod(
          ns,
          name,
          { ...template(wishes), ...(labels && { labels }) },
          host ? { spec: { hostNetwork: true } } : {},
        );
        return;
      }
      case "delete-pod": {
        const pod = kube.object<SimPod>(PODS, { namespace: action.ns, name: action.name });
        if (pod !== undefined) cluster.delete(PODS, pod, action.now ? 0 : undefined);
        return;
      }
      case "end-pod": {
        const pod = pickOf(this.#runningPods(), action.pick);
        if (pod !== undefined) this.#setPhase(pod, action.phase);
        return;
      }
      case "kill-pods": {
        const pods = cluster.pods().filter((pod) => pod.metadata.deletionTimestamp === undefined);
        const first = Math.floor(action.pick * pods.length);
        const count = Math.ceil(pods.length * action.share);
        for (const pod of [...pods.slice(first), ...pods.slice(0, first)].slice(0, count)) cluster.delete(PODS, pod);
        return;
      }
      case "edit-pod": {
        const pod = pickOf(this.#runningPods(), action.pick);
        if (pod !== undefined) this.#editPod(pod, action.how);
        return;
      }
      case "set": {
        const { ns, name, replicas, start, wishes } = action;
        const ordinals = start === undefined ? {} : { ordinals: { start } };
        if (kube.object(STATEFUL_SETS, { namespace: ns, name }) !== undefined) {
          const patch = merge({ spec: { replicas, ...ordinals } });
          cluster.ignore(kube.patch(STATEFUL_SETS, { namespace: ns, name }, patch));
        } else if (this.#namespaceLives(ns)) {
          const spec = { replicas, ...ordinals, template: template(wishes) };
          cluster.ignore(kube.create<SimSet>(STATEFUL_SETS, { metadata: { namespace: ns, name }, spec }));
        }
        return;
      }
      case "delete-set": {
        const set = kube.object(STATEFUL_SETS, { namespace: action.ns, name: action.name });
        if (set === undefined) return;
        if (action.orphan === true) cluster.orphan(set);
        else cluster.delete(STATEFUL_SETS, set);
        return;
      }
      case "deployment": {
        const { ns, name, replicas, wishes } = action;
        if (!this.#namespaceLives(ns)) return;
        const made = { namespace: ns, name, replicas, template: template(wishes) };
        cluster.deployments.set(`${ns}/${name}`, { ...(cluster.deployments.get(`${ns}/${name}`) ?? made), replicas });
        cluster.wake();
        return;
      }
      case "machine":
      case "migrate-machine":
        this.#runMachine(action);
        return;
      case "stop-machine":
        this.#stopMachine(action.ns, action.name);
        return;
      case "delete-machine": {
        const machine = kube.object(MACHINES, { namespace: action.ns, name: action.name });
        if (machine === undefined) return;
        this.#stopMachine(action.ns, action.name);
        cluster.delete(MACHINES, machine);
        return;
      }
      case "network":
        this.#network(action.name, configOf(action.name, action.wants));
        return;
      case "delete-network": {
        const network = kube.object(NETWORK_ATTACHMENTS, { namespace: "default", name: action.name });
        if (network !== undefined) cluster.delete(NETWORK_ATTACHMENTS, network);
        cluster.ignore(Promise.resolve().then(this.#onNetworks));
        return;
      }
      case "network-type":
        this.#serveNetworks(action.served);
        return;
      case "edit-networks": {
        const pods = this.#runningPods();
        const naming = pods.filter(({ metadata }) => metadata.annotations?.[NETWORKS_ANNOTATION] !== undefined);
        const pod = pickOf(naming.length > 0 ? naming : pods, action.pick);
        if (pod === undefined) return;
        this.touched.add(`networks/${pod.metadata.uid}`);
        const annotations = { [NETWORKS_ANNOTATION]: action.networks === "" ? null : action.networks };
        cluster.ignore(kube.patch(PODS, objectRef(pod), merge({ metadata: { annotations } })));
        return;
      }
      case "namespace": {
        const { name, labels } = action;
        if (kube.object(NAMESPACES, { name }) === undefined) {
          cluster.ignore(kube.create(NAMESPACES, { metadata: { name, labels } }));
        } else if (this.#namespaceLives(name)) {
          cluster.ignore(kube.patch(NAMESPACES, { name }, merge({ metadata: { labels } })));
        }
        return;
      }
      case "end-namespace": {
        const patch = merge({ metadata: { labels: { "sim.test/ending": "true" } } });
        cluster.ignore(kube.patch(NAMESPACES, { name: action.name }, patch));
        return;
      }
      case "node":
        this.#node(action.name, action.address.split(","));
        return;
      case "delete-node": {
        const node = kube.object(NODES, { name: action.name });
        if (node !== undefined) cluster.delete(NODES, node);
        return;
      }
      case "ready-node": {
        const status = { conditions: [{ type: "Ready", status: action.ready ? "True" : "False" }] };
        cluster.ignore(kube.patch(NODES, { name: action.name }, merge({ status }), { subresource: "status" }));
        return;
      }
      case "subnet":
        this.#apply(SUBNETS, action.name, action.spec, []);
        return;
      case "vpc":
        this.#apply(VPCS, action.name, action.spec, []);
        return;
      case "pool":
        // The CRD's rules let a pool's subnet be set once.
        this.#apply(IP_POOLS, action.name, action.spec, ["subnet"]);
        return;
      case "vip":
        if (kube.object(VIPS, { name: action.name }) === undefined) this.#apply(VIPS, action.name, action.spec, []);
        return;
      case "reserve": {
        const { name, spec } = action;
        if (kube.object(IPS, { name }) !== undefined) return;
        this.touched.add(`ips/${name}`);
        const labels = { [LABEL.ipReserved]: "true" };
        cluster.ignore(kube.create(IPS, { metadata: { name, labels }, spec }));
        return;
      }
      case "delete": {
        const object = kube.object(TYPES[action.type], { name: action.name });
        if (object !== undefined) cluster.delete(TYPES[action.type], object);
        return;
      }
      case "delete-ip": {
        const ip = pickOf(kube.objects(IPS), action.pick);
        if (ip === undefined) return;
        this.touched.add(`ips/${ip.metadata.name}`);
        cluster.delete(IPS, ip);
        if (action.force) this.#strip(IPS, ip);
        return;
      }
      case "edit-ip": {
        const ip = pickOf(kube.objects(IPS), action.pick);
        if (ip !== undefined) this.#editIp(ip, action.how);
        return;
      }
      case "edit-status": {
        const subnet = pickOf(kube.objects(SUBNETS), action.pick);
        if (subnet === undefined) return;
        const status = { v4usingIPs: 99, v4usingIPrange: "10.16.0.2", v4availableIPs: 1 };
        cluster.ignore(kube.patch(SUBNETS, objectRef(subnet), merge({ status }), { subresource: "status" }));
        return;
      }
      case "strip": {
        const object = pickOf(kube.objects(TYPES[action.type]), action.pick);
        if (object === undefined) return;
        this.touched.add(`${action.type}/${object.metadata.name}`);
        this.#strip(TYPES[action.type], object);
        return;
      }
    }
  }

  #namespaceLives(name: string): boolean {
    const namespace = this.#kube.object(NAMESPACES, { name });
    return namespace !== undefined && namespace.metadata.labels?.["sim.test/ending"] !== "true";
  }

  #runningPods(): readonly SimPod[] {
    return this.#cluster
      .pods()
      .filter((pod) => pod.status?.phase === "Running" && pod.metadata.deletionTimestamp === undefined);
  }

  #setPhase(pod: SimPod, phase: string): void {
    const patch = merge({ status: { phase } });
    this.#cluster.ignore(this.#kube.patch(PODS, objectRef(pod), patch, { subresource: "status" }));
  }

  #editPod(pod: SimPod, how: "clear" | "unset" | "spoil"): void {
    const key = (name: string): string => `ovn.kubernetes.io/${name}`;
    const names = ["allocated", "routed", "ip_address", "mac_address", "cidr", "gateway", "logical_switch"];
    const annotations: Record<string, string | null> = {};
    if (how === "clear") {
      for (const name of names) annotations[key(name)] = null;
      for (const name of Object.keys(pod.metadata.annotations ?? {}))
        if (/\.default(?:\.ovn)?\.kubernetes\.io\/(?:allocated|routed|mac_address|cidr)$/.test(name))
          annotations[name] = null;
    }
    if (how === "unset") annotations[key("routed")] = null;
    if (how === "spoil") annotations[key("ip_address")] = "10.16.0.200";
    this.#cluster.ignore(this.#kube.patch(PODS, objectRef(pod), merge({ metadata: { annotations } })));
  }

  /** Without fields that assign an address: those are for reservations. */
  #editIp(ip: KubeObject, how: "label" | "node" | "owner"): void {
    const body = {
      label: { metadata: { labels: { [LABEL.subnet]: null } } },
      node: { spec: { nodeName: "nowhere" } },
      owner: { spec: { podType: "" } },
    }[how];
    this.touched.add(`ips/${ip.metadata.name}`);
    this.#cluster.ignore(this.#kube.patch(IPS, objectRef(ip), merge(body)));
  }

  /** A virtual machine's pods have random names, and belong to its instance, which has the virtual machine's name. */
  #runMachine(action: Extract<UserAction, { do: "machine" | "migrate-machine" }>): void {
    const { ns: namespace, name } = action;
    const migrate = action.do === "migrate-machine";
    if (!this.#namespaceLives(namespace)) return;
    const machine = this.#kube.object(MACHINES, { namespace, name });
    const asked = migrate ? {} : (action.wishes ?? {});
    const { wishes = asked } = (machine?.spec ?? {}) as { wishes?: Wishes };
    const pods = this.#launchersOf(namespace, name);
    if (machine === undefined) {
      if (migrate) return;
      this.#cluster.ignore(
        this.#kube.create(MACHINES, { metadata: { namespace, name }, spec: { running: true, wishes } }),
      );
    }
    const [old] = pods;
    if (pods.length > 1 || (migrate && old === undefined) || (!migrate && old !== undefined)) return;
    const owner = { apiVersion: "kubevirt.io/v1", kind: "VirtualMachineInstance", name, uid: `vmi-${name}` };
    const pod = `virt-launcher-${name}-${this.#launchers++}`;
    const { labels, ...rest } = template(wishes);
    const make = (migration?: string): void => {
      const marked = migration === undefined ? labels : { ...labels, [MIGRATION_LABEL]: migration };
      this.#cluster.createPod(
        namespace,
        pod,
        { ...rest, ...(marked && { labels: marked }) },
        {
          metadata: { ownerReferences: [{ ...owner, controller: true }] } as never,
        },
      );
    };
    if (old === undefined) make();
    else if (action.do === "migrate-machine") this.#migrate(old, namespace, { machine: name, pod }, action.ends, make);
  }

  /** Migrates a virtual machine as KubeVirt does; without `ends` only the end of the old pod shows it. */
  #migrate(
    source: SimPod,
    namespace: string,
    { machine, pod }: { readonly machine: string; readonly pod: string },
    ends: MigrationEnd | undefined,
    make: (migration?: string) => void,
  ): void {
    const endSource = (): void => this.#setPhase(source, "Succeeded");
    if (ends === undefined) {
      make();
      this.#cluster.later(3_000, endSource);
      return;
    }
    const ref = { namespace, name: `move-${pod}` };
    const say = (phase: string): void =>
      this.#cluster.ignore(this.#kube.patch(MIGRATIONS, ref, merge({ status: { phase } }), { subresource: "status" }));
    const spec = { vmiName: machine };
    const made = this.#kube.create(MIGRATIONS, { metadata: ref, spec, status: { phase: "Scheduling" } } as never);
    this.#cluster.ignore(made.then(({ metadata }) => make(metadata.uid)));
    const endTarget = (): void => {
      const target = this.#kube.object<SimPod>(PODS, { namespace, name: pod });
      if (target !== undefined) this.#setPhase(target, "Failed");
    };
    const ways: Readonly<Record<MigrationEnd, readonly [() => void, () => void]>> = {
      moved: [() => say("Succeeded"), endSource],
      "source-first": [endSource, () => say("Succeeded")],
      failed: [() => say("Failed"), endTarget],
    };
    const [first, second] = ways[ends];
    this.#cluster.later(3_000, first);
    this.#cluster.later(3_500, second);
  }

  #stopMachine(namespace: string, name: string): void {
    for (const pod of this.#launchersOf(namespace, name)) this.#cluster.delete(PODS, pod);
  }

  #launchersOf(namespace: string, name: string): readonly SimPod[] {
    return this.#cluster.pods().filter(({ metadata, status }) => {
      const owner = metadata.ownerReferences?.[0];
      const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
      return (
        metadata.namespace === namespace && owner?.kind === "VirtualMachineInstance" && owner.name === name && !ended
      );
    });
  }

  #network(name: string, config: string): void {
    const ref = { namespace: "default", name };
    const spec = { config };
    // A pod may lose an interface by that, and its requests for it.
    for (const { metadata } of this.#cluster.pods())
      if (metadata.annotations?.[NETWORKS_ANNOTATION] !== undefined) this.touched.add(`networks/${metadata.uid}`);
    const done =
      this.#kube.object(NETWORK_ATTACHMENTS, ref) === undefined
        ? this.#kube.create(NETWORK_ATTACHMENTS, { metadata: ref, spec })
        : this.#kube.patch(NETWORK_ATTACHMENTS, ref, merge({ spec }));
    this.#cluster.ignore(done.then(this.#onNetworks));
  }

  #serveNetworks(served: boolean): void {
    const name = typeName(NETWORK_ATTACHMENTS);
    const definition = this.#kube.object(CRDS, { name });
    this.#kube.serveType(NETWORK_ATTACHMENTS, served);
    this.#onNetworks();
    if (!served) {
      if (definition !== undefined) this.#cluster.delete(CRDS, definition);
      return;
    }
    const spec = { versions: [{ name: "v1", served: true }] };
    const status = { conditions: [{ type: "Established", status: "True" }] };
    const made = definition === undefined ? this.#kube.create(CRDS, { metadata: { name }, spec }) : Promise.resolve();
    this.#cluster.ignore(
      made.then(() => this.#kube.patch(CRDS, { name }, merge({ status }), { subresource: "status" })),
    );
  }

  #node(name: string, addresses: readonly string[]): void {
    const status = { addresses: addresses.map((address) => ({ type: "InternalIP", address })) };
    const set = (): void => {
      const patch = merge({ status });
      this.#cluster.ignore(this.#kube.patch(NODES, { name }, patch, { subresource: "status" }));
    };
    if (this.#kube.object(NODES, { name }) !== undefined) set();
    else this.#cluster.ignore(this.#kube.create(NODES, { metadata: { name } }).then(set));
  }

  #apply(type: ResourceType, name: string, spec: Readonly<Record<string, unknown>>, fixed: readonly string[]): void {
    if (this.#kube.object(type, { name }) === undefined) {
      this.#cluster.ignore(this.#kube.create(type, { metadata: { name }, spec }));
      return;
    }
    const changed = Object.fromEntries(Object.entries(spec).filter(([field]) => !fixed.includes(field)));
    // A subnet that grows has its old gateway and its old exclusions.
    this.#cluster.ignore(this.#kube.patch(type, { name }, merge({ spec: changed })));
  }

  #strip(type: ResourceType, object: KubeObject): void {
    this.#cluster.ignore(this.#kube.patch(type, objectRef(object), merge({ metadata: { finalizers: [] } })));
  }
}

function template(wishes: Wishes = {}): Template {
  return {
    annotations: Object.fromEntries(
      Object.entries(wishes).map(([key, value]) => [key.includes("/") ? key : `ovn.kubernetes.io/${key}`, value]),
    ),
  };
}

/** A CNI configuration, as a NetworkAttachmentDefinition of the namespace `default` has it. */
function configOf(name: string, wants: NetworkWant): string {
  const ipam = {
    type: "kube-ovn",
    server_socket: "/run/openvswitch/kube-ovn-daemon.sock",
    provider: `${name}.default`,
  };
  const own = { ...ipam, provider: `${name}.default.ovn` };
  const config = {
    ovn: { cniVersion: "0.3.1", ...own },
    ipam: { cniVersion: "0.3.1", plugins: [{ type: "macvlan", master: "eth0", ipam }, { type: "tuning" }] },
    other: { type: "bridge", ipam: { type: "host-local" } },
    invalid: { ...own, provider: "foreign.else.ovn" },
  }[wants];
  return JSON.stringify(config);
}

/** The object at a relative position between 0 and 1 in a list. */
export function pickOf<T>(items: readonly T[], pick: number): T | undefined {
  return items[Math.floor(pick * items.length)];
}
