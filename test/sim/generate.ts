// SPDX-License-Identifier: Apache-2.0

import { type Extra, extraActions, USUAL } from "./extra-actions.ts";
import { Random } from "./random.ts";
import type { RandomFaultKind } from "./random-faults.ts";
import type {
  Action,
  ActionName,
  BfdAction,
  ChassisAction,
  ClockAction,
  NatAction,
  NetworkWant,
  NodeAction,
  Script,
  TenantAction,
  Wishes,
} from "./script.ts";

const NAMESPACES = ["default", "blue", "green"] as const;
const BARE = ["a", "b", "c", "d"] as const;
const SETS = ["web", "db"] as const;
const DEPLOYMENTS = ["app", "api"] as const;
const MACHINES = ["vm1", "vm2"] as const;
const NODES = ["n1", "n2", "n3", "n4"] as const;
const POOLS = ["pool-a", "pool-b"] as const;
const VIPS = ["vip-a", "vip-b"] as const;
/** Networks of the namespace `default`, with their types, and the providers of their subnets. */
const NETWORKS = { fast: "ovn", lan: "ipam" } as const;
const PROVIDERS: Readonly<Record<string, string>> = { fast: "fast.default.ovn", lan: "lan.default" };

/** Subnets that are created and deleted, with the steps in which they grow. */
const SUBNETS: Readonly<Record<string, readonly string[]>> = {
  tiny: ["10.20.0.0/30", "10.20.0.0/29", "10.20.0.0/28"],
  small: ["10.30.0.0/28", "10.30.0.0/27"],
  both: ["10.40.0.0/28,fd00:40::/124", "10.40.0.0/27,fd00:40::/123"],
  six: ["fd00:60::/125", "fd00:60::/124"],
  inner: ["10.30.0.0/28", "10.30.0.0/27"],
  // Its IP family may change.
  fast: ["10.50.0.0/29", "10.50.0.0/28,fd00:50::/124"],
  // The same addresses as the default subnet's, and a node's: it is another plugin's network.
  lan: ["10.16.0.0/29", "10.16.0.0/28"],
};

/** A custom VPC, and its subnet, which has the same addresses as one in the default VPC. */
const VPC = "tenant";
const VPC_OF: Readonly<Record<string, string>> = { inner: VPC };

/** Subnets that overlap others: the older one keeps its range. */
const CLASHES: Readonly<Record<string, string>> = { clash: "10.30.0.0/24", large: "10.16.0.0/20" };

/** The actions of this file; the rest are extras. */
type GeneratedName = Exclude<
  ActionName,
  | "throw"
  | "hostile"
  | "daemons"
  | "ready-node"
  | "sb-down"
  | NodeAction["do"]
  | TenantAction["do"]
  | BfdAction["do"]
  | NatAction["do"]
  | ChassisAction["do"]
  | ClockAction["do"]
>;

/** The weight of each action, before the preferences of a run. Sums do not matter. */
const WEIGHTS: Readonly<Record<GeneratedName, number>> = {
  pod: 14,
  "delete-pod": 9,
  "end-pod": 2,
  "kill-pods": 3,
  "edit-pod": 3,
  set: 9,
  "delete-set": 2,
  deployment: 5,
  machine: 2,
  "migrate-machine": 1.5,
  "stop-machine": 1,
  "delete-machine": 1,
  network: 4,
  "delete-network": 1.5,
  "network-type": 0.5,
  "edit-networks": 2,
  namespace: 2,
  "end-namespace": 1,
  subnet: 7,
  pool: 2,
  vip: 2,
  vpc: 0.5,
  reserve: 2,
  node: 2,
  "delete-node": 1,
  delete: 2,
  "delete-ip": 3,
  "edit-ip": 1,
  "edit-status": 1,
  strip: 1,
  "nb-delete-port": 2,
  "nb-edit-port": 2,
  "nb-delete-group": 1,
  "nb-leave-group": 1,
  "nb-delete-switch": 1,
  "nb-delete-router": 0.5,
  "nb-foreign-port": 1,
  "nb-backup": 2,
  "nb-restore": 1,
  "random-faults": 6,
  "api-down": 1,
  "api-compact": 2,
  "watch-end": 3,
  "watch-stall": 2,
  crash: 2,
  "crash-leader": 3,
  "crash-within": 4,
  restart: 2,
  pause: 1,
  "pause-leader": 2,
  "nb-cut": 3,
  "nb-unreachable": 1.5,
  "nb-down": 1.5,
  "nb-follower": 1,
  "nb-steal": 1,
};

