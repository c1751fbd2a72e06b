// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ACCEPTED_ANNOTATION, writeFields } from "../facts/accepted.ts";
import { projectIpPool } from "./ippool.ts";
import { projectVip } from "./vip.ts";

const metadata = (fields?: Record<string, unknown>) => ({
  name: "x",
  uid: "uid-x",
  ...(fields && { annotations: { [ACCEPTED_ANNOTATION]: writeFields(fields) ?? "" } }),
});

t.test("malformed addresses of a pool leave the former ones reserved", async (t) => {
  const former = ["10.16.0.10..10.16.0.20"];
  const good = { subnet: "s", ips: ["10.16.0.30"] };
  t.match(projectIpPool({ metadata: metadata({ ips: former }), spec: good }), { ips: good.ips, problem: undefined });
  const bad = { subnet: "s", ips: ["10.16.0.30", "fd00::1:0..fd00::9"], namespaces: ["a"] };
  t.match(projectIpPool({ metadata: metadata({ ips: former }), spec: bad }), {
    ips: former,
    namespaces: ["a"],
    problem: {
      reason: "PoolMalformed",
      message: /^spec\.ips has "fd00::1:0\.\.fd00::9".*the last accepted addresses stay active$/,
    },
  });
  for (const broken of [undefined, { ips: [1] }, {}]) {
    t.match(projectIpPool({ metadata: metadata(broken), spec: bad }), {
      ips: bad.ips,
      problem: { message: /only its valid entries are reserved$/ },
    });
  }
});

t.test("for a malformed selector of a Vip the former one is used, or none", async (t) => {
  const spec = { subnet: "s", namespace: "a", selector: ["app: web", "tier"] };
  t.same(projectVip({ metadata: metadata(), spec: { ...spec, selector: ["app: web"] } }).selector, [["app", "web"]]);
  t.same(projectVip({ metadata: metadata(), spec: { subnet: "s" } }).selector, [], "all of the namespace");
  const kept = projectVip({ metadata: metadata({ selector: ["app: db"] }), spec });
  t.match(kept, {
    selector: [["app", "db"]],
    problem: { reason: "InvalidSelector", message: /"tier".*the last accepted selector stays active$/ },
  });
  for (const broken of [undefined, { selector: ["x"] }, { selector: "x" }]) {
    const fact = projectVip({ metadata: metadata(broken), spec });
    t.equal(fact.selector, undefined);
    t.match(fact.problem, { message: /"tier".*label such as "app: web"/ });
  }
});
