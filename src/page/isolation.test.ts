// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { projectNamespace } from "../facts/project-core.ts";
import { projectNetworkPolicy } from "../facts/project-policy.ts";
import { projectService } from "../facts/project-service.ts";
import type { FactStore } from "../facts/store.ts";
import { addressMap } from "./addresses.ts";
import { seesHolder } from "./fill.ts";
import { findObjects } from "./find.ts";
import { nodesPage } from "./nodes.ts";
import { overview } from "./overview.ts";
import { PageError } from "./page-error.ts";
import { podDetail, podsPage } from "./pods.ts";
import { policiesPage, policyDetail } from "./policies.ts";
import { reach } from "./reach.ts";
import { subnetDetail } from "./subnets.ts";
import { addTenantPod, pageSource, pageWorld, tenant, tenantName } from "./testing/page-world.ts";
import { topology } from "./topology.ts";
import { vpcDetail } from "./vpcs.ts";

const OWN = tenantName(1);
const VIEWER = tenant(OWN);

/** What a question is answered with; of one that is refused the message. */
function asked(question: () => unknown): unknown {
  try {
    return question();
  } catch (error) {
    if (error instanceof PageError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

/** Every answer that the tenant can get. */
function everything(facts: FactStore): Readonly<Record<string, unknown>> {
  const source = pageSource(facts);
  const { book, conditionsOf } = source;
  const own = { kind: "NetworkPolicy", namespace: OWN, name: "own" } as const;
  const questions: Readonly<Record<string, () => unknown>> = {
    overview: () => overview(source, VIEWER),
    topology: () => topology(facts, VIEWER, conditionsOf),
    subnet: () => subnetDetail(facts, VIEWER, "ovn-default", conditionsOf, []),
    "another VPC": () => vpcDetail(facts, VIEWER, "vpc-a", conditionsOf, []),
    vpc: () => vpcDetail(facts, VIEWER, "ovn-cluster", conditionsOf, []),
    addresses: () => addressMap(facts, VIEWER, { subnet: "ovn-default" }),
    "single addresses": () => addressMap(facts, VIEWER, { subnet: "ovn-default", prefix: "10.16.1.0/24", bits: 32 }),
    "another's subnet": () => addressMap(facts, VIEWER, { subnet: "subnet-a" }),
    pods: () => podsPage(facts, VIEWER, {}),
    "all that have an address": () => podsPage(facts, VIEWER, { query: "10.16" }),
    "another's pods": () => podsPage(facts, VIEWER, { namespace: tenantName(0) }),
    pod: () => podDetail(facts, VIEWER, book, { namespace: OWN, name: "web-0" }, []),
    "another's pod": () => podDetail(facts, VIEWER, book, { namespace: tenantName(0), name: "web-0" }, []),
    policies: () => policiesPage(source, VIEWER, {}),
    policy: () => policyDetail(source, VIEWER, own, []),
    "another's policy": () => policyDetail(source, VIEWER, { ...own, namespace: tenantName(0) }, []),
    nodes: () => nodesPage(facts, VIEWER, {}),
    "by a name that all have": () => findObjects(facts, VIEWER, "web"),
    "by part of a name": () => findObjects(facts, VIEWER, "t"),
    "by another's address": () => findObjects(facts, VIEWER, "10.16.1.0"),
    reach: () => reach(source, VIEWER, { from: `${OWN}/web-0`, to: `${OWN}/web-1`, protocol: "tcp", port: "80" }),
    "reach of another's address": () =>
      reach(source, VIEWER, { from: `${OWN}/web-0`, to: "10.16.1.0", protocol: "tcp", port: "80" }),
    "reach of another's pod": () => reach(source, VIEWER, { from: `${OWN}/web-0`, to: `${tenantName(0)}/web-0` }),
    "reach from another's pod": () => reach(source, VIEWER, { from: `${tenantName(0)}/web-0`, to: `${OWN}/web-0` }),
    "reach of another's Service": () => reach(source, VIEWER, { from: `${OWN}/web-0`, to: "10.96.0.0", port: "80" }),
  };
  return Object.fromEntries(Object.entries(questions).map(([name, question]) => [name, asked(question)]));
}

const SIZE = { namespaces: 3, podsEach: 3, nodes: 2 };

t.test("a tenant reads no name, label or address of another tenant", async (t) => {
  const facts = pageWorld(SIZE);
  for (const [question, answer] of Object.entries(everything(facts))) {
    const text = JSON.stringify(answer);
    const others = /tenant-00[02]|weft-[12]"|subnet-a"|vpc-a"/;
    // What the tenant has asked for itself is repeated in a refusal.
    if (typeof answer === "string") t.match(answer, /^(not-found|forbidden): /, question);
    else t.notMatch(text.replaceAll(/"node":"weft-[12]"/g, ""), others, question);
  }
  const { overview: first, pods } = everything(facts) as { overview: { counts: object }; pods: { total: number } };
  t.match(first.counts, { namespaces: 1, pods: 3, policies: 1, services: 1, subnets: 1, vpcs: 1 });
  t.equal(pods.total, 3);
});

t.test("what other tenants have changes nothing in what a tenant is answered", async (t) => {
  const before = everything(pageWorld(SIZE));
  const other = fc.record({
    namespace: fc.constantFrom(tenantName(0), tenantName(2), "new-tenant"),
    pods: fc.integer({ min: 0, max: 3 }),
    denies: fc.boolean(),
    service: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(other, { minLength: 1, maxLength: 3 }), (others) => {
      const facts = pageWorld(SIZE);
      for (const [i, { namespace, pods, denies, service }] of others.entries()) {
        const uid = `uid-${i}`;
        facts.set("namespaces", namespace, projectNamespace({ metadata: { name: namespace, uid } }));
        for (let p = 0; p < pods; p++) {
          const [v4, v6] = [`10.16.${9 + i}.${p + 2}`, `fd00:10:16::f${i}${p + 2}`];
          addTenantPod(facts, { namespace, name: `more-${i}-${p}`, node: "weft-1", v4, v6 });
        }
        // It selects the tenant's pods as peers, so that groups of others have them as members.
        const spec = denies
          ? { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { of: namespace } } }] }] }
          : { podSelector: {}, egress: [{ to: [{ namespaceSelector: {} }] }] };
        const metadata = { name: `policy-${i}`, namespace, uid: `uid-policy-${i}` };
        // Not for those whose addresses are asked for: whether they are reached may change.
        if (namespace !== tenantName(0))
          facts.set("networkPolicies", `${namespace}/policy-${i}`, projectNetworkPolicy({ metadata, spec }));
        if (service) {
          const object = {
            metadata: { name: `svc-${i}`, namespace, uid: `uid-svc-${i}` },
            spec: { clusterIP: `10.97.0.${i}` },
          };
          facts.set("services", `${namespace}/svc-${i}`, projectService(object));
        }
      }
      t.strictSame(everything(facts), before);
    }),
    { numRuns: 8 },
  );
});

