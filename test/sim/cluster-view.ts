// SPDX-License-Identifier: Apache-2.0

import { LABEL } from "../../src/api/annotations.ts";
import { vlanKind } from "../../src/kinds/vlan.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import {
  IP_POOLS,
  IPS,
  NAMESPACES,
  NETWORK_ATTACHMENTS,
  NODES,
  PODS,
  STATEFUL_SETS,
  SUBNETS,
  VIPS,
  VPCS,
} from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { type Block, isIn, meet, type NumericAddress, readAddress, readBlock, readRange } from "./addresses.ts";
import { ASKED, type SimPod, type SimSet } from "./cluster.ts";
import { type ExternalHolder, externalHolders } from "./external-holders.ts";
import { isHostile } from "./hostile.ts";
import { MACHINES, NETWORKS_ANNOTATION } from "./users.ts";

/** The default VPC, subnet and join subnet: the names are part of the API. */
export const DEFAULT_VPC_NAME = "ovn-cluster";
const DEFAULT_SUBNET = "ovn-default";
/** The subnet of the nodes' own ports. */
export const JOIN = "join";

/** A node. */
interface Node {
  readonly name: string;
  readonly addresses: readonly NumericAddress[];
  readonly ready: boolean;
  /** Its chassis, and the one that it reports as unreachable. */
  readonly chassis: string | undefined;
  readonly unreachable: string | undefined;
}

/** A subnet as its user wrote it, but with the addresses that the controller has accepted. */
export interface SimulatedSubnet {
  readonly name: string;
  readonly vpc: string;
  readonly provider: string;
  /** Subnets of other plugins' networks have no rows in OVN. */
  readonly onOvn: boolean;
  /** The space in which addresses are unique: its VPC, or another plugin's network. */
  readonly domain: string;
  readonly blocks: readonly Block[];
  readonly gateways: readonly NumericAddress[];
  readonly excluded: readonly Block[];
  readonly namespaces: readonly string[];
  readonly selectors: readonly { readonly matchLabels?: Readonly<Record<string, string>> }[];
  readonly centralized: boolean;
  readonly deleting: boolean;
  readonly created: string;
  /** The user's last spec, if the addresses above are the accepted ones. */
  readonly wanted: { readonly blocks: readonly Block[]; readonly gateways: readonly NumericAddress[] };
  /** The controller has reported the accepted addresses. */
  readonly accepted: boolean;
  readonly object: KubeObject;
}

/** An IP object. */
export interface SimulatedIp {
  readonly name: string;
  readonly subnet: string;
  readonly addresses: readonly string[];
  readonly mac: string;
  readonly podName: string;
  readonly namespace: string;
  readonly podUid: string;
  readonly podType: string;
  readonly reserved: boolean;
  readonly deleting: boolean;
  /** Created by a user: it has no fields that only the controller writes. */
  readonly byUser: boolean;
}

/** A Vip. */
export interface Vip {
  readonly name: string;
  readonly namespace: string;
  readonly subnet: string;
  readonly type: string;
  /** The addresses in its spec; the controller writes the allocation there. */
  readonly asked: readonly string[];
  /** Its allocated addresses. */
  readonly addresses: readonly string[];
  readonly deleting: boolean;
}

/** One interface of a pod on the pod network: its primary one, or a secondary one. */
export interface SimulatedPod {
  /** For people: `namespace/pod`, followed by the provider of a secondary interface. */
  readonly key: string;
  /** The prefix of its annotations. */
  readonly provider: string;
  /** Whether it has a port in OVN. */
  readonly onOvn: boolean;
  /** For a pod's primary interface: whether it may still get one of this provider, when its networks are known. */
  readonly mayHave: (provider: string) => boolean;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string | undefined;
  readonly alive: boolean;
  /** The name of its IP object and of its port. */
  readonly port: string;
  /** Its virtual machine, if any. */
  readonly machine: string | undefined;
  readonly set: { readonly name: string; readonly uid: string; readonly ordinal: number } | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  /** The requests at its creation, without `<provider>.kubernetes.io/`. */
  readonly asked: Readonly<Record<string, string>>;
}

