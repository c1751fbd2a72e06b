// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import { OWNER_KEY } from "../../src/desired/identity.ts";
import { TABLES_WITH_MATCH, wrongMatchesOfDatabase } from "../../src/policy/testing/ovn-matches.ts";
import { keyOfAddress, meet, readBlock } from "./addresses.ts";
import {
  annotation,
  type ClusterView,
  DEFAULT_VPC_NAME,
  isSound,
  JOIN,
  OWN,
  type SimulatedIp,
  type SimulatedPod,
  type SimulatedSubnet,
} from "./cluster-view.ts";
import type { NorthboundServer } from "./database-server.ts";
import { FreeAddresses, readRanges } from "./free-addresses.ts";
import { isHostile } from "./hostile.ts";
import type { MachineClocks } from "./machine-clocks.ts";
import { START_TIME } from "./scheduler.ts";
import { wrongWaysOut } from "./ways-out.ts";

/**
 * Port groups that always exist: of pods that name a missing SecurityGroup (as in Kube-OVN), and of switches' ports to
 * routers.
 */
const STANDING_GROUPS: readonly string[] = ["ovn.sg.kubeovn_deny_all", "weft.uplinks"];

/** The input of the oracle when all is quiet. */
export interface Evidence {
  readonly picture: ClusterView;
  readonly northbound: NorthboundServer;
  /** `ips/<name>` … of objects that users have interfered with. */
  readonly touched: ReadonlySet<string>;
  /** The administrator's own ports. */
  readonly foreignPorts: ReadonlySet<string>;
  readonly clocks: MachineClocks;
}

/** Checks everything that must be true when faults have ended and the cluster is quiet; returns violations as sentences. */
export function judge(evidence: Evidence): string[] {
  const { picture } = evidence;
  const free = new FreeAddresses(picture);
  return [
    ...sharedAddresses(evidence),
    ...lostAddresses(picture),
    ...podsWithoutAddress(picture, free),
    ...wrongPorts(evidence),
    ...wrongGroups(evidence),
    ...wrongWaysOut(evidence),
    ...wrongMatchesIn(evidence),
    ...wrongAnnotations(evidence),
    ...wrongWishes(evidence),
    ...wrongCounters(picture, free),
    ...wrongSubnets(picture),
    ...wrongTimes(evidence),
    ...wrongContracts(picture),
    ...wrongNodes(evidence, free),
    ...leftObjects(picture),
  ];
}

/** OVN accepts each match, and each group, set and port that a match names exists. */
function wrongMatchesIn({ northbound }: Evidence): readonly string[] {
  const tables = [...TABLES_WITH_MATCH, "Port_Group", "Address_Set", "Logical_Switch"] as const;
  const ports = ["Logical_Switch_Port", "Logical_Router_Port"] as const;
  return wrongMatchesOfDatabase(
    [...tables, ...ports].flatMap((table) =>
      northbound.rows(table).map((row) => ({ table, uuid: row._uuid, columns: { ...row } })),
    ),
  );
}

/** Objects that wait for an address although one is available. */
export function waitsForNothing(picture: ClusterView, mayWait: (pod: SimulatedPod) => boolean): string[] {
  return podsWithoutAddress(picture, new FreeAddresses(picture), mayWait);
}

/** No address is held twice, and no MAC in one VPC or other network. Invalid reservations by users are ignored. */
function sharedAddresses({ picture }: Evidence): string[] {
  const found: string[] = [];
  const holders = new Map<string, { readonly name: string; readonly byUser: boolean }>();
  const vpcOf = (subnet: string): string => picture.subnet(subnet)?.domain ?? `(no subnet ${subnet})`;
  for (const { name, subnet, addresses, byUser } of [
    ...picture.ips,
    ...[...picture.vips, ...picture.externals].map((one) => ({ ...one, byUser: false })),
  ]) {
    for (const address of addresses) {
      const key = `${vpcOf(subnet)} ${keyOfAddress(address)}`;
      const other = holders.get(key);
      if (other === undefined) holders.set(key, { name, byUser });
      else if (!byUser && !other.byUser) found.push(`${other.name} and ${name} both hold ${address}`);
    }
  }
  const macs = new Map<string, string>();
  for (const { name, subnet, mac, byUser } of [
    ...picture.ips,
    ...picture.externals.map((one) => ({ ...one, byUser: false })),
  ]) {
    const key = `${vpcOf(subnet)} ${mac}`;
    if (mac === "" || byUser) continue;
    const other = macs.get(key);
    if (other === undefined) macs.set(key, name);
    else found.push(`${other} and ${name} both hold ${mac}`);
  }
  return found;
}

