// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t from "tap";
import { ADMINISTRATOR, pageWorld, tenant, tenantName } from "../../page/testing/page-world.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { PlanProcess } from "./plan-process.ts";

const POLICY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
`;

const OF = { namespace: tenantName(0), manifest: POLICY, verb: "apply" } as const;

const facts = pageWorld({ namespaces: 2, podsEach: 2, nodes: 2 });

t.test(
  "a plan is made by a process of its own, one at a time, and the facts stay as they are",
  { timeout: 60_000 },
  async (t) => {
    const plans = new PlanProcess(facts, SYSTEM_CLOCK, join(import.meta.dirname, "../main.ts"));
    const size = facts.size("networkPolicies");
    const [first, second] = [1, 2].map(() => plans.plan(ADMINISTRATOR, OF));
    await t.rejects(second as Promise<unknown>, { code: "busy" });
    t.match(await first, { totals: { gaining: 0, pairs: 20 }, changes: [{ change: "loses" }] });
    t.equal(facts.size("networkPolicies"), size);
  },
);

t.test(
  "a process that ends without an answer is an error that says so, and the next plan is made",
  { timeout: 60_000 },
  async (t) => {
    const plans = new PlanProcess(facts, SYSTEM_CLOCK, join(import.meta.dirname, "no-such-program.ts"));
    for (let i = 0; i < 2; i++)
      await t.rejects(plans.plan(ADMINISTRATOR, OF), {
        code: "unavailable",
        message: /was not made/,
      });
  },
);

t.test("a manifest is parsed by that process, which refuses it with the reason", { timeout: 60_000 }, async (t) => {
  const plans = new PlanProcess(facts, SYSTEM_CLOCK, join(import.meta.dirname, "../main.ts"));
  await t.rejects(plans.plan(ADMINISTRATOR, { ...OF, manifest: "kind: Pod" }), { code: "invalid", message: /^line 1/ });
  const one = tenant(tenantName(1));
  await t.rejects(plans.plan(one, OF), { code: "not-found" });
});