/** An annotation of ours. */
export function annotation(of: Pick<SimulatedPod, "annotations" | "provider">, key: string): string {
  return of.annotations[`${of.provider}.kubernetes.io/${key}`] ?? "";
}

/** A pod's primary interface. */
export const OWN = "ovn";

/** The content of the API server, read without the product's code. */
export class ClusterView {
  readonly subnets: readonly SimulatedSubnet[];
  readonly ips: readonly SimulatedIp[];
  readonly vips: readonly Vip[];
  /** OvnEips and Services with addresses of external subnets. */
  readonly externals: readonly ExternalHolder[];
  readonly pods: readonly SimulatedPod[];
  readonly nodes: readonly Node[];
  readonly sets: readonly SimSet[];
  readonly machines: readonly KubeObject[];
  /** Vlan → the network outside that it names. */
  readonly vlans: ReadonlyMap<string, string>;
  /** Names of VPCs. */
  readonly vpcs: ReadonlySet<string>;
  /** VPC → those with which it has an active peering, according to its status. */
  readonly peers: ReadonlyMap<string, readonly string[]>;
  readonly pools: readonly {
    readonly name: string;
    readonly subnet: string;
    readonly ranges: readonly Block[];
    readonly namespaces: readonly string[];
    readonly deleting: boolean;
  }[];
  readonly namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Conditions of subnets and VPCs, with their times. */
  readonly conditions: readonly { readonly what: string; readonly time: string }[];

  constructor(kube: FakeKube) {
    this.nodes = nodesOf(kube.objects(NODES));
    this.subnets = subnetsOf(kube.objects(SUBNETS));
    this.ips = ipsOf(kube.objects(IPS));
    this.vips = vipsOf(kube.objects(VIPS));
    this.externals = externalHolders(kube);
    const networks = networksOf(kube.objects(NETWORK_ATTACHMENTS));
    this.pods = kube
      .objects<SimPod>(PODS)
      .filter(isJudged)
      .flatMap((pod) => (pod.spec.hostNetwork === true ? [] : readInterfaces(pod, networks, this.ips)));
    this.sets = kube.objects<SimSet>(STATEFUL_SETS);
    this.conditions = [...conditionsOf(kube.objects(SUBNETS)), ...conditionsOf(kube.objects(VPCS))];
    this.vlans = vlansOf(kube.objects(vlanKind.type));
    this.vpcs = namesOf(kube.objects(VPCS));
    this.peers = peersOf(kube.objects(VPCS));
    this.machines = kube.objects(MACHINES);
    this.pools = poolsOf(kube.objects(IP_POOLS));
    this.namespaceLabels = labelsOf(kube.objects(NAMESPACES));
  }

  subnet(name: string): SimulatedSubnet | undefined {
    return this.subnets.find((subnet) => subnet.name === name);
  }

  /** Whether a subnet is accepted. Whether it should be is checked by `refusalOf` and the oracle. */
  accepted(subnet: SimulatedSubnet): boolean {
    return subnet.accepted;
  }

