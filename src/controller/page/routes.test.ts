// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { ObjectName } from "../../page/contract.ts";
import { ADMINISTRATOR, pageSource, pageWorld, tenant, tenantName } from "../../page/testing/page-world.ts";
import { answer, type RouteParts } from "./routes.ts";

const ONE = tenantName(1);

/** The answers from a world, and the objects whose Events the API server was asked for. */
function rig(more: Partial<RouteParts> = {}) {
  const { parts, leader, warnings, answeredBy, ...source } = pageSource(
    pageWorld({ namespaces: 3, podsEach: 2, nodes: 2 }),
  );
  const asked: ObjectName[] = [];
  const routes: RouteParts = {
    ...source,
    answeredBy: () => answeredBy,
    version: "0.0.0",
    reader: {
      state: async () => ({ parts, leader, warnings }),
      eventsOf: async (of) => {
        asked.push(of);
        return [];
      },
    },
    ...more,
  };
  const ask = async (question: string, viewer = ADMINISTRATOR, method = "GET"): Promise<unknown> => {
    const { pathname, searchParams: query } = new URL(question, "http://page");
    const path = pathname.slice(1).split("/").map(decodeURIComponent);
    const body = async (): Promise<string> => "kind: NetworkPolicy";
    const compute = await answer(routes, { method, path, query, viewer, expires: 1, body });
    return compute();
  };
  return { ask, asked };
}

t.test("each question is answered about the object that it names", async (t) => {
  const { ask } = rig();
  for (const [question, expected] of [
    ["me", { user: "admin", clusterWide: true }],
    ["topology", {}],
    ["subnets/subnet-a", { name: "subnet-a", vpc: "vpc-a" }],
    ["subnets/subnet-a/addresses", { subnet: "subnet-a" }],
    ["vpcs/vpc-a", { name: "vpc-a" }],
    ["pods?limit=1", { items: [{ namespace: "default", name: "a" }] }],
    [`pods?namespace=${ONE}&query=web-1`, { items: [{ namespace: ONE, name: "web-1" }] }],
    [`pods/${ONE}/web-0`, { namespace: ONE, name: "web-0" }],
    [`policies?namespace=${ONE}`, { items: [{ kind: "NetworkPolicy", namespace: ONE, name: "own" }] }],
    [`policies/NetworkPolicy/${ONE}/own`, { name: "own" }],
    ["policies/AdminNetworkPolicy/deny-telnet", { name: "deny-telnet" }],
    ["nodes?query=weft-2", { items: [{ name: "weft-2" }] }],
    ["nodes/weft-1", { name: "weft-1" }],
    [`find?q=${ONE}`, {}],
    [`reach?from=${ONE}/web-0&to=${ONE}/web-1&protocol=tcp&port=80`, {}],
    ["flows", { enabled: false, flows: [] }],
  ] as const)
    t.match(await ask(question), expected, question);
});

t.test("Events are asked for of objects that the viewer sees only", async (t) => {
  const { ask, asked } = rig();
  const viewer = tenant(ONE);
  await ask(`pods/${ONE}/web-0`, viewer);
  await ask(`policies/NetworkPolicy/${ONE}/own`, viewer);
  const seen = asked.splice(0);
  t.strictSame(
    seen.map(({ kind }) => kind),
    ["Pod", "NetworkPolicy"],
  );
  for (const question of [
    `pods/${tenantName(2)}/web-0`,
    `policies/NetworkPolicy/${tenantName(2)}/own`,
    "policies/AdminNetworkPolicy/deny-telnet",
    "nodes/weft-1",
    "vpcs/no-such",
    "subnets/subnet-a",
  ])
    await ask(question, viewer).catch(() => undefined);
  t.strictSame(asked, []);
});

t.test("a plan is asked for by POST, in a namespace that the viewer sees, where plans are made", async (t) => {
  const plans: unknown[] = [];
  const plan: NonNullable<RouteParts["plan"]> = async (viewer, { namespace, manifest, verb }) => {
    plans.push([viewer.user, namespace, manifest, verb]);
    return {} as never;
  };
  const { ask } = rig({ plan });
  await ask(`plan?namespace=${ONE}`, ADMINISTRATOR, "POST");
  await ask(`plan?namespace=${ONE}&remove=true`, ADMINISTRATOR, "POST");
  t.strictSame(plans, [
    ["admin", ONE, "kind: NetworkPolicy", "apply"],
    ["admin", ONE, "kind: NetworkPolicy", "remove"],
  ]);
  await t.rejects(ask("plan"), { code: "method-not-allowed" });
  await t.rejects(ask(`plan?namespace=${tenantName(2)}`, tenant(ONE), "POST"), { code: "not-found" });
  await t.rejects(rig().ask("plan", ADMINISTRATOR, "POST"), { code: "unavailable" });
  t.equal(plans.length, 2);
});

t.test("questions that do not exist, and numbers that are none, are refused", async (t) => {
  const { ask } = rig();
  for (const question of [
    "",
    "secrets",
    "subnets/a/b/c",
    "subnets/subnet-a/pods",
    "policies/Pod/a/b",
    "pods/none/none",
  ])
    await t.rejects(ask(question), { code: "not-found" }, question);
  for (const question of ["pods?limit=-1", "pods?limit=1e3", "subnets/subnet-a/addresses?bits=x"])
    await t.rejects(ask(question), { code: "invalid" }, question);
  await t.rejects(ask("pods", ADMINISTRATOR, "DELETE"), { code: "method-not-allowed" });
});