/** The pod of an IP object, if it exists. */
function podOf(picture: ClusterView, ip: SimulatedIp): SimulatedPod | undefined {
  const pods = picture.pods.filter((pod) => pod.port === ip.name && pod.alive);
  return pods.find((pod) => pod.uid === ip.podUid) ?? (ip.podUid === "" ? pods[0] : undefined);
}

/** No address is lost: every IP object has an owner that exists. */
function lostAddresses(picture: ClusterView): string[] {
  return picture.ips.flatMap((ip) => {
    const nodes = picture.nodes.some((node) => ip.name === `node-${node.name}`);
    // A pod that is not bound yet may get the address of an earlier pod with the same name.
    const heir = picture.pods.some((pod) => pod.port === ip.name && pod.alive && pod.node === undefined);
    if (
      heir ||
      isHostile(ip.name) ||
      ip.reserved ||
      nodes ||
      podOf(picture, ip) !== undefined ||
      picture.isRetained(ip)
    )
      return [];
    return [`${ip.name} holds ${ip.addresses.join(",")} of ${ip.subnet} without an owner`];
  });
}

/** A pod may wait only if there is no address for it. */
function podsWithoutAddress(
  picture: ClusterView,
  free: FreeAddresses,
  mayWait: (pod: SimulatedPod) => boolean = () => false,
): string[] {
  return picture.pods.flatMap((pod) => {
    if (mayWait(pod)) return [];
    if (!pod.alive || pod.node === undefined) return [];
    const ip = picture.ips.find((candidate) => candidate.name === pod.port);
    if (ip !== undefined && (ip.podUid === pod.uid || ip.reserved)) return [];
    // A virtual machine that migrates has two pods, of which one has the address.
    if (picture.pods.some((other) => other.port === pod.port && other.alive && other.uid === ip?.podUid)) return [];
    const kept =
      picture.subnetsFor(pod).some((subnet) => subnet.name === ip?.subnet) &&
      pod.asked["ip_pool"] === undefined &&
      ip?.addresses.every((address) => free.canBeHeld(picture.subnet(ip.subnet), address)) === true &&
      (pod.provider !== OWN || !picture.pools.some((pool) => pool.namespaces.includes(pod.namespace)));
    if (ip !== undefined && !ip.deleting && kept)
      return [`${pod.key} is there, but ${ip.name} is still its predecessor's`];
    if (!free.couldServe(pod)) return [];
    return [`${pod.key} waits for an address although there is one (it asks for ${JSON.stringify(pod.asked)})`];
  });
}

interface ExpectedPort {
  readonly pod: SimulatedPod;
  readonly ip: SimulatedIp;
  readonly addresses: string;
}

/** The ports that pods must have. */
function expectedPorts(evidence: Evidence): readonly ExpectedPort[] {
  return servedInterfaces(evidence).filter(({ pod }) => pod.onOvn);
}

/** The interfaces of pods that must have been annotated with their addresses. */
function servedInterfaces({ picture }: Evidence): readonly ExpectedPort[] {
  const free = new FreeAddresses(picture);
  return picture.pods.flatMap((pod) => {
    const ip = picture.ips.find((candidate) => candidate.name === pod.port);
    const subnet = picture.subnet(ip?.subnet ?? "");
    if (ip === undefined || subnet === undefined || !picture.accepted(subnet)) return [];
    // A reservation that names no address waits for one like a pod.
    if (ip.addresses.length === 0) return [];
    if (podOf(picture, ip)?.uid !== pod.uid || !pod.alive || pod.node === undefined) return [];
    // A reservation of an address that belongs to others has no effect on its pod, unless the pod already runs with it.
    const foreign = ip.addresses.some((address) => free.isForOthers(ip.subnet, address, pod.namespace));
    if (ip.reserved && foreign && annotation(pod, "ip_address") !== ip.addresses.join(",")) return [];
    return [{ pod, ip, addresses: [ip.mac, ...ip.addresses].join(" ") }];
  });
}