  /** Why the spec of a subnet is not acceptable; undefined if it is. */
  refusalOf(subnet: SimulatedSubnet): string | undefined {
    const { wanted, vpc, name, created } = subnet;
    if (!isSound(wanted)) return "it makes no sense";
    if (subnet.onOvn && !this.vpcs.has(vpc)) return "its VPC does not exist";
    const meets = (blocks: readonly Block[]): boolean =>
      wanted.blocks.some((block) => blocks.some((theirs) => meet(block, theirs)));
    for (const other of this.subnets) {
      if (other.name === name || other.domain !== subnet.domain) continue;
      if (other.accepted && meets(other.blocks)) return `it overlaps ${other.name}`;
      const older = other.created < created || (other.created === created && other.name < name);
      if (older && isSound(other.wanted) && meets(other.wanted.blocks))
        return `${other.name}, which is older, wants it as well`;
    }
    for (const other of this.subnets) {
      const isPeer = subnet.onOvn && other.onOvn && this.peers.get(vpc)?.includes(other.vpc) === true;
      if (isPeer && other.accepted && meets(other.blocks)) return `it overlaps ${other.name} of a peered VPC`;
    }
    const addresses = this.nodes.flatMap((node) => node.addresses);
    if (
      subnet.onOvn &&
      vpc === DEFAULT_VPC_NAME &&
      wanted.blocks.some((block) => addresses.some((ip) => isIn(block, ip)))
    )
      return "it has a node's address";
    const held = [...this.ips, ...this.vips, ...this.externals].filter((holder) => holder.subnet === name);
    for (const address of held.flatMap((holder) => holder.addresses.flatMap((text) => readAddress(text) ?? []))) {
      if (!wanted.blocks.some((block) => isIn(block, address))) return "an address in use would be outside of it";
      if (wanted.gateways.some(({ family, value }) => family === address.family && value === address.value))
        return "an object has the gateway's address";
    }
    return undefined;
  }

  /** The subnets from which a pod may get its address, in order. */
  subnetsFor(pod: SimulatedPod): readonly SimulatedSubnet[] {
    const open = (subnet: SimulatedSubnet): boolean => !subnet.deleting && this.accepted(subnet);
    const named = pod.asked["logical_switch"];
    const fits = ({ provider, onOvn }: SimulatedSubnet): boolean =>
      pod.provider === OWN ? provider === OWN : provider === pod.provider || onOvn === pod.onOvn;
    if (named !== undefined)
      return this.subnets.filter((subnet) => subnet.name === named && fits(subnet) && open(subnet));
    if (pod.provider !== OWN) return this.subnets.filter((subnet) => subnet.provider === pod.provider && open(subnet));
    const labels = this.namespaceLabels.get(pod.namespace);
    const bound = this.subnets
      .filter(fits)
      .filter(
        (subnet) =>
          subnet.namespaces.includes(pod.namespace) ||
          (labels !== undefined &&
            subnet.selectors.some(({ matchLabels = {} }) =>
              Object.entries(matchLabels).every(([key, value]) => labels[key] === value),
            )),
      );
    const meant = bound.filter((subnet) => !subnet.deleting);
    // Pods of a subnet that is bound but not accepted wait.
    if (meant.length > 0) return meant.filter(open);
    return this.subnets.filter((subnet) => subnet.name === DEFAULT_SUBNET && open(subnet));
  }

  /** Whether an address outlives its pod: a StatefulSet's within its replicas, a virtual machine's while that exists. */
  isRetained(ip: SimulatedIp): boolean {
    const own = `${ip.podName}.${ip.namespace}`;
    const there = this.pods.filter((pod) => pod.provider === OWN && pod.port === own && pod.alive);
    // Its pod exists and has no such interface.
    if (ip.name !== own && there.length > 0 && !this.pods.some((pod) => pod.port === ip.name && pod.alive)) {
      if (!there.some((pod) => pod.mayHave(ip.name.slice(own.length + 1)))) return false;
    }
    if (ip.podType === "VirtualMachine") {
      return this.machines.some(
        ({ metadata }) =>
          metadata.namespace === ip.namespace &&
          metadata.name === ip.podName &&
          metadata.deletionTimestamp === undefined,
      );
    }
    // By its name: a record may lack the mark of a StatefulSet that has adopted its pod while no controller led.
    const set = this.sets.find(
      ({ metadata }) => metadata.namespace === ip.namespace && ip.podName.startsWith(`${metadata.name}-`),
    );
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return false;
    const ordinal = Number(ip.podName.slice(set.metadata.name.length + 1));
    const start = set.spec.ordinals?.start ?? 0;
    return ordinal >= start && ordinal < start + set.spec.replicas;
  }
}

/** Whether a subnet's spec is valid by itself. */
export function isSound({ blocks, gateways }: Pick<SimulatedSubnet, "blocks" | "gateways">): boolean {
  return blocks.length > 0 && gateways.every((gateway) => blocks.some((block) => isIn(block, gateway)));
}

