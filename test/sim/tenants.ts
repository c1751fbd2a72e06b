// SPDX-License-Identifier: Apache-2.0

import type { Random } from "./random.ts";
import type { Action, TenantAction } from "./script.ts";

/** VPCs with the same addresses; the networks of their peerings differ, because one VPC may have several. */
const VPCS = ["red", "black", "white"] as const;
/** Namespaces with pods in all VPCs: Services, rules and policies of one namespace concern pods of each VPC. */
const NAMESPACES = ["shop", "bank"] as const;
const APPS = ["x", "y"] as const;
const NODES = ["n1", "n2", "n3", "n4"] as const;

/** All VPCs have this range, and each has a separate one in addition, without which no two could be peered. */
const SAME = "10.80.0.0/28";
const OWN: Readonly<Record<string, string>> = { red: "10.81.0.0/28", black: "10.82.0.0/28", white: "10.83.0.0/28" };

/** The initial objects: most of them exist, so that they can be confused. */
export function tenantsAtFirst(random: Random): Action[] {
  const actions: Action[] = [];
  for (const name of NAMESPACES) actions.push({ at: 0, do: "namespace", name, labels: { team: name } });
  for (const vpc of VPCS) {
    actions.push({ at: random.int(0, 2_000), do: "vpc", name: vpc, spec: {} });
    actions.push({ at: random.int(0, 4_000), do: "subnet", ...subnetOf(random, vpc, random.chance(0.7)) });
  }
  for (const vpc of VPCS) for (let i = 0; i < 2; i++) actions.push(podOf(random, random.int(1_000, 9_000), vpc));
  return actions;
}

/** One action of a tenant, or an event of a gateway. */
export function tenantAction(random: Random, at: number): Action[] {
  const vpc = random.pick(VPCS);
  const ns = random.pick(NAMESPACES);
  const what = random.weighted({
    pod: 6,
    end: 3,
    subnet: 2,
    peering: 4,
    routes: 4,
    policies: 3,
    service: 5,
    rule: 5,
    policy: 2,
    gateway: 2,
    ready: 3,
    delete: 1,
    vpc: 0.5,
  });
  switch (what) {
    case "pod":
      return [podOf(random, at, vpc)];
    case "end":
      return [{ at, do: "delete-pod", ns, name: nameOfPod(random, vpc) }];
    case "subnet":
      return [{ at, do: "subnet", ...subnetOf(random, vpc, random.chance(0.5)) }];
    case "peering":
      return peering(random, at);
    case "routes":
      return [{ at, do: "vpc", name: vpc, spec: { staticRoutes: many(random, () => routeOf(random, vpc)) } }];
    case "policies":
      return [{ at, do: "vpc", name: vpc, spec: { policyRoutes: many(random, () => policyRouteOf(random, vpc)) } }];
    case "service": {
      const app = random.pick(APPS);
      const ports = [{ name: "web", port: 80, targetPort: 8080, protocol: "TCP" }];
      const spec = { type: "ClusterIP", clusterIP: `10.96.0.${app === "x" ? 10 : 20}`, selector: { app }, ports };
      return [{ at, do: "tenant-object", type: "services", ns, name: `svc-${app}`, spec }];
    }
    case "rule":
      return [{ at, do: "tenant-object", type: "switch-lb-rules", name: `rule-${ns}`, spec: ruleOf(random, ns) }];
    case "policy": {
      const from = [{ namespaceSelector: { matchLabels: { team: random.pick(NAMESPACES) } } }];
      const spec = { podSelector: { matchLabels: { app: random.pick(APPS) } }, ingress: [{ from }] };
      return [{ at, do: "tenant-object", type: "networkpolicies", ns, name: "who", spec }];
    }
    case "gateway": {
      const enableEcmp = random.chance(0.5);
      const spec = { gatewayType: "centralized", gatewayNode: random.pick(["n1,n2", "n2,n3,n1", "n3"]), enableEcmp };
      return [{ at, do: "subnet", name: "outer", spec: { cidrBlock: "10.84.0.0/28", ...spec } }];
    }
    case "ready": {
      const name = random.pick(NODES);
      const lost = { at, do: "ready-node", name, ready: false } as const;
      return random.chance(0.3) ? [lost] : [lost, { ...lost, at: at + random.int(500, 20_000), ready: true }];
    }
    case "delete":
      return [{ at, do: "tenant-delete", ...goneOf(random, ns) }];
    case "vpc": {
      const anew: Action = { at: at + random.int(1_000, 20_000), do: "vpc", name: vpc, spec: {} };
      return [{ at, do: "delete", type: "vpcs", name: vpc }, anew];
    }
  }
}

