// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { switchLbRuleKind } from "../../kinds/switch-lb-rule.ts";
import { vpcDnsKind } from "../../kinds/vpc-dns.ts";
import type { KubeObject } from "../../kube/object.ts";
import { CONFIG_MAPS, EVENTS, type ResourceType, SERVICES, SUBNETS, VPCS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

/**
 * Invalid input in objects that the API server accepts, because several objects are involved, or the object is older than the rules of
 * `crds/`. Errors within one object are refused by the API server (`test/e2e/smoke/crds.test.ts`).
 */
interface Case {
  readonly what: string;
  readonly type: ResourceType;
  readonly name: string;
  readonly spec?: object;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Reported in a condition of the object, or in an Event about it. */
  readonly reason: string;
  readonly message: RegExp;
}

type Told = KubeObject & {
  readonly status?: { readonly conditions?: readonly { readonly reason: string; readonly message: string }[] };
};
type Event = KubeObject & {
  readonly reason?: string;
  readonly note?: string;
  readonly message?: string;
  readonly regarding?: { readonly name?: string };
  readonly involvedObject?: { readonly name?: string };
};

const { type: RULES } = switchLbRuleKind;
const { type: DNSES } = vpcDnsKind;

/** Objects that work before, and after each case. */
const VPC = {
  staticRoutes: [{ cidr: "172.31.0.0/16", nextHopIP: "10.50.0.250", policy: "policyDst" }],
  policyRoutes: [{ priority: 10, match: "ip4.dst == 198.51.100.0/24", action: "drop" }],
};
const RULE = { vip: "172.30.0.5", namespace: "default", ports: [{ name: "http", port: 80 }], endpoints: ["10.16.0.9"] };
const SUBNET = { vpc: "team", cidrBlock: "10.50.0.0/24", excludeIps: ["10.50.0.250..10.50.0.254"] };

const peering = (remoteVpc: string, localConnectIP = "169.254.100.1/30") => ({
  ...VPC,
  vpcPeerings: [{ remoteVpc, localConnectIP }],
});
const route = (cidr: string, nextHopIP: string) => ({
  ...VPC,
  staticRoutes: [...VPC.staticRoutes, { cidr, nextHopIP, policy: "policyDst" }],
});
const policy = (match: string) => ({
  ...VPC,
  policyRoutes: [...VPC.policyRoutes, { priority: 9, match, action: "drop" }],
});
const team = { type: VPCS, name: "team" } as const;
const pods = { type: SUBNETS, name: "team-pods" } as const;

const CASES: readonly Case[] = [
  {
    ...{ what: "a subnet that overlaps another of its VPC", type: SUBNETS, name: "overlap" },
    spec: { vpc: "team", cidrBlock: "10.50.0.128/25" },
    ...{ reason: "SubnetConflict", message: /10\.50\.0\.128\/25.*team-pods/ },
  },
  {
    ...{ what: "a subnet of a VPC that does not exist", type: SUBNETS, name: "homeless" },
    spec: { vpc: "nowhere", cidrBlock: "10.51.0.0/24" },
    ...{ reason: "VpcUnknown", message: /"nowhere"/ },
  },
  {
    ...{ what: "a gateway outside of its CIDR", ...pods, spec: { ...SUBNET, gateway: "10.51.0.1" } },
    ...{ reason: "InvalidGateway", message: /"?10\.51\.0\.1"?/ },
  },
  {
    ...{ what: "a gateway node that does not exist", type: SUBNETS, name: "central" },
    spec: { cidrBlock: "10.52.0.0/24", gatewayType: "centralized", gatewayNode: "nope" },
    ...{ reason: "NoReadyGateway", message: /"?nope"?/ },
  },
  {
    ...{ what: "a peering with itself", ...team, spec: peering("team") },
    ...{ reason: "InvalidPeering", message: /spec\.vpcPeerings\[0\]/ },
  },
  {
    ...{ what: "a peering with a VPC that does not exist", ...team, spec: peering("nowhere") },
    ...{ reason: "VpcNotFound", message: /"nowhere"/ },
  },
  {
    ...{ what: "a peering of VPCs whose ranges overlap", ...team, spec: peering("twin") },
    ...{ reason: "PeeringConflict", message: /10\.50\.0\.0\/24/ },
  },
  {
    ...{ what: "a next hop in no network of the VPC", ...team, spec: route("10.99.0.0/16", "192.0.2.1") },
    ...{ reason: "NextHopUnreachable", message: /192\.0\.2\.1/ },
  },
  {
    ...{ what: "a next hop that no object has", ...team, spec: route("10.99.0.0/16", "10.50.0.77") },
    ...{ reason: "NextHopNotFound", message: /10\.50\.0\.77/ },
  },
  {
    ...{ what: "a policy whose match OVN cannot parse", ...team, spec: policy("tcp.port == 80") },
    ...{ reason: "InvalidMatch", message: /spec\.policyRoutes\[1\]\.match.*"tcp\.port".*last accepted/ },
  },
  {
    ...{
      what: "a policy whose match OVN refuses for its negation",
      ...team,
      spec: policy('inport != "team-pods-team"'),
    },
    ...{ reason: "InvalidMatch", message: /positive sense/ },
  },
  {
    ...{ what: "a policy that matches no packet", ...team, spec: policy("ip4 && ip6.dst == fd00::1") },
    ...{ reason: "MatchWithoutEffect", message: /spec\.policyRoutes\[1\]\.match/ },
  },
  {
    ...{ what: "a VPC's enableExternal without a gateway node", ...team, spec: { ...VPC, enableExternal: true } },
    ...{ reason: "NoExternalGateway", message: /no node has the label .*external-gw=true/ },
  },
  {
    ...{ what: "a VPC's enableBfd without routes to monitor", ...team, spec: { ...VPC, enableBfd: true } },
    ...{ reason: "BfdUnused", message: /spec\.enableBfd: BFD monitors nothing/ },
  },
  {
    ...{ what: "vips outside of the range", ...pods, spec: { ...SUBNET, vips: ["10.50.0.9", "10.99.0.9"] } },
    ...{ reason: "InvalidVips", message: /spec\.vips.*10\.99\.0\.9 is not in cidrBlock/ },
  },
  ...[{ u2oInterconnection: true }, { logicalGateway: true }, { enableExternalLBAddress: true }].map((more) => ({
    ...{ what: `a subnet's ${Object.keys(more)[0]}`, ...pods, spec: { ...SUBNET, ...more } },
    ...{ reason: "NotSupported", message: new RegExp(Object.keys(more)[0] ?? "") },
  })),
  {
    ...{ what: "an ACL whose match OVN cannot parse", ...pods },
    spec: { ...SUBNET, acls: [{ direction: "to-lport", priority: 5, match: "!nd", action: "drop" }] },
    ...{ reason: "InvalidMatch", message: /spec\.acls\[0\]\.match/ },
  },
  {
    ...{ what: "an ACL of from-lport about the outport", ...pods },
    spec: { ...SUBNET, acls: [{ direction: "from-lport", priority: 5, match: 'outport == "a"', action: "drop" }] },
    ...{ reason: "MatchWithoutEffect", message: /spec\.acls\[0\]\.match.*to-lport/ },
  },
  {
    ...{ what: "a Service that names a VPC that does not exist", type: SERVICES, name: "lost" },
    annotations: { "ovn.kubernetes.io/logical_router": "nowhere", "ovn.kubernetes.io/logical_switch": "x" },
    spec: { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9"], ports: [{ port: 80 }] },
    ...{ reason: "VpcNotFound", message: /"nowhere" does not exist/ },
  },
  {
    ...{ what: "a second rule with one VIP", type: RULES, name: "second", spec: RULE },
    ...{ reason: "VipInUse", message: /172\.30\.0\.5 .*"first"/ },
  },
  {
    ...{ what: "a rule with a port twice", type: RULES, name: "twice" },
    spec: { ...RULE, vip: "172.30.0.6", ports: [...RULE.ports, { name: "again", port: 80 }] },
    ...{ reason: "InvalidPort", message: /spec\.ports\[1\]\.port: 80\/TCP/ },
  },
  {
    ...{ what: "a rule with a loopback endpoint", type: RULES, name: "loop" },
    spec: { ...RULE, vip: "172.30.0.7", endpoints: ["127.0.0.1"] },
    ...{ reason: "InvalidAddress", message: /spec\.endpoints\[0\].*loopback/ },
  },
  {
    ...{
      what: "a DNS with two VIPs of one family",
      type: DNSES,
      name: "dns",
      spec: { vpc: "team", subnet: "team-pods" },
    },
    ...{ reason: "InvalidConfig", message: /coredns-vip "10\.96\.0\.3,10\.96\.0\.4"/ },
  },
];

/** The reports about an object. */
function told(kube: FakeKube, { type, name }: Pick<Case, "type" | "name">): readonly (readonly [string, string])[] {
  const ref = type === SERVICES ? { namespace: "default", name } : { name };
  const conditions = kube.object<Told>(type, ref)?.status?.conditions ?? [];
  const events = kube
    .objects<Event>(EVENTS)
    .filter((event) => (event.regarding ?? event.involvedObject)?.name === name);
  return [
    ...conditions.map(({ reason, message }) => [reason, message] as const),
    ...events.map(({ reason = "", note, message }) => [reason, note ?? message ?? ""] as const),
  ];
}

/** The rows of the working objects. */
function working(server: FakeOvsdb): unknown {
  const rows = <T extends "Logical_Switch" | "Logical_Router_Policy" | "Logical_Router_Static_Route" | "Load_Balancer">(
    table: T,
  ) => server.rows(OVN_NB, table);
  return {
    switch: rows("Logical_Switch").some(({ name }) => name === "team-pods"),
    route: rows("Logical_Router_Static_Route").some(({ ip_prefix }) => ip_prefix === "172.31.0.0/16"),
    policy: rows("Logical_Router_Policy").some(({ match }) => match === VPC.policyRoutes[0]?.match),
    balancer: rows("Load_Balancer").find(({ name }) => name === "default/slr-first/tcp")?.vips,
  };
}

t.test("invalid input is reported with a reason and a message, and what worked keeps working", async (t) => {
  const { kube, server } = await cluster(t);
  await kube.create(VPCS, { metadata: { name: "team" }, spec: VPC } as never);
  await kube.create(SUBNETS, { metadata: { name: "team-pods" }, spec: SUBNET } as never);
  const back = { vpcPeerings: [{ remoteVpc: "team", localConnectIP: "169.254.100.2/30" }] };
  await kube.create(VPCS, { metadata: { name: "twin" }, spec: back } as never);
  await kube.create(SUBNETS, {
    metadata: { name: "twin-pods" },
    spec: { vpc: "twin", cidrBlock: "10.50.0.0/24" },
  } as never);
  await kube.create(RULES, { metadata: { name: "first" }, spec: RULE } as never);
  await kube.create(CONFIG_MAPS, {
    metadata: { namespace: "kube-system", name: "vpc-dns-config" },
    data: { "coredns-vip": "10.96.0.3,10.96.0.4", "nad-name": "n", "nad-provider": "n.default.ovn" },
  } as never);
  candidate(t, kube, server);
  const wanted = { switch: true, route: true, policy: true, balancer: { "172.30.0.5:80": "10.16.0.9:80" } };
  const isWanted = (): true | undefined => JSON.stringify(working(server)) === JSON.stringify(wanted) || undefined;
  await eventually("all works", isWanted);
  await eventually("the rule is ready", () =>
    told(kube, { type: RULES, name: "first" }).find(([one]) => one === "Ready"),
  );

  for (const one of CASES) {
    const { what, type, name, spec, annotations, reason, message } = one;
    const namespace = type === SERVICES ? "default" : undefined;
    const ref = { name, ...(namespace && { namespace }) };
    const exists = kube.object(type, ref) !== undefined;
    if (exists) await kube.patch(type, ref, { type: "merge", body: { spec } });
    else await kube.create(type, { metadata: { ...ref, ...(annotations && { annotations }) }, spec } as never);
    const said = await eventually(
      what,
      () => told(kube, one).find(([why, text]) => why === reason && message.test(text)),
      5000,
    ).catch(() => undefined);
    t.ok(said, said === undefined ? `${what}: ${JSON.stringify(told(kube, one))}` : what);
    t.same(working(server), wanted, `${what}: what worked keeps working`);
    if (exists) {
      const body = { spec: { vpcPeerings: null, acls: null, gateway: null, ...(type === VPCS ? VPC : SUBNET) } };
      const fields = Object.keys(spec ?? {}).filter((field) => !(field in body.spec));
      const cleared = Object.fromEntries(fields.map((field) => [field, null]));
      await kube.patch(type, ref, { type: "merge", body: { spec: { ...cleared, ...body.spec } } });
    } else await kube.delete(type, ref);
  }
  await eventually("all works at the end", isWanted);
});