/** Reads each object, and each list of objects, once: the API server never changes them in place, and views are made at each change. */
function once<O extends object, R>(read: (objects: O) => R): (objects: O) => R {
  const known = new WeakMap<O, R>();
  return (objects) => {
    const found = known.get(objects) ?? read(objects);
    known.set(objects, found);
    return found;
  };
}

type Objects = readonly KubeObject[];
const subnetOf = once(readSubnet);
const ipOf = once(readIp);
const vipOf = once(readVip);
const nodesOf = once((objects: Objects) => objects.map(readNode));
const subnetsOf = once((objects: Objects) => objects.filter(isJudged).map(subnetOf));
const ipsOf = once((objects: Objects) => objects.map(ipOf));
const vipsOf = once((objects: Objects) => objects.map(vipOf));
const networksOf = once(readNetworks);
const conditionsOf = once((objects: Objects) => objects.filter(isJudged).flatMap(readConditions));
const vlansOf = once(
  (objects: Objects) => new Map(objects.map(({ metadata, spec }) => [metadata.name, texts(spec)["provider"] ?? ""])),
);
const namesOf = once((objects: Objects) => new Set(objects.map(({ metadata }) => metadata.name)));
const peersOf = once(readPeers);
const poolsOf = once((objects: Objects) => objects.filter(isJudged).map(readPool));
const labelsOf = once(
  (objects: Objects) => new Map(objects.map(({ metadata }) => [metadata.name, metadata.labels ?? {}])),
);

function readPeers(vpcs: Objects): ClusterView["peers"] {
  return new Map(
    vpcs.map(({ metadata, status }) => {
      const { vpcPeerings: active } = (status ?? {}) as { readonly vpcPeerings?: unknown };
      return [metadata.name, Array.isArray(active) ? active.map(String) : []];
    }),
  );
}

function readPool({ metadata, spec }: KubeObject): ClusterView["pools"][number] {
  const { subnet = "", ips = [], namespaces = [] } = spec as { subnet?: string; ips?: string[]; namespaces?: string[] };
  const ranges = ips.flatMap((text) => readRange(text) ?? []);
  return { name: metadata.name, subnet, ranges, namespaces, deleting: metadata.deletionTimestamp !== undefined };
}

function readNode({ metadata, status }: KubeObject): Node {
  const { addresses = [], conditions = [] } = (status ?? {}) as {
    addresses?: { address: string }[];
    conditions?: { type: string; status: string }[];
  };
  return {
    name: metadata.name,
    addresses: firstOfEach(addresses),
    ready: conditions.every(({ type, status: is }) => type !== "Ready" || is === "True"),
    chassis: metadata.annotations?.["ovn.kubernetes.io/chassis"],
    unreachable: metadata.annotations?.["weft.kubeovn.io/unreachable-chassis"],
  };
}

/** A node's first address of each family is used. */
function firstOfEach(addresses: readonly { readonly address: string }[]): readonly NumericAddress[] {
  const all = addresses.flatMap(({ address }) => readAddress(address) ?? []);
  return [4, 6].flatMap((family) => all.find((address) => address.family === family) ?? []);
}

function readSubnet(object: KubeObject): SimulatedSubnet {
  const { metadata, spec = {} } = object;
  const fields = spec as {
    vpc?: string;
    provider?: string;
    cidrBlock?: string;
    gateway?: string;
    excludeIps?: readonly string[];
    namespaces?: readonly string[];
    namespaceSelectors?: SimulatedSubnet["selectors"];
    gatewayType?: string;
  };
  const wanted = readAddresses(fields.cidrBlock ?? "", fields.gateway ?? "");
  const [cidrs = "", gateways = ""] = (metadata.annotations?.["weft.kubeovn.io/accepted"] ?? "").split(" ");
  const accepted = cidrs !== "";
  const provider = fields.provider || OWN;
  const vpc = fields.vpc || DEFAULT_VPC_NAME;
  const onOvn = provider === OWN || provider.endsWith(".ovn");
  return {
    name: metadata.name,
    vpc,
    provider,
    onOvn,
    domain: onOvn ? vpc : `(${provider})`,
    ...(accepted ? readAddresses(cidrs, gateways) : wanted),
    wanted,
    accepted,
    excluded: (fields.excludeIps ?? []).flatMap((text) => readRange(text) ?? []),
    namespaces: fields.namespaces ?? [],
    selectors: fields.namespaceSelectors ?? [],
    centralized: fields.gatewayType === "centralized",
    deleting: metadata.deletionTimestamp !== undefined,
    created: metadata.creationTimestamp ?? "",
    object,
  };
}