/** Actions without which a run would test nothing: they are never left out. */
const ALWAYS: ReadonlySet<ActionName> = new Set(["pod", "delete-pod", "set", "deployment"]);

/**
 * Generates the script of a seed. Each run has preferences: some kinds of action never occur, others often. Runs in
 * which everything happens at once hide faults that need a particular mixture (swarm testing).
 */
export function generateScript(seed: number, extras: readonly Extra[] = USUAL): Script {
  const random = new Random(`script/${seed}`);
  const weights = tasteOf(random);
  const replicas = random.pick([1, 2, 2, 3]);
  const length = random.int(20, 120) * 1_000;
  const dual = random.chance(0.4);
  const size = random.pick(["28", "27", "26", "24"]);
  const six = { 28: "124", 27: "123", 26: "122", 24: "120" }[size];
  const actions: Action[] = beginning(random, dual);
  const count = random.int(15, 110);
  for (let i = 0; i < count; i++) {
    const at = random.int(500, length);
    const made = makeAction(random, random.weighted(weights), replicas, at);
    actions.push(...made);
  }
  for (const extra of extras) actions.push(...extraActions(extra, seed, length, replicas));
  actions.sort((a, b) => a.at - b.at);
  return {
    seed: String(seed),
    replicas,
    cidrs: {
      defaultCidr: `10.16.0.0/${size}${dual ? `,fd00:10:16::/${six}` : ""}`,
      nodeSwitchCidr: `100.64.0.0/28${dual ? ",fd00:100:64::/124" : ""}`,
    },
    actions,
    length,
  };
}

function tasteOf(random: Random): Partial<Record<GeneratedName, number>> {
  const weights: Partial<Record<GeneratedName, number>> = {};
  // A third of the runs have no faults at all, or no changes by other clients: bugs that need neither are found there.
  const calm = random.chance(0.2);
  const tame = random.chance(0.4);
  const kept = random.pick([0.35, 0.6, 0.9]);
  for (const [name, weight] of Object.entries(WEIGHTS) as [GeneratedName, number][]) {
    const keep = random.chance(kept);
    const factor = random.pick([0.3, 1, 1, 3]);
    if (calm && isFault(name)) continue;
    if (tame && isInterference(name)) continue;
    if (keep || ALWAYS.has(name)) weights[name] = weight * factor;
  }
  return weights;
}

/** Whether an action is a fault instead of a user's change. */
export function isFault(name: ActionName): boolean {
  const databases: readonly ActionName[] = [
    "nb-cut",
    "nb-unreachable",
    "nb-down",
    "nb-follower",
    "nb-steal",
    "sb-down",
  ];
  return /^(random-faults|api-|watch-|crash|restart|pause)/.test(name) || databases.includes(name);
}

/** Whether an action changes objects that the controller has written. */
export function isInterference(name: ActionName): boolean {
  const others: readonly ActionName[] = ["edit-pod", "edit-networks", "delete-ip", "edit-ip", "edit-status", "strip"];
  return (name.startsWith("nb-") && !isFault(name)) || others.includes(name);
}

/** The cluster when the controllers start, and its first actions. */
function beginning(random: Random, dual: boolean): Action[] {
  const actions: Action[] = [];
  for (const name of NAMESPACES) actions.push({ at: 0, do: "namespace", name, labels: { team: name } });
  const nodes = NODES.slice(0, random.int(1, 3));
  for (const [i, name] of nodes.entries()) actions.push({ at: 0, do: "node", name, address: nodeAddress(i + 1, dual) });
  if (random.chance(0.2)) actions.push({ at: 0, do: "network-type", served: false });
  else if (random.chance(0.6)) {
    for (const [name, wants] of Object.entries(NETWORKS)) {
      actions.push({ at: random.int(0, 3_000), do: "network", name, wants });
      actions.push({ at: random.int(0, 6_000), do: "subnet", ...subnetOf(random, name) });
    }
  }
  if (random.chance(0.6)) {
    actions.push({ at: random.int(0, 4_000), do: "set", ns: "default", name: "web", replicas: random.int(1, 4) });
  }
  if (random.chance(0.6)) {
    actions.push({ at: random.int(0, 4_000), do: "deployment", ns: "blue", name: "app", replicas: random.int(1, 6) });
  }
  return actions;
}

