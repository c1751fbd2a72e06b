// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectVpc } from "./project-vpc.ts";

type Spec = NonNullable<Parameters<typeof projectVpc>[0]["spec"]>;

const project = (spec: object) =>
  projectVpc({ metadata: { name: "team", uid: "u" }, spec: spec as Spec }, "ovn-cluster");

t.test("a next hop that is named twice is one, and addresses have one spelling", async (t) => {
  const { policyRoutes, staticRoutes, problems } = project({
    staticRoutes: [
      { cidr: "10.0.1.9/24", nextHopIP: "10.0.1.254" },
      { cidr: "FD00::/8", nextHopIP: "FD00:0::1", policy: "policySrc", routeTable: "rt" },
      { cidr: "10.0.1.5", nextHopIP: "10.0.1.254", policy: "" },
    ],
    policyRoutes: [{ action: "reroute", match: "ip4", nextHopIP: "10.0.1.10, 10.0.1.10,10.0.1.11", priority: 100 }],
  });
  t.same(problems, []);
  t.same(policyRoutes[0]?.nextHops, ["10.0.1.10", "10.0.1.11"]);
  t.same(
    staticRoutes.map(({ cidr, nextHopIp }) => [cidr, nextHopIp]),
    [
      ["10.0.1.0/24", "10.0.1.254"],
      ["fd00::/8", "fd00::1"],
      ["10.0.1.5", "10.0.1.254"],
    ],
  );
});

t.test("values that OVN would misinterpret or ignore are left out and reported, and the others are used", async (t) => {
  const good = { cidr: "10.0.1.0/24", nextHopIP: "10.0.1.254" };
  const rule = { action: "reroute", match: "ip4", nextHopIP: "10.0.1.10" };
  for (const [spec, path, ...says] of [
    [
      { staticRoutes: [{ ...good, cidr: "10.0.1.300/24" }, good] },
      "spec.staticRoutes[0].cidr",
      '"10.0.1.300/24"',
      "172.31.0.0/16",
    ],
    [
      { staticRoutes: [good, { ...good, nextHopIP: "10.0.1.300" }] },
      "spec.staticRoutes[1].nextHopIP",
      '"10.0.1.300" is not a valid address',
    ],
    [{ staticRoutes: [good, { cidr: "10.0.0.0/8" }] }, "spec.staticRoutes[1].nextHopIP", '""'],
    [{ staticRoutes: [good, { ...good, nextHopIP: "10.0.1.1/24" }] }, "spec.staticRoutes[1].nextHopIP"],
    [{ staticRoutes: [good, { ...good, routeTable: "a\0" }] }, "spec.staticRoutes[1].routeTable", "does not allow"],
    [
      { policyRoutes: [{ ...rule, nextHopIP: "10.0.1.10,10.0.1.300" }, rule] },
      "spec.policyRoutes[0].nextHopIP",
      '"10.0.1.300" is not',
    ],
    [{ policyRoutes: [{ ...rule, nextHopIP: "" }, rule] }, "spec.policyRoutes[0].nextHopIP"],
    [
      { policyRoutes: [{ ...rule, nextHopIP: "10.0.1.1,fd00::1" }, rule] },
      "spec.policyRoutes[0].nextHopIP",
      "both families",
    ],
    [{ policyRoutes: [{ ...rule, action: "deny" }, rule] }, "spec.policyRoutes[0].action", '"deny"'],
    [{ policyRoutes: [{ ...rule, priority: 40000 }, rule] }, "spec.policyRoutes[0].priority", "40000"],
  ] as const) {
    const { problems, staticRoutes, policyRoutes } = project(spec);
    t.match(problems, [{ path }], path);
    t.equal(problems.length, 1);
    for (const text of says) t.match(problems[0]?.message, text);
    t.equal(staticRoutes.length + policyRoutes.length, 1, "the other one is there");
  }
});
