// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { planAnswer } from "./plan.ts";
import { type PlannedPolicy, policiesIn as read } from "./plan-manifest.ts";
import { pageWorld, tenantName } from "./testing/page-world.ts";

const SIZE = { namespaces: 3, podsEach: 2, nodes: 2 };
const OWN = tenantName(1);
const everything = (): boolean => true;

/** The policies of a manifest, read for an account that sees all namespaces if it sees this one. */
function policiesIn(manifest: string, namespace: string, maySee: () => boolean = everything): readonly PlannedPolicy[] {
  return read(manifest, { namespace, maySee, seesCluster: maySee === everything });
}

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
  const policies = read(closed(OWN), { namespace: OWN, maySee, seesCluster: false });
  const answer = planAnswer(pageWorld(SIZE), policies, maySee);
  t.match(answer.totals, { pairs: 2 });
  t.notMatch(JSON.stringify(answer), /tenant-00[02]/);
  t.match(answer.notes, [/API server/, /may not see/]);
  t.ok(answer.changes.some(({ to }) => to === "outside"));
});

t.test("a policy that replaces one as it is changes nothing", async (t) => {
  const facts = pageWorld(SIZE);
  const fact = facts.get("networkPolicies", `${OWN}/own`);
  if (fact === undefined) throw new Error("there is no policy");
  const own = { kind: "networkPolicies", fact, label: "its own" } as const;
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
  const reads =
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
  for (const text of wrong) t.throws(reads(text), { code: "invalid" }, text.slice(0, 200));
  t.throws(
    reads(document, () => false),
    { code: "not-found" },
  );
  const malformed = policiesIn(
    document.replace("podSelector: {}", "podSelector: {}, ingress: [5, [7]]"),
    OWN,
    everything,
  );
  t.throws(() => planAnswer(pageWorld(SIZE), malformed, everything), { code: "invalid", message: /malformed/ });
});

const DENY = `
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: { name: deny-web }
spec:
  priority: 5
  subject: { namespaces: {} }
  ingress: [{ action: Deny, from: [{ namespaces: {} }], ports: [{ portNumber: { protocol: TCP, port: 80 } }] }]
`;

t.test("policies of the cluster are planned as well, by accounts that see all namespaces", async (t) => {
  const { changes, totals } = planAnswer(pageWorld(SIZE), policiesIn(DENY, ""), everything);
  t.match(totals, { gaining: 0, losing: 12 }, "those within a namespace, and towards the pod that no policy isolates");
  t.ok(
    changes.every(
      ({ change, what, because = "" }) => change === "loses" && what === "TCP 80" && /deny-web/.test(because),
    ),
  );
  const baseline = DENY.replace("AdminNetworkPolicy", "BaselineAdminNetworkPolicy")
    .replace("deny-web", "default")
    .replace("  priority: 5\n", "");
  t.match(
    planAnswer(pageWorld(SIZE), policiesIn(baseline, ""), everything).totals,
    { losing: 6 },
    "it yields to policies",
  );
  const cluster = `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: deny-web }
spec:
  tier: Admin
  priority: 5
  subject: { namespaces: {} }
  ingress: [{ action: Deny, from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }]
`;
  t.match(planAnswer(pageWorld(SIZE), policiesIn(cluster, ""), everything).totals, { gaining: 0, losing: 12 });
  const maySee = (namespace: string): boolean => namespace === OWN;
  for (const text of [DENY, baseline, cluster])
    t.throws(() => read(text, { namespace: OWN, maySee, seesCluster: false }), {
      code: "forbidden",
      message: /all namespaces/,
    });
});

t.test("a SecurityGroup is planned, and what it does not enforce is a note", async (t) => {
  const group = (port: number): string => `
apiVersion: kubeovn.io/v1
kind: SecurityGroup
metadata: { name: web }
spec:
  tier: ${port > 65_535 ? 7 : 0}
  ingressRules: [{ ipVersion: ipv4, policy: allow, priority: 1, protocol: tcp, remoteType: address, remoteAddress: 0.0.0.0/0, portRangeMin: ${port}, portRangeMax: ${port} }]
`;
  const facts = pageWorld(SIZE);
  const pod = facts.get("pods", `${OWN}/web-0`);
  if (pod === undefined) throw new Error("there is no pod");
  const annotations = { ...pod.annotations, "ovn.kubernetes.io/security_groups": "web" };
  facts.set("pods", pod.key, { ...pod, annotations });
  t.match(planAnswer(facts, policiesIn(group(80), ""), everything).notes, [/API server/]);
  t.match(planAnswer(pageWorld(SIZE), policiesIn(group(70_000), ""), everything).notes[0], /^SecurityGroup web: spec/);
});

t.test("what is removed gives reach back, and only what exists can be", async (t) => {
  const own = closed(OWN).replace("closed", "own");
  const { totals, changes } = planAnswer(pageWorld(SIZE), policiesIn(own, OWN), everything, "remove");
  t.equal(totals.losing, 0);
  t.ok(totals.gaining > 0);
  t.ok(changes.every(({ change }) => change === "gains"));
  t.throws(() => planAnswer(pageWorld(SIZE), policiesIn(closed(OWN), OWN), everything, "remove"), {
    ...{ code: "not-found", message: `NetworkPolicy ${OWN}/closed does not exist` },
  });
  const named = DENY.replace("deny-web", "deny-telnet");
  t.ok(planAnswer(pageWorld(SIZE), policiesIn(named, ""), everything, "remove").totals.gaining > 0);
  const only =
    "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: { name: deny-telnet }";
  t.ok(planAnswer(pageWorld(SIZE), policiesIn(only, ""), everything, "remove").totals.gaining > 0, "a name is enough");
});