/** No port without its pod, and no pod without its port. */
function wrongPorts(evidence: Evidence): string[] {
  const { picture, northbound, foreignPorts } = evidence;
  const found: string[] = [];
  const switchOf = new Map<string, string>();
  for (const row of northbound.rows("Logical_Switch")) for (const port of row.ports) switchOf.set(port, row.name);
  const ports = new Map(northbound.rows("Logical_Switch_Port").map((port) => [port.name, port]));
  const expected = new Map(expectedPorts(evidence).map((port) => [port.pod.port, port]));
  for (const [name, { pod, ip, addresses }] of expected) {
    const port = ports.get(name);
    if (port === undefined) {
      if (!isContested(evidence, ip)) found.push(`${pod.key} has ${addresses}, but no port`);
      continue;
    }
    if (port.addresses.join() !== addresses) found.push(`port ${name} has ${port.addresses.join()}, not ${addresses}`);
    if (switchOf.get(port._uuid) !== ip.subnet) found.push(`port ${name} is not on switch ${ip.subnet}`);
    // After any migrations, a virtual machine is on one node at the end.
    const place = port.options["requested-chassis"];
    if (pod.machine !== undefined && place !== pod.node)
      found.push(`port ${name} is on ${place}, its pod on ${pod.node}`);
  }
  for (const [name, port] of ports) {
    const isNode = picture.nodes.some((node) => name === `node-${node.name}`);
    const virtual = port.type === "virtual" ? (port.options["virtual-ip"] ?? "") : "";
    const isVip = picture.vips.some(
      (vip) =>
        name === vip.name || name === `${vip.name}.${vip.namespace}` || vip.addresses.some((ip) => ip === virtual),
    );
    if (
      expected.has(name) ||
      isNode ||
      isVip ||
      port.type === "router" ||
      port.type === "external" ||
      port.type === "localport" ||
      port.type === "localnet" ||
      foreignPorts.has(name)
    )
      continue;
    if (isHostile(name)) continue;
    found.push(`port ${name} (${port.addresses.join()}) is there for no pod`);
  }
  for (const name of foreignPorts) {
    // It may have been deleted with its switch by another client.
    const port = ports.get(name);
    if (port !== undefined && port.addresses.length > 0) found.push(`the administrator's port ${name} was changed`);
  }
  return found;
}

/** Whether a user's reservation names an address of this object too, or of the other way round. */
function isContested({ picture }: Evidence, ip: SimulatedIp): boolean {
  const mine = ip.addresses.map(keyOfAddress);
  const vpc = picture.subnet(ip.subnet)?.domain;
  const others = [...picture.ips, ...[...picture.vips, ...picture.externals].map((one) => ({ ...one, byUser: false }))];
  return others.some(
    (other) =>
      other.name !== ip.name &&
      picture.subnet(other.subnet)?.domain === vpc &&
      (other.byUser || ip.byUser) &&
      other.addresses.some((address) => mine.includes(keyOfAddress(address))),
  );
}

/** Port groups: those of nodes contain exactly the ports of their pods in the default VPC, those of custom VPCs the ports there. */
function wrongGroups(evidence: Evidence): string[] {
  const { picture, northbound } = evidence;
  const found: string[] = [];
  const nameOf = new Map(northbound.rows("Logical_Switch_Port").map((port) => [port._uuid, port.name]));
  const wanted = new Map<string, Set<string>>();
  for (const node of picture.nodes) wanted.set(`node.${node.name}`, new Set());
  /** Ports whose address a user's reservation names: they may exist or not. */
  const contested = new Set<string>();
  const vpcGroups = northbound.rows("Port_Group").filter(({ name }) => name.startsWith("weft.vpc."));
  const groupOf = new Map(vpcGroups.map(({ name, external_ids }) => [external_ids["vpc"], name]));
  for (const { name } of vpcGroups) wanted.set(name, new Set());
  for (const { pod, ip } of expectedPorts(evidence)) {
    if (isContested(evidence, ip)) contested.add(pod.port);
    const vpc = picture.subnet(ip.subnet)?.vpc ?? DEFAULT_VPC_NAME;
    const group = vpc === DEFAULT_VPC_NAME ? `node.${pod.node}` : groupOf.get(vpc);
    if (group === undefined) found.push(`VPC ${vpc} has no port group for ${pod.port}`);
    else wanted.get(group)?.add(pod.port);
  }
  const groups = new Map(northbound.rows("Port_Group").map((group) => [group.name, group]));
  for (const [name, members] of wanted) {
    const group = groups.get(name);
    const ports = (group?.ports ?? []).map((uuid) => nameOf.get(uuid) ?? uuid);
    const actual = ports.filter((port) => !isHostile(port)).sort();
    for (const port of contested) if (!actual.includes(port)) members.delete(port);
    if (group === undefined) found.push(`there is no port group ${name}`);
    else if (actual.join() !== [...members].sort().join()) {
      found.push(`port group ${name} has ${actual.join() || "no port"}, not ${[...members].sort().join() || "none"}`);
    }
  }
  for (const [name, { external_ids: ids }] of groups) {
    // Groups of hostile policies, the only policies here, are named after their selectors.
    if (isHostile(name) || /^(group|.*policy):/.test(ids[OWNER_KEY] ?? "")) continue;
    if (!wanted.has(name) && !STANDING_GROUPS.includes(name)) found.push(`port group ${name} is there for nothing`);
  }
  return found;
}