function nodeAddress(i: number, dual: boolean): string {
  return dual ? `172.18.0.${i + 10},fd00:172::${i + 10}` : `172.18.0.${i + 10}`;
}

function makeAction(random: Random, name: GeneratedName, replicas: number, at: number): Action[] {
  const ns = random.pick(NAMESPACES);
  const pick = random.next();
  const replica = `c${random.int(0, replicas - 1)}`;
  const wishes = wishesOf(random);
  const asking = Object.keys(wishes).length === 0 ? {} : { wishes };
  switch (name) {
    case "pod":
      return [{ at, do: name, ns, name: random.pick(BARE), ...asking, ...(random.chance(0.05) && { host: true }) }];
    case "delete-pod": {
      const gone: Action = { at, do: name, ns, name: random.pick(BARE), ...(random.chance(0.3) && { now: true }) };
      if (random.chance(0.5)) return [gone];
      // Created again with its old name, soon or at once.
      const after = at + random.pick([1, 50, 9_000]);
      return [gone, { at: after, do: "pod", ns: gone.ns, name: gone.name, ...asking }];
    }
    case "end-pod":
      return [{ at, do: name, pick, phase: random.pick(["Succeeded", "Failed"]) }];
    case "kill-pods":
      return [{ at, do: name, pick, share: random.pick([0.2, 0.5, 1]) }];
    case "edit-pod":
      return [{ at, do: name, pick, how: random.pick(["clear", "unset", "spoil"]) }];
    case "set": {
      const set = { ns, name: random.pick(SETS) };
      const start = random.chance(0.15) ? { start: random.int(0, 3) } : {};
      const up: Action = { at, do: name, ...set, replicas: random.int(0, 4), ...start, ...setWishes(random) };
      if (random.chance(0.6)) return [up];
      const later = at + random.int(1_000, 15_000);
      return [up, { at: later, do: name, ...set, replicas: random.int(0, 4) }];
    }
    case "delete-set": {
      const set = { ns, name: random.pick(SETS) };
      if (pick < 0.5) return [{ at, do: name, ...set }];
      const anew: Action = { at: at + (pick < 0.75 ? 300 : 8_000), do: "set", ...set, replicas: 3 };
      return [{ at, do: name, ...set, orphan: true }, anew];
    }
    case "deployment":
      return [{ at, do: name, ns, name: random.pick(DEPLOYMENTS), replicas: random.int(0, 6), ...asking }];
    case "machine":
      return [{ at, do: name, ns, name: random.pick(MACHINES), ...asking }];
    case "migrate-machine": {
      const ends = pick < 0.5 ? "moved" : pick < 0.65 ? "source-first" : pick < 0.85 ? "failed" : undefined;
      return [{ at, do: name, ns, name: random.pick(MACHINES), ...(ends && { ends }) }];
    }
    case "stop-machine":
    case "delete-machine":
      return [{ at, do: name, ns, name: random.pick(MACHINES) }];
    case "network": {
      const network = random.pick(Object.keys(NETWORKS) as (keyof typeof NETWORKS)[]);
      const wants = random.weighted({ [NETWORKS[network]]: 8, ovn: 1, ipam: 1, other: 0.5, invalid: 1 });
      const made: Action = { at, do: name, name: network, wants: wants as NetworkWant };
      return random.chance(0.5) ? [made] : [made, { at: at + 1_000, do: "subnet", ...subnetOf(random, network) }];
    }
    case "delete-network":
      return [{ at, do: name, name: random.pick(Object.keys(NETWORKS)) }];
    case "network-type": {
      const later = at + random.int(1_000, 30_000);
      return [
        { at, do: name, served: false },
        { at: later, do: name, served: true },
        ...Object.entries(NETWORKS).map(
          ([network, wants]): Action => ({ at: later + random.int(1, 9_000), do: "network", name: network, wants }),
        ),
      ];
    }
    case "edit-networks":
      return [{ at, do: name, pick, networks: random.pick(["", "", networksOf(random), "default/fast,,"]) }];
    case "namespace":
      return [{ at, do: name, name: ns, labels: { team: random.pick(NAMESPACES) } }];
    case "end-namespace":
      return [
        { at, do: name, name: "green" },
        { at: at + random.int(2_000, 20_000), do: "namespace", name: "green", labels: { team: "green" } },
      ];
    case "subnet":
      return subnetWithVpc(at, random);
    case "pool":
      return [{ at, do: name, name: random.pick(POOLS), spec: poolOf(random) }];
    case "vip":
      return [{ at, do: name, name: random.pick(VIPS), spec: vipOf(random, ns) }];
    case "vpc":
      return [{ at, do: name, name: VPC, spec: {} }];
    case "reserve":
      return [{ at, do: name, ...reservationOf(random, ns) }];
    case "node": {
      const i = random.int(0, NODES.length - 1);
      return [{ at, do: name, name: NODES[i] ?? "n1", address: nodeAddress(random.int(1, 6), random.chance(0.5)) }];
    }
    case "delete-node":
      return [{ at, do: name, name: random.pick(NODES) }];
    case "delete":
      return [{ at, do: name, ...deletionOf(random) }];
    case "delete-ip":
      return [{ at, do: name, pick, force: random.chance(0.5) }];
    case "edit-ip":
      return [{ at, do: name, pick, how: random.pick(["label", "node", "owner"]) }];
    case "edit-status":
      return [{ at, do: name, pick }];
    case "strip":
      return [{ at, do: name, type: random.pick(["ips", "ips", "subnets", "ippools", "vips", "vpcs"]), pick }];
    case "nb-edit-port":
      return [{ at, do: name, pick, how: random.pick(["addresses", "owner", "security"]) }];
    case "nb-delete-port":
    case "nb-delete-group":
    case "nb-leave-group":
    case "nb-delete-switch":
    case "nb-delete-router":
    case "nb-foreign-port":
      return [{ at, do: name, pick }];
    case "nb-backup":
      return [{ at, do: name }];
    case "nb-restore":
      return [{ at, do: name, down: random.int(100, 4_000) }];
    case "random-faults": {
      const kind = random.weighted<RandomFaultKind>({
        refused: 3,
        lost: 3,
        unanswered: 4,
        late: 2,
        twice: 2,
        "repeated-event": 1,
        "database-refuses": 1,
        "slow-network": 3,
      });
      const rate = random.pick([0.05, 0.2, 0.5, ...(kind === "late" ? [] : [0.9])]);
      return [{ at, do: name, kind, rate, for: random.int(500, 20_000), ...(random.chance(0.4) && { replica }) }];
    }
    case "api-down":
      return [{ at, do: name, for: random.int(200, 15_000) }];
    case "api-compact":
      return [{ at, do: name }];
    case "watch-end": {
      const code = random.pick([undefined, "unavailable", "gone"] as const);
      return [{ at, do: name, replica, ...pluralOf(random), ...(code === undefined ? {} : { code }) }];
    }
    case "watch-stall":
      return [{ at, do: name, replica, ...pluralOf(random) }];
    case "crash":
      return [{ at, do: name, replica, down: downOf(random), server: random.pick(["at once", "later"]) }];
    case "crash-leader":
      return [{ at, do: name, down: downOf(random), server: random.pick(["at once", "later"]) }];
    case "crash-within": {
      const steps = random.int(1, 40);
      return [{ at, do: name, steps, down: downOf(random), server: random.pick(["at once", "at once", "later"]) }];
    }
    case "restart":
      return [{ at, do: name, replica, down: downOf(random) }];
    case "pause":
      return [{ at, do: name, replica, for: random.int(500, 40_000), lose: random.chance(0.6) }];
    case "pause-leader":
      return [{ at, do: name, for: random.int(500, 40_000), lose: random.chance(0.8) }];
    case "nb-cut":
      return [{ at, do: name, replica, up: random.chance(0.5), down: random.chance(0.5) }];
    case "nb-unreachable":
      return [{ at, do: name, replica, for: random.int(500, 25_000), lose: random.chance(0.6) }];
    case "nb-down":
      return [{ at, do: name, for: random.int(100, 15_000), forget: random.chance(0.5) }];
    case "nb-follower":
    case "nb-steal":
      return [{ at, do: name, for: random.int(500, 10_000) }];
  }
}