function readAddresses(cidrs: string, named: string): SimulatedSubnet["wanted"] {
  const blocks = cidrs.split(",").flatMap((text) => readBlock(text) ?? []);
  const addresses = named.split(",").flatMap((text) => readAddress(text) ?? []);
  const gateways = blocks.map(
    ({ family, first }) => addresses.find((address) => address.family === family) ?? { family, value: first + 1n },
  );
  // An address of a family that the subnet does not have is in none of its ranges.
  const stray = addresses.filter(({ family }) => blocks.every((block) => block.family !== family));
  return { blocks, gateways: [...gateways, ...stray] };
}

/** The results of hostile objects are not evaluated. */
function readConditions({ metadata, status }: KubeObject): ClusterView["conditions"] {
  const { conditions } = (status ?? {}) as { conditions?: { type: string; lastUpdateTime: string }[] };
  // Another client may have written anything, until it is restored.
  if (!Array.isArray(conditions)) return [];
  return conditions
    .flatMap((one) => one ?? [])
    .map(({ type, lastUpdateTime }) => ({ what: `${metadata.name} ${type}`, time: lastUpdateTime }));
}

function isJudged({ metadata }: KubeObject): boolean {
  return !isHostile(metadata.name);
}

/** The fields of an object that are strings; in hostile objects others may be anything. */
function texts(fields: unknown): Readonly<Record<string, string | undefined>> {
  if (typeof fields !== "object" || fields === null) return {};
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === "string"));
}

function readIp({ metadata, spec = {} }: KubeObject): SimulatedIp {
  const fields = texts(spec);
  const uid = metadata.annotations?.["weft.kubeovn.io/pod-uid"] ?? "";
  const reserved = metadata.labels?.[LABEL.ipReserved] === "true";
  return {
    name: metadata.name,
    subnet: fields["subnet"] ?? "",
    addresses: [fields["v4IpAddress"], fields["v6IpAddress"]].flatMap((text) => (text ? [text] : [])),
    mac: fields["macAddress"] ?? "",
    podName: fields["podName"] ?? "",
    namespace: fields["namespace"] ?? "",
    podUid: uid,
    podType: fields["podType"] ?? "",
    reserved,
    deleting: metadata.deletionTimestamp !== undefined,
    byUser: reserved,
  };
}