/** A pod is annotated with its allocation. */
function wrongAnnotations(evidence: Evidence): string[] {
  const stale = evidence.picture.pods.flatMap((pod) =>
    pod.provider === OWN && pod.alive ? staleOf(evidence, pod) : [],
  );
  const wrong = servedInterfaces(evidence).flatMap(({ pod, ip }) => {
    if (isContested(evidence, ip)) return [];
    const wanted = {
      allocated: "true",
      routed: pod.onOvn ? "true" : "",
      ip_address: ip.addresses.join(","),
      mac_address: ip.mac,
      logical_switch: ip.subnet,
    };
    return Object.entries(wanted).flatMap(([key, value]) => {
      const actual = annotation(pod, key);
      return actual === value ? [] : [`${pod.key}'s annotation ${key} is "${actual}", not "${value}"`];
    });
  });
  return [...stale, ...wrong];
}

/** Annotations of a pod for interfaces that it does not have. */
function staleOf({ picture }: Evidence, pod: SimulatedPod): string[] {
  const own = picture.pods.filter((other) => other.uid === pod.uid).map(({ provider }) => provider);
  return Object.keys(pod.annotations).flatMap((key) => {
    const provider = /^(.+)\.kubernetes\.io\/allocated$/.exec(key)?.[1];
    return provider === undefined || own.includes(provider)
      ? []
      : [`${pod.key} has annotations of an interface "${provider}", which it does not have`];
  });
}

/** A request for an address must be served with that address. */
function wrongWishes(evidence: Evidence): string[] {
  return servedInterfaces(evidence).flatMap(({ pod, ip }) => {
    if (ip.byUser || evidence.touched.has(`ips/${ip.name}`)) return [];
    // When an interface is removed for a while, requests for it are dropped.
    if (pod.provider !== OWN && evidence.touched.has(`networks/${pod.uid}`)) return [];
    const { ip_address, ip_pool } = pod.asked;
    const list = ip_pool !== undefined && /[,;]/.test(ip_pool) ? ip_pool.split(/[,;]/) : undefined;
    const own = pod.set === undefined ? list : list?.slice(pod.set.ordinal, pod.set.ordinal + 1);
    const allowed = ip_address === undefined ? own : [ip_address];
    if (allowed === undefined) return [];
    const keys = allowed.map(keyOfAddress);
    if (ip.addresses.some((address) => keys.includes(keyOfAddress(address)))) return [];
    return [`${pod.key} asked for ${allowed.join(" or ")} and got ${ip.addresses.join(",")}`];
  });
}

/** The counters of a subnet's status are exact, and so are its ranges. */
function wrongCounters(picture: ClusterView, free: FreeAddresses): string[] {
  return picture.subnets.flatMap((subnet) => {
    // Addresses held in a subnet with an invalid spec are not counted.
    if (subnet.deleting || !isSound(subnet)) return [];
    const open = picture.accepted(subnet);
    const status = (subnet.object.status ?? {}) as Readonly<Record<string, unknown>>;
    return ([4, 6] as const).flatMap((family) => {
      const { available, using } = free.counts(subnet, family);
      return (
        [
          ["available", open ? available : new Set<string>()],
          ["using", using],
        ] as const
      ).flatMap(([what, wanted]) => {
        const count = String(status[`v${family}${what}IPs`] ?? "nothing");
        const ranges = String(status[`v${family}${what}IPrange`] ?? "");
        const said = readRanges(ranges);
        if (count === String(wanted.size) && said.size === wanted.size && [...said].every((key) => wanted.has(key))) {
          return [];
        }
        return [`subnet ${subnet.name} says v${family}${what}IPs ${count} (${ranges}), but they are ${wanted.size}`];
      });
    });
  });
}