function downOf(random: Random): number {
  return random.pick([10, 500, 3_000, 15_000]);
}

function pluralOf(random: Random): { plural?: string } {
  return random.chance(0.3)
    ? {}
    : { plural: random.pick(["pods", "ips", "subnets", "nodes", "statefulsets", "statefulsets"]) };
}

/** Which networks a pod names, in either form. */
function networksOf(random: Random): string {
  const names = random.pick([["fast"], ["lan"], ["fast", "lan"], ["fast", "nowhere"]]);
  if (random.chance(0.6)) return names.map((name) => `default/${name}`).join(", ");
  const list = names.map((name) => {
    const base = { fast: "10.50.0", lan: "10.16.0" }[name];
    const ips = base !== undefined && random.chance(0.4) ? { ips: [`${base}.${random.int(2, 6)}/24`] } : {};
    return { name, namespace: "default", ...ips };
  });
  return JSON.stringify(list);
}

/**
 * The requests of a pod: mostly none, sometimes an impossible one; a third of those with requests have secondary
 * interfaces.
 */
function wishesOf(random: Random): Wishes {
  const own = ownWishesOf(random);
  if (!random.chance(0.3)) return own;
  const low = random.int(2, 6);
  const further = random.weighted({ none: 6, fixed: 2, list: 1, subnet: 1, family: 0.5, wrong: 0.5 });
  const key = (name: string): string => `fast.default.ovn.kubernetes.io/${name}`;
  const more: Wishes = {
    none: {},
    fixed: { [key("ip_address")]: `10.50.0.${low}`, "lan.default.kubernetes.io/ip_address": `10.16.0.${low}` },
    list: { [key("ip_pool")]: `10.50.0.${low},10.50.0.${low + 1}` },
    subnet: { [key("logical_switch")]: random.pick(["small", "lan", "ovn-default", "fast"]) },
    family: { [key("ip_family")]: random.pick(["ipv4", "ipv6"]) },
    wrong: { [key("ip_address")]: "10.50.0.1", "lan.default.kubernetes.io/ip_address": "192.0.2.1" },
  }[further];
  return { ...own, ...more, "k8s.v1.cni.cncf.io/networks": networksOf(random) };
}

