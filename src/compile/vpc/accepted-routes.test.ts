// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ACCEPTED_ANNOTATION } from "../../facts/accepted.ts";
import { projectVpc, type VpcObject } from "../../facts/project-vpc.ts";
import { conditionsIn } from "../effects.ts";
import { subnetUnit } from "../subnet/subnet.ts";
import { addSubnet, addVpc, sampleFacts } from "../testing/sample-facts.ts";
import { vpcUnit } from "./vpc.ts";

type Spec = NonNullable<VpcObject["spec"]>;

/** A policy of the spec, not one of the system's. */
function isRule({ table, label }: { readonly table: string; readonly label: string }): boolean {
  return table === "Logical_Router_Policy" && label.includes("/policy/");
}

/** The next hops of the routes: addresses outside IPAM. */
const HOPS = ["10.0.1.10..10.0.1.254", "fd00::1..fd00::254"];

/** A VPC whose spec is applied repeatedly, by a controller that restarts each time. */
function vpc(name = "team") {
  const facts = sampleFacts();
  if (name !== "ovn-cluster") addVpc(facts, name, {});
  addSubnet(facts, "hops", { vpc: name, cidrBlock: "10.0.1.0/24,fd00::/64", excludeIps: HOPS });
  let accepted: string | undefined;
  return (spec: Spec) => {
    const annotations = accepted === undefined ? {} : { [ACCEPTED_ANNOTATION]: accepted };
    facts.set("vpcs", name, projectVpc({ metadata: { name, uid: "uid", annotations }, spec }, "ovn-cluster"));
    const input = vpcUnit.read(facts, name);
    if (input === undefined) throw new Error("no VPC");
    const { rows, effects } = vpcUnit.compile(input);
    for (const effect of effects) {
      if (effect.kind === "fill") accepted = effect.annotations?.[ACCEPTED_ANNOTATION] ?? accepted;
    }
    return {
      rules: rows.filter(isRule).map(({ columns }) => columns),
      routes: rows.filter(({ table }) => table === "Logical_Router_Static_Route").map(({ columns }) => columns),
      condition: conditionsIn(effects)[0],
      accepted,
    };
  };
}

const rule = { priority: 100, match: "ip4.dst == 198.51.100.0/24", action: "reroute" } as const;

t.test("two rules of one priority and match become one with the next hops of both", async (t) => {
  const listed = vpc()({ policyRoutes: [{ ...rule, nextHopIP: "10.0.1.10,10.0.1.11" }] });
  const two = vpc()({
    policyRoutes: [
      { ...rule, nextHopIP: "10.0.1.10" },
      { ...rule, nextHopIP: "10.0.1.11" },
    ],
  });
  t.equal(two.rules.length, 1);
  t.same(two.rules, listed.rules);
  t.same(two.rules[0]?.["nexthops"], ["10.0.1.10", "10.0.1.11"]);
  t.match(two.condition, { ready: true, reason: "Ready", refused: undefined });
});

t.test(
  "of rules with one priority and match and different actions the strictest is used, and that is reported",
  async (t) => {
    const hop = { ...rule, nextHopIP: "10.0.1.10" };
    for (const [first, second, stands] of [
      [hop, { ...rule, action: "drop" }, 1],
      [{ ...rule, action: "drop" }, hop, 0],
      [{ ...rule, action: "allow" }, hop, 1],
      [hop, { ...rule, nextHopIP: "fd00::1" }, 0],
      [hop, { ...rule, match: "(ip4.dst==198.51.100.7/24) /* the same */", action: "drop" }, 1],
    ] as const) {
      const { rules, condition } = vpc()({ policyRoutes: [first, second] });
      t.match(rules, [{ action: [first, second][stands]?.action }]);
      const fell = stands === 0 ? 1 : 0;
      t.match(condition, {
        ready: true,
        refused: {
          message: new RegExp(`^spec.policyRoutes.${fell}.: spec.policyRoutes.${stands}. has the same priority 100`),
        },
      });
    }
  },
);

t.test("a route by source for all addresses is two halves, which come before the router's own drop", async (t) => {
  const to = (cidr: string, nextHopIP: string) => ({ cidr, nextHopIP, policy: "policySrc" }) as const;
  const { routes } = vpc()({
    staticRoutes: [to("0.0.0.0/0", "10.0.1.254"), to("::/0", "fd00::254"), to("0.0.0.0/1", "10.0.1.254")],
  });
  t.same(
    routes
      .map(({ ip_prefix, nexthop, policy }) => [ip_prefix, nexthop, policy])
      .sort((a, b) => (String(a) < String(b) ? -1 : 1)),
    [
      ["0.0.0.0/1", "10.0.1.254", "src-ip"],
      ["128.0.0.0/1", "10.0.1.254", "src-ip"],
      ["8000::/1", "fd00::254", "src-ip"],
      ["::/1", "fd00::254", "src-ip"],
    ],
  );
});