t.test(
  "of the cluster's policies a tenant is told the names of those that decide about their own pods, and no more",
  async (t) => {
    const answers = everything(pageWorld(SIZE));
    t.match(answers["pod"], {
      policies: [{ policy: { kind: "AdminNetworkPolicy", name: "deny-telnet" } }, { policy: { name: "own" } }],
    });
    t.notMatch(JSON.stringify([answers["policies"], answers["by part of a name"], answers["overview"]]), /deny-telnet/);
    const detail = () =>
      policyDetail(pageSource(pageWorld(SIZE)), VIEWER, { kind: "AdminNetworkPolicy", name: "deny-telnet" }, []);
    t.throws(detail, { code: "not-found" });
  },
);

t.test("messages about a tenant's own objects that name others are told without them", async (t) => {
  const facts = pageWorld(SIZE);
  const key = `web-0.${OWN}`;
  facts.set("addressConflicts", key, { key, message: `pod ${tenantName(0)}/web-0 has it` });
  const verdict = facts.get("verdicts", "ovn-default");
  const message = "spec.cidrBlock 10.16.0.0/16 overlaps 10.200.0.0/24 of subnet subnet-a";
  facts.set("verdicts", "ovn-default", { ...verdict, key: "ovn-default", ok: false, reason: "Overlap", message });
  const answers = everything(facts);
  t.notMatch(JSON.stringify(answers), /tenant-000\/web-0 has|subnet-a"|of subnet subnet-a/);
  t.match(answers["subnet"], { state: "error", problem: undefined });
  t.match(answers["pod"], { problem: /another object has an address/, problems: [{ reason: "AddressConflict" }] });
});

t.test("who does not see nodes is not told of controllers, nor what the API server says", async (t) => {
  const facts = pageWorld(SIZE);
  const source = {
    ...pageSource(facts),
    leader: { problem: "kube-ovn-controller-0 has not renewed its Lease" },
    eventsProblem: "Events cannot be read: https://172.18.0.2:6443 refused",
  };
  const answer = overview(source, VIEWER);
  t.match(answer.problems, [{ reason: "NoLeader" }]);
  t.match(answer.eventsProblem, /cannot be read$/);
  t.notMatch(JSON.stringify(answer), /controller-0|172\.18/);
  const networks = { ...VIEWER, sees: { ...VIEWER.sees, networks: true } };
  t.notOk(seesHolder(networks, "node:weft-1"));
});

t.test("an address of Services is answered alike whether or not another tenant's Service has it", async (t) => {
  const facts = pageWorld(SIZE);
  const answer = (): unknown =>
    asked(() => reach(pageSource(facts), VIEWER, { from: `${OWN}/web-0`, to: "10.96.0.0", port: "80" }));
  const before = answer();
  facts.set("services", `${tenantName(0)}/web`, undefined);
  t.strictSame(answer(), before);
});