function ownWishesOf(random: Random): Wishes {
  const kind = random.weighted({ none: 8, fixed: 3, list: 1, subnet: 1, pool: 1, mac: 0.5, family: 0.5, wrong: 0.5 });
  const low = random.int(1, 9);
  switch (kind) {
    case "fixed":
      return { ip_address: random.pick([`10.16.0.${low}`, `10.20.0.${low}`, `10.30.0.${low}`]) };
    case "list":
      return { ip_pool: random.pick([`10.16.0.${low},10.16.0.${low + 1}`, `10.16.0.${low + 2},10.16.0.${low}`]) };
    case "subnet":
      return { logical_switch: random.pick([...Object.keys(SUBNETS), "ovn-default"]) };
    case "pool":
      return { ip_pool: random.pick(POOLS) };
    case "mac":
      return { mac_address: `0a:00:00:00:00:0${low}` };
    case "family":
      return { ip_family: random.pick(["ipv4", "ipv6"]) };
    case "wrong":
      return { ip_address: random.pick(["10.16.0.1", "10.16.0.0", "192.0.2.9", "10.16.0", "fd00::1::2"]) };
    default:
      return {};
  }
}

function setWishes(random: Random): { wishes?: Wishes } {
  const networks = random.chance(0.25) ? { "k8s.v1.cni.cncf.io/networks": "default/fast,default/lan" } : undefined;
  if (random.chance(0.75)) return networks === undefined ? {} : { wishes: networks };
  const wishes = random.pick<Wishes>([
    { ip_pool: "10.16.0.5,10.16.0.6,10.16.0.7" },
    { ip_pool: "10.16.0.9;10.16.0.8" },
    { ip_pool: random.pick(POOLS) },
    { logical_switch: "small" },
  ]);
  return { wishes: { ...wishes, ...networks } };
}