function subnetOf(random: Random, vpc: string, same: boolean) {
  const name = `${vpc}-${same ? "same" : "own"}`;
  const routeTable = random.chance(0.2) ? { routeTable: "aside" } : {};
  return { name, spec: { vpc, cidrBlock: same ? SAME : (OWN[vpc] ?? SAME), ...routeTable } };
}

function nameOfPod(random: Random, vpc: string): string {
  return `${vpc}-${random.int(1, 2)}`;
}

/** Few addresses, so that pods of several VPCs have the same ones. */
function podOf(random: Random, at: number, vpc: string): Action {
  const same = random.chance(0.7);
  const low = random.int(2, 5);
  const base = same ? "10.80.0" : (OWN[vpc] ?? "").replace(/\.0\/.*/, "");
  const wishes = {
    logical_switch: `${vpc}-${same ? "same" : "own"}`,
    ...(random.chance(0.8) && { ip_address: `${base}.${low}` }),
  };
  const labels = { app: random.pick(APPS) };
  return { at, do: "tenant-pod", ns: random.pick(NAMESPACES), name: nameOfPod(random, vpc), labels, wishes };
}

/** Sets both sides of a peering, or one of them, or removes both. */
function peering(random: Random, at: number): Action[] {
  const [a, b] = random.pick([["red", "black"] as const, ["black", "white"] as const, ["white", "red"] as const]);
  const third = { red: 1, black: 2, white: 3 }[a];
  const entry = (remoteVpc: string, last: number) => ({
    vpcPeerings: [{ remoteVpc, localConnectIP: `169.254.${third}.${last}/30` }],
  });
  const one: Action = { at, do: "vpc", name: a, spec: entry(b, 1) };
  const other: Action = { at: at + random.int(0, 8_000), do: "vpc", name: b, spec: entry(a, 2) };
  return random.pick([[one], [one, other], [one, other], [{ at, do: "vpc", name: a, spec: { vpcPeerings: [] } }]]);
}

function many<T>(random: Random, make: () => T): readonly T[] {
  return Array.from({ length: random.int(0, 3) }, make);
}

/** Next hops are the same in all VPCs, destinations differ, so that the VPC of a route can be identified. */
function routeOf(random: Random, vpc: string): object {
  const third = VPCS.indexOf(vpc as (typeof VPCS)[number]) + 1;
  return {
    cidr: `203.0.${third}.${random.int(0, 3)}/32`,
    nextHopIP: `10.80.0.${random.int(2, 5)}`,
    policy: random.pick(["policyDst", "policySrc"]),
    ...(random.chance(0.2) && { routeTable: "aside" }),
  };
}

function policyRouteOf(random: Random, vpc: string): object {
  const third = VPCS.indexOf(vpc as (typeof VPCS)[number]) + 1;
  const match = `ip4.dst == 203.0.${third}.${random.int(4, 7)}`;
  const action = random.pick(["allow", "drop", "reroute"]);
  const nextHop = action === "reroute" ? { nextHopIP: `10.80.0.${random.int(2, 5)}` } : {};
  return { priority: random.int(100, 105), match, action, ...nextHop };
}

/** Endpoints by addresses, which pods of all VPCs may have, or by a selector, which selects pods of all VPCs. */
function ruleOf(random: Random, namespace: string): Readonly<Record<string, unknown>> {
  const ports = [{ name: "web", port: 80, targetPort: 8080, protocol: "TCP" }];
  const vip = `10.80.0.${random.int(9, 10)}`;
  if (random.chance(0.5)) return { vip, namespace, ports, endpoints: null, selector: [`app:${random.pick(APPS)}`] };
  return { vip, namespace, ports, selector: null, endpoints: [`10.80.0.${random.int(2, 5)}`, "10.81.0.2"] };
}

function goneOf(random: Random, ns: string): Pick<TenantAction & { do: "tenant-delete" }, "type" | "ns" | "name"> {
  return random.pick([
    { type: "services", ns, name: `svc-${random.pick(APPS)}` },
    { type: "switch-lb-rules", name: `rule-${ns}` },
    { type: "networkpolicies", ns, name: "who" },
  ] as const);
}