function readVip({ metadata, spec = {}, status = {} }: KubeObject): Vip {
  const fields = texts(spec);
  const given = texts(status);
  return {
    name: metadata.name,
    namespace: fields["namespace"] ?? "",
    subnet: fields["subnet"] ?? "",
    type: fields["type"] ?? "",
    asked: [fields["v4ip"], fields["v6ip"]].flatMap((text) => (text ? [text] : [])),
    addresses: [given["v4ip"], given["v6ip"]].flatMap((text) => (text ? [text] : [])),
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** The type of a network of the namespace `default`, by its name; "unknown": it exists, but cannot be read. */
type Networks = ReadonlyMap<string, "ovn" | "ipam" | "other" | "unknown">;

function readNetworks(definitions: Objects): Networks {
  return new Map(
    definitions.filter(isJudged).map(({ metadata, spec }) => {
      const { config = "" } = spec as { config?: string };
      if (config.includes("foreign.else")) return [metadata.name, "unknown"] as const;
      if (config.includes("macvlan")) return [metadata.name, "ipam"] as const;
      return [metadata.name, config.includes("host-local") ? "other" : "ovn"] as const;
    }),
  );
}

/** A pod's interfaces, its own first. */
function readInterfaces(pod: SimPod, networks: Networks, ips: readonly SimulatedIp[]): readonly SimulatedPod[] {
  const { metadata, spec, status } = pod;
  const { namespace = "", name, uid, annotations = {} } = metadata;
  const owner = metadata.ownerReferences?.[0];
  const machine = owner?.kind === "VirtualMachineInstance" ? owner.name : undefined;
  const set =
    owner?.kind === "StatefulSet"
      ? { name: owner.name, uid: owner.uid, ordinal: Number(name.slice(owner.name.length + 1)) }
      : undefined;
  const asked = JSON.parse(annotations[ASKED] ?? "{}") as Record<string, string>;
  const port = `${machine ?? name}.${namespace}`;
  /** It was annotated, or its record exists: an unreadable definition does not remove it. */
  const has = (provider: string): boolean =>
    annotations[`${provider}.kubernetes.io/allocated`] === "true" ||
    ips.some((ip) => ip.name === `${port}.${provider}` && ip.podUid === uid);
  const named = readNamed(annotations[NETWORKS_ANNOTATION] ?? "");
  const known = [...(named?.keys() ?? ["fast", "lan"])].flatMap((network) => {
    const wants = named === undefined ? "unknown" : (networks.get(network) ?? "unknown");
    const providers = { ovn: `${network}.default.ovn`, ipam: `${network}.default` };
    if (wants === "other") return [];
    if (wants !== "unknown") return [{ provider: providers[wants], onOvn: wants === "ovn", ips: named?.get(network) }];
    return [
      { provider: providers.ovn, onOvn: true, ips: named?.get(network) },
      { provider: providers.ipam, onOvn: false, ips: named?.get(network) },
    ].filter(({ provider }) => has(provider));
  });
  const unclear = [...(named?.keys() ?? ["fast", "lan"])].filter(
    (network) => named === undefined || (networks.get(network) ?? "unknown") === "unknown",
  );
  const mayHave = (provider: string): boolean =>
    unclear.some((network) => provider === `${network}.default.ovn` || provider === `${network}.default`);
  const one = (provider: string, onOvn: boolean, listed?: string): SimulatedPod => {
    const wishes = Object.entries(asked).flatMap(([key, value]) => {
      const [prefix, wish = ""] = key.split("/");
      // When an interface is removed its requests are dropped too; they do not apply if it is added again.
      const stands = provider === OWN || annotations[key] !== undefined;
      return prefix === `${provider}.kubernetes.io` && stands ? [[wish, value] as const] : [];
    });
    return {
      key: provider === OWN ? `${namespace}/${name}` : `${namespace}/${name} ${provider}`,
      provider,
      onOvn,
      mayHave,
      namespace,
      name,
      uid,
      node: spec.nodeName,
      alive: status?.phase !== "Succeeded" && status?.phase !== "Failed",
      port: provider === OWN ? port : `${port}.${provider}`,
      machine,
      set,
      annotations,
      asked: { ...Object.fromEntries(wishes), ...(listed && { ip_address: listed }) },
    };
  };
  return [one(OWN, true), ...known.map(({ provider, onOvn, ips: listed }) => one(provider, onOvn, listed))];
}

/** The networks of the namespace `default` that an annotation names, with the addresses that it lists; undefined where it cannot be read. */
function readNamed(text: string): ReadonlyMap<string, string> | undefined {
  if (text === "") return new Map();
  if (text.startsWith("[")) {
    const list = JSON.parse(text) as readonly { readonly name: string; readonly ips?: readonly string[] }[];
    return new Map(list.map(({ name, ips = [] }) => [name, ips.map((ip) => ip.replace(/\/.*/, "")).join()]));
  }
  const names = text.split(",").map((entry) => entry.trim());
  if (names.includes("")) return undefined;
  return new Map(names.map((entry) => [entry.replace("default/", ""), ""]));
}