/** For a subnet of another VPC mostly creates that VPC too. */
function subnetWithVpc(at: number, random: Random): Action[] {
  const made: Action = { at, do: "subnet", ...subnetOf(random) };
  const vpc = VPC_OF[made.name];
  return vpc !== undefined && random.chance(0.8) ? [{ at, do: "vpc", name: vpc, spec: {} }, made] : [made];
}

function subnetOf(
  random: Random,
  name = random.pick([...Object.keys(SUBNETS), "tiny", ...Object.keys(CLASHES)]),
): { name: string; spec: Readonly<Record<string, unknown>> } {
  const clash = CLASHES[name];
  if (clash !== undefined) return { name, spec: { cidrBlock: clash, namespaces: ["green"] } };
  const cidrBlock = random.pick(SUBNETS[name] ?? []);
  const base = (cidrBlock.split("/")[0] ?? "").replace(/\.0$/, "");
  const v4 = base.includes(".");
  const spec: Record<string, unknown> = { cidrBlock };
  const vpc = VPC_OF[name];
  if (vpc !== undefined) spec["vpc"] = vpc;
  const provider = PROVIDERS[name];
  if (provider !== undefined) spec["provider"] = provider;
  if (random.chance(0.6)) spec["namespaces"] = [random.pick(NAMESPACES)];
  if (random.chance(0.15)) spec["namespaceSelectors"] = [{ matchLabels: { team: random.pick(NAMESPACES) } }];
  if (v4 && random.chance(0.3)) spec["excludeIps"] = [`${base}.${random.int(2, 4)}..${base}.${random.int(4, 6)}`];
  if (random.chance(0.3)) {
    spec["gatewayType"] = random.pick(["centralized", "distributed"]);
    spec["gatewayNode"] = random.pick(["n1", "n1,n2", "n3"]);
  }
  return { name, spec };
}

function poolOf(random: Random): Readonly<Record<string, unknown>> {
  const subnet = random.pick(["ovn-default", "small", "tiny"]);
  const base = { "ovn-default": "10.16.0", small: "10.30.0", tiny: "10.20.0" }[subnet];
  const low = random.int(2, 9);
  return {
    subnet,
    ips: [`${base}.${low}..${base}.${low + random.int(0, 4)}`],
    ...(random.chance(0.3) && { namespaces: [random.pick(NAMESPACES)] }),
    ...(random.chance(0.3) && { enableAddressSet: true }),
  };
}

function vipOf(random: Random, namespace: string): Readonly<Record<string, unknown>> {
  const subnet = random.pick(["ovn-default", "small"]);
  const base = { "ovn-default": "10.16.0", small: "10.30.0" }[subnet];
  return {
    namespace,
    subnet,
    type: random.pick(["", "switch_lb_vip", "kube_host_vm_vip"]),
    ...(random.chance(0.5) && { v4ip: `${base}.${random.int(2, 9)}` }),
  };
}

function reservationOf(random: Random, namespace: string): { name: string; spec: Readonly<Record<string, unknown>> } {
  const subnet = random.pick(["ovn-default", "small"]);
  const base = { "ovn-default": "10.16.0", small: "10.30.0" }[subnet];
  const v4IpAddress = random.chance(0.7) ? `${base}.${random.int(2, 12)}` : "";
  if (random.chance(0.2)) {
    const podName = random.pick(BARE);
    const further = { namespace, podName, subnet: "fast", v4IpAddress: `10.50.0.${random.int(2, 6)}` };
    return { name: `${podName}.${namespace}.fast.default.ovn`, spec: further };
  }
  // For a later pod, or for none in particular.
  const podName = random.chance(0.5) ? random.pick(BARE) : undefined;
  if (podName === undefined) return { name: `keep-${random.int(1, 3)}`, spec: { subnet, v4IpAddress } };
  return { name: `${podName}.${namespace}`, spec: { subnet, namespace, podName, v4IpAddress } };
}

function deletionOf(random: Random) {
  const type = random.pick(["subnets", "subnets", "ippools", "vips"] as const);
  const names = { subnets: [...Object.keys(SUBNETS), ...Object.keys(CLASHES)], ippools: POOLS, vips: VIPS }[type];
  return { type, name: random.pick<string>(names) };
}