t.test("an invalid rule leaves the last accepted rules active, and so does an invalid route", async (t) => {
  const apply = vpc();
  const drop = { priority: 200, match: "ip4.src == 10.0.1.6", action: "drop" } as const;
  const route = { cidr: "172.31.0.0/16", nextHopIP: "10.0.1.254", policy: "policySrc", routeTable: "t" } as const;
  const good = apply({ policyRoutes: [drop, { ...rule, nextHopIP: "10.0.1.10" }], staticRoutes: [route] });
  t.match(good.condition, { ready: true, refused: undefined });
  const bad = apply({
    policyRoutes: [
      { ...drop, match: "ip4.src == 10.0.1.600" },
      { ...rule, nextHopIP: "10.0.1.10" },
    ],
    staticRoutes: [{ ...route, cidr: "172.30.0.0/16" }],
  });
  t.same(bad.rules, good.rules, "dropped traffic stays dropped");
  t.match(bad.routes, [{ ip_prefix: "172.30.0.0/16" }], "the other list is used");
  t.match(bad.condition, {
    ready: true,
    refused: {
      reason: "InvalidMatch",
      message: /^spec\.policyRoutes\[0\]\.match: .*; the last accepted policyRoutes stay active$/,
    },
  });
  const worse = apply({
    policyRoutes: [{ ...drop, match: "(" }],
    staticRoutes: [{ ...route, nextHopIP: "10.0.1.300" }],
  });
  t.same([worse.rules, worse.routes], [good.rules, bad.routes]);
  t.same(apply({}).rules, [], "an empty list is valid");
  t.equal(apply({}).accepted, '{"policyRoutes":[],"staticRoutes":[]}');
});

t.test("an annotation of another program is ignored", async (t) => {
  for (const text of [
    "x",
    "[]",
    '{"policyRoutes":{}}',
    '{"policyRoutes":[1]}',
    '{"policyRoutes":[{"match":1}]}',
    '{"policyRoutes":[{"action":"x"}]}',
  ]) {
    const metadata = { name: "v", uid: "u", annotations: { [ACCEPTED_ANNOTATION]: text } };
    t.same(projectVpc({ metadata, spec: {} }, "ovn-cluster").former, {}, text);
  }
});

t.test("a user's rule on the default VPC does not affect the system's, also if it equals one of them", async (t) => {
  const apply = vpc("ovn-cluster");
  const facts = sampleFacts();
  addSubnet(facts, "web", { cidrBlock: "10.20.0.0/16" });
  const input = subnetUnit.read(facts, "web");
  if (input === undefined) throw new Error("no subnet");
  const system = subnetUnit.compile(input);
  const own = system.rows.filter(({ table }) => table === "Logical_Router_Policy");
  const twin = own.find(({ columns }) => columns["match"] === "ip4.dst == 10.20.0.0/16");
  t.match(twin?.columns, { priority: 31000, action: "allow" });
  const equal = { priority: 31000, match: "ip4.dst == 10.20.0.0/16", action: "allow" } as const;
  apply({ policyRoutes: [equal] });
  const metadata = { name: "ovn-cluster", uid: "uid" };
  facts.set("vpcs", "ovn-cluster", projectVpc({ metadata, spec: { policyRoutes: [equal] } }, "ovn-cluster"));
  const read = vpcUnit.read(facts, "ovn-cluster");
  const mine = (read ? vpcUnit.compile(read).rows : []).filter(isRule);
  t.equal(mine.length, 1);
  const ids = new Set(own.map(({ uuid }) => uuid));
  t.notOk(
    mine.some(({ uuid }) => ids.has(uuid)),
    "it is a row of its own, so that only it is deleted with the entry",
  );
});

t.test(
  "a policy that can match no packet is still a row, and the condition reports that it has no effect",
  async (t) => {
    const { rules, condition } = vpc()({
      policyRoutes: [{ priority: 5, match: "ip4 && ip6.dst == fd00::1", action: "drop" }],
    });
    t.equal(rules.length, 1);
    t.match(condition, { ready: true, reason: "MatchWithoutEffect", refused: undefined });
    t.match(condition?.message, /spec\.policyRoutes\[0\]\.match: .* matches no packet: its parts exclude each other/);
  },
);

t.test("a route by source that OVN prefers to shorter routes by destination is reported", async (t) => {
  const apply = vpc();
  const source = (cidr: string) => ({ cidr, nextHopIP: "10.0.1.10", policy: "policySrc" }) as const;
  const all = { cidr: "0.0.0.0/0", nextHopIP: "10.0.1.11" };
  const told = (...staticRoutes: NonNullable<Spec["staticRoutes"]>): string | undefined => {
    const { condition } = apply({ staticRoutes });
    t.equal(condition?.ready, true);
    return condition?.reason === "SourceRoutePreferred" ? condition.message : undefined;
  };
  t.equal(told(source("10.0.1.0/24")), undefined, "the VPC's subnets have no shorter prefix");
  t.match(told(source("10.0.1.0/25")), /staticRoutes\[0\]\.cidr: .*sent to 10\.0\.1\.0\/24, which/);
  t.match(told(all, source("10.0.1.0/24")), /staticRoutes\[1\]\.cidr: .*sent to 0\.0\.0\.0\/0, which/);
  t.match(told(all, source("0.0.0.0/0")), /0\.0\.0\.0\/0, which/, "written as two halves");
  t.equal(told({ ...all, routeTable: "t" }, source("10.0.1.0/24")), undefined, "in another table");
  t.equal(told({ cidr: "::/0", nextHopIP: "fd00::10" }, source("10.0.1.0/24")), undefined, "of the other family");
  t.match(told(all, source("10.0.1.7/32")), /sent to 10\.0\.1\.0\/24, which/, "for one address before a default route");
});