/** Nodes get the active configuration of each subnet, also of one that is being deleted. */
function wrongContracts(picture: ClusterView): string[] {
  return picture.subnets.flatMap(({ name, accepted, onOvn, vpc, blocks, centralized, object }) => {
    const spec = (object.spec ?? {}) as Readonly<Record<string, unknown>>;
    const mtu = typeof spec["mtu"] === "number" ? spec["mtu"] : 0;
    const routed = accepted && onOvn && vpc === DEFAULT_VPC_NAME && !spec["vlan"];
    const text = object.metadata.annotations?.["weft.kubeovn.io/node-contract"] ?? "{}";
    const {
      cidrs = [],
      probe,
      ...told
    } = JSON.parse(text) as {
      cidrs?: readonly string[];
      probe?: { readonly vpc?: string; readonly cidrs?: readonly string[] };
    };
    const ranges = cidrs.map((cidr) => readBlock(cidr));
    // Nodes reach pods of custom VPCs only for probes.
    const probed = accepted && onOvn && vpc !== DEFAULT_VPC_NAME && !spec["vlan"];
    const probes = probe && { vpc: probe.vpc, blocks: (probe.cidrs ?? []).map((cidr) => readBlock(cidr)) };
    // All packets of its pods go through the network outside.
    const network = accepted && onOvn && typeof spec["vlan"] === "string" ? picture.vlans.get(spec["vlan"]) : undefined;
    const wanted = {
      version: 1,
      natOutgoing: spec["natOutgoing"] === true,
      gatewayType: centralized ? "centralized" : "distributed",
      mtu: Number.isInteger(mtu) && mtu >= 0 && mtu <= 65_535 ? mtu : 0,
      ...(network && { network }),
    };
    const right =
      isDeepStrictEqual(ranges, routed ? blocks : []) &&
      isDeepStrictEqual(probes, probed ? { vpc, blocks } : undefined) &&
      isDeepStrictEqual(told, wanted);
    return right
      ? []
      : [`the contract of subnet ${name} is ${text}, but nodes ${routed ? "must" : "must not"} reach it`];
  });
}

/** A condition's time is the time of day on a machine, not the time since the process started. */
function wrongTimes({ picture, clocks }: Evidence): string[] {
  const early = picture.conditions.filter(({ time }) => !(Date.parse(time) >= START_TIME - clocks.mostBehind));
  return early.map(({ what, time }) => `condition ${what} has time ${time}, which is before the run began`);
}

/** The spec of a subnet is accepted unless it conflicts with something; and no two accepted subnets overlap. */
function wrongSubnets(picture: ClusterView): string[] {
  const found: string[] = [];
  for (const subnet of picture.subnets) {
    const { wanted, blocks, gateways, accepted, name } = subnet;
    if (subnet.deleting) continue;
    const text = (of: SimulatedSubnet["wanted"]): string =>
      JSON.stringify(of, (_, value) => (typeof value === "bigint" ? `${value}` : value));
    const asWanted = accepted && text(wanted) === text({ blocks, gateways });
    if (!asWanted && picture.refusalOf(subnet) === undefined)
      found.push(`subnet ${name} has not what its spec says, and nothing is in its way`);
    for (const other of picture.subnets) {
      if (!accepted || !other.accepted || other.name >= name || other.domain !== subnet.domain) continue;
      if (blocks.some((block) => other.blocks.some((theirs) => meet(block, theirs))))
        found.push(`subnets ${other.name} and ${name} overlap, and both are accepted`);
    }
  }
  return found;
}

/** Each node has its address on the join switch, its port, and its annotations. */
function wrongNodes({ picture, northbound }: Evidence, free: FreeAddresses): string[] {
  const join = picture.subnet(JOIN);
  if (join === undefined || join.deleting || !picture.accepted(join)) return [];
  const ports = new Set(northbound.rows("Logical_Switch_Port").map((port) => port.name));
  return picture.nodes.flatMap(({ name }) => {
    const ip = picture.ips.find((candidate) => candidate.name === `node-${name}`);
    if (ip === undefined) return free.hasRoom(join, "any") ? [`node ${name} has no address`] : [];
    return ports.has(`node-${name}`) ? [] : [`node ${name} has no port`];
  });
}

/** An object that is being deleted is removed as soon as it is unused. */
function leftObjects(picture: ClusterView): string[] {
  const subnets = picture.subnets.flatMap((subnet) => {
    const used =
      [...picture.ips, ...picture.externals].some((holder) => holder.subnet === subnet.name) ||
      picture.vips.some((vip) => vip.subnet === subnet.name && vip.addresses.length > 0);
    if (!subnet.deleting || used) return [];
    return [`subnet ${subnet.name} is being deleted and not in use, but it does not go`];
  });
  const vips = picture.vips.flatMap((vip) =>
    vip.deleting ? [`Vip ${vip.name} is being deleted, but does not go`] : [],
  );
  return [...subnets, ...vips];
}
