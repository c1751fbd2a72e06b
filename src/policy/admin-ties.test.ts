// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import type { AdminPolicyKind } from "../facts/admin-policy.ts";
import { type AdminPolicyObject, projectAdminPolicy } from "../facts/project-admin-policy.ts";
import type { FactStore } from "../facts/store.ts";
import { factStore } from "../kinds/store.ts";
import { translateAdminPolicy } from "./admin-policy.ts";
import { acceptedPolicy, type PolicyKind } from "./policy-kinds.ts";

const TABLES = {
  anp: "adminNetworkPolicies",
  banp: "baselineAdminNetworkPolicies",
  cnp: "clusterNetworkPolicies",
} as const satisfies Record<AdminPolicyKind, PolicyKind>;

const peer = (app: string) => ({ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app } } } });

function add(
  facts: FactStore,
  kind: AdminPolicyKind,
  name: string,
  spec: NonNullable<AdminPolicyObject["spec"]>,
): void {
  const metadata = { name, uid: name, generation: 1 };
  const object = { metadata, spec: { subject: { namespaces: {} }, tier: "Admin", ...spec } };
  facts.set(TABLES[kind], name, projectAdminPolicy(kind, object));
}

function accepted(facts: FactStore, kind: AdminPolicyKind, name: string) {
  const policy = acceptedPolicy(facts, TABLES[kind], name);
  if (policy === undefined) throw new Error("no such policy");
  return policy;
}

const texts = (facts: FactStore, kind: AdminPolicyKind, name: string): string[] =>
  accepted(facts, kind, name).rules.map(({ priority, action }) => `${priority} ${action}`);

t.test("contradicting policies of one priority alternate, the nearest Deny first, and report it", async (t) => {
  const facts = factStore();
  const allow = { action: "Allow", from: [peer("x")] };
  const deny = { action: "Deny", from: [peer("x")] };
  add(facts, "anp", "a", { priority: 5, ingress: [allow, deny] });
  add(facts, "anp", "b", { priority: 5, ingress: [deny, allow] });
  t.strictSame(texts(facts, "anp", "a"), ["29499 allow-related", "29498 drop"]);
  t.strictSame(texts(facts, "anp", "b"), ["29500 drop", "29497 allow-related"]);
  for (const name of ["a", "b"]) t.match(accepted(facts, "anp", name).problems, [{ reason: "PriorityTie" }]);
  facts.set("adminNetworkPolicies", "b", undefined);
  t.strictSame(texts(facts, "anp", "a"), ["29500 allow-related", "29499 drop"]);
  t.strictSame(accepted(facts, "anp", "a").problems, []);
});

t.test("policies of one priority that do the same, or that are for other pods, keep their priorities", async (t) => {
  const facts = factStore();
  const rules = (action: string) => [{ action, from: [peer("x")] }];
  add(facts, "anp", "a", { priority: 5, ingress: rules("Deny") });
  add(facts, "anp", "b", { priority: 5, ingress: rules("Deny"), egress: [{ action: "Allow", to: [peer("x")] }] });
  t.strictSame(accepted(facts, "anp", "a").problems, []);
  const subject = (name: string) => ({ namespaces: { matchLabels: { "kubernetes.io/metadata.name": name } } });
  add(facts, "anp", "c", { priority: 6, subject: subject("one"), ingress: rules("Deny") });
  add(facts, "anp", "d", { priority: 6, subject: subject("two"), ingress: rules("Allow") });
  t.strictSame(texts(facts, "anp", "c"), ["29400 drop"]);
  t.strictSame(texts(facts, "anp", "d"), ["29400 allow-related"]);
  t.strictSame(accepted(facts, "anp", "d").problems, []);
});

t.test("an AdminNetworkPolicy and a ClusterNetworkPolicy in one place are tied, in the Admin tier only", async (t) => {
  const facts = factStore();
  add(facts, "anp", "a", { priority: 1, ingress: [{ action: "Allow", from: [peer("x")] }] });
  add(facts, "cnp", "b", { priority: 4, ingress: [{ action: "Deny", from: [peer("x")] }] });
  t.strictSame(texts(facts, "anp", "a"), ["29899 allow-related"]);
  t.strictSame(texts(facts, "cnp", "b"), ["29900 drop"]);
  add(facts, "cnp", "b", { tier: "Baseline", priority: 4, ingress: [{ action: "Deny", from: [peer("x")] }] });
  t.strictSame(texts(facts, "anp", "a"), ["29900 allow-related"]);
  add(facts, "banp", "default", { ingress: [{ action: "Allow", from: [peer("x")] }] });
  t.strictSame(texts(facts, "banp", "default"), ["1800 allow-related"]);
});

t.test(
  "no two ACLs of one tier, direction and priority do different things; each policy keeps its own order",
  async () => {
    const rule = fc.constantFrom("Allow", "Deny", "Pass");
    const policy = fc.record({
      kind: fc.constantFrom("anp" as const, "cnp" as const),
      priority: fc.oneof(
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 98, max: 103 }),
        fc.integer({ min: 396, max: 404 }),
      ),
      actions: fc.array(rule, { maxLength: 30 }),
      reverse: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(policy, { maxLength: 8 }), (policies) => {
        const stores = [factStore(), factStore()];
        for (const [turn, facts] of stores.entries()) {
          const numbered = policies.map((one, i) => ({ ...one, name: `p${i}` }));
          for (const { kind, priority, actions, name } of turn === 0 ? numbered : numbered.reverse()) {
            const word = (action: string): string => (kind === "cnp" && action === "Allow" ? "Accept" : action);
            const ingress = actions
              .slice(0, kind === "cnp" ? 25 : 30)
              .map((action) => ({ action: word(action), from: [peer("x")] }));
            add(facts, kind, name, { priority, ingress });
          }
        }
        const [facts, other] = stores as [FactStore, FactStore];
        const seen = new Map<number, string>();
        for (const [i, { kind }] of policies.entries()) {
          const { rules, problems } = accepted(facts, kind, `p${i}`);
          if (JSON.stringify(rules) !== JSON.stringify(accepted(other, kind, `p${i}`).rules)) return false;
          let above = 32_768;
          for (const { priority, action } of rules) {
            if (priority > above || priority < 0) return false;
            above = priority;
            if ((seen.get(priority) ?? action) !== action) return false;
            seen.set(priority, action);
          }
          const fact = facts.get(TABLES[kind], `p${i}`);
          if (problems.length === 0 && fact !== undefined) {
            const own = translateAdminPolicy(fact as never).rules;
            if (JSON.stringify(own) !== JSON.stringify(rules)) return false;
          }
        }
        return true;
      }),
      { numRuns: 300 },
    );
  },
);
