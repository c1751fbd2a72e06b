// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { NetworkPolicyFact } from "../facts/network-policy.ts";
import { planAnswer, policiesIn } from "./plan.ts";
import { pageWorld, tenantName } from "./testing/page-world.ts";

const SIZE = { namespaces: 3, podsEach: 2, nodes: 2 };
const OWN = tenantName(1);
const everything = (): boolean => true;

function closed(namespace: string): string {
  return `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: ${namespace} }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
`;
}

t.test("a policy that isolates takes reach away, and it is said from whom", async (t) => {
  const { changes, totals, notes } = planAnswer(pageWorld(SIZE), policiesIn(closed(OWN), OWN, everything), everything);
  t.match(totals, { gaining: 0, pairs: 42 });
  t.ok(totals.losing > 0);
  t.ok(changes.every(({ change }) => change === "loses"));
  t.ok(changes.some(({ from, because }) => from.includes(OWN) && because?.includes("closed")));
  t.equal(notes.length, 1);
});

t.test("a tenant is told of pairs of their own pods, and of the outside", async (t) => {
  const maySee = (namespace: string): boolean => namespace === OWN;
  const answer = planAnswer(pageWorld(SIZE), policiesIn(closed(OWN), OWN, maySee), maySee);
  t.match(answer.totals, { pairs: 2 });
  t.notMatch(JSON.stringify(answer), /tenant-00[02]/);
  t.match(answer.notes, [/API server/, /may not see/]);
  t.ok(answer.changes.some(({ to }) => to === "outside"));
});

t.test("a policy that replaces one as it is changes nothing", async (t) => {
  const facts = pageWorld(SIZE);
  const own = facts.get("networkPolicies", `${OWN}/own`) as NetworkPolicyFact;
  t.match(planAnswer(facts, [own], everything), { changes: [], more: 0, totals: { gaining: 0, losing: 0 } });
});

t.test("a part that is not enforced as written is a note", async (t) => {
  const policy = closed(OWN).replace(
    "podSelector: {}",
    "podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: x } }] }]",
  );
  t.match(
    planAnswer(pageWorld(SIZE), policiesIn(policy, OWN, everything), everything).notes[0],
    /spec\.ingress\[0\].*cidr/,
  );
});

t.test("a manifest that is none, of another kind, or of a namespace that is hidden is refused", async (t) => {
  const read =
    (text: string, maySee = everything) =>
    () =>
      policiesIn(text, OWN, maySee);
  const document = closed(OWN);
  const wrong = [
    ...["", "a: [", "5", "[]", "kind: Pod", "&a [*a, *a]", document.replace("NetworkPolicy", "Pod")],
    ...[
      document.replace("name: closed", "x: y"),
      document.replace("closed", "Not_A_Name"),
      document.replace(OWN, "../x"),
    ],
    ...[document.replace("policyTypes: [Ingress, Egress]", "ingress: 5"), document.replace(/spec: .*/, "spec: 5")],
    `${document}---\n`.repeat(51),
    "---\n".repeat(60_000),
  ];
  for (const text of wrong) t.throws(read(text), { code: "invalid" }, text.slice(0, 200));
  t.throws(
    read(document, () => false),
    { code: "not-found" },
  );
  const malformed = policiesIn(
    document.replace("podSelector: {}", "podSelector: {}, ingress: [5, [7]]"),
    OWN,
    everything,
  );
  t.throws(() => planAnswer(pageWorld(SIZE), malformed, everything), { code: "invalid", message: /malformed/ });
});
