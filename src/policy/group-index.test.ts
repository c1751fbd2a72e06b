// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import type { LabelSelector } from "../api/label-selector.ts";
import { Failures } from "../desired/failures.ts";
import type { ClusterFact } from "../facts/cluster.ts";
import type { NetworkPolicySpec } from "../facts/network-policy.ts";
import { profileKey } from "../facts/policy-group.ts";
import { projectAdminPolicy } from "../facts/project-admin-policy.ts";
import { projectNamespace, projectPod } from "../facts/project-core.ts";
import { projectIp } from "../facts/project-ip.ts";
import { projectNetworkPolicy } from "../facts/project-policy.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import type { FactStore } from "../facts/store.ts";
import { factStore } from "../kinds/store.ts";
import { compiledPolicyKey } from "./compiled-policy.ts";
import { groupText } from "./group.ts";
import { GroupIndex } from "./group-index.ts";

const CLUSTER: ClusterFact = {
  key: "cluster",
  router: "main",
  defaultSubnet: "main",
  joinSubnet: "join",
  serviceCidr: {},
  nodeRanges: [],
  nodePorts: { first: 30_000, last: 32_767 },
};

type Labels = Readonly<Record<string, string>>;

function derived(): FactStore {
  const facts = factStore();
  const index = new GroupIndex(facts);
  index.start();
  facts.derive((change) => index.noteFact(change));
  return facts;
}

function namespace(facts: FactStore, name: string, labels: Labels = {}): void {
  facts.set("namespaces", name, projectNamespace({ metadata: { name, uid: name, labels } }));
}

function pod(facts: FactStore, key: string, labels: Labels, ports: Readonly<Record<string, number>> = {}): void {
  const [space = "", name = ""] = key.split("/");
  const containers = [{ ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort })) }];
  facts.set("pods", key, projectPod({ metadata: { name, namespace: space, uid: key, labels }, spec: { containers } }));
}

/** Sets or deletes an address of a pod in a subnet of the VPC with that name. */
function address(facts: FactStore, key: string, vpc: string, given = true): void {
  const [namespace = "", podName = ""] = key.split("/");
  const name = `${podName}.${namespace}.${vpc}`;
  const spec = { podName, namespace, subnet: vpc, v4IpAddress: "10.80.0.2", v6IpAddress: "", macAddress: "" };
  facts.set("ips", name, given ? projectIp({ metadata: { name, uid: name }, spec }) : undefined);
}

/** A subnet with a name, in a VPC. */
function subnet(facts: FactStore, name: string, vpc: string): void {
  facts.set("subnets", name, projectSubnet({ metadata: { name, uid: name, generation: 1 }, spec: { vpc } }));
}

function policy(facts: FactStore, key: string, spec: NetworkPolicySpec): void {
  const [space = "", name = ""] = key.split("/");
  facts.set("networkPolicies", key, projectNetworkPolicy({ metadata: { name, namespace: space, uid: key }, spec }));
}

function adminPolicy(facts: FactStore, name: string, team: string, actions: readonly string[]): void {
  const subject = { namespaces: { matchLabels: { team } } };
  const ingress = actions.map((action) => ({ action, from: [{ namespaces: {} }] }));
  const object = { metadata: { name, uid: name }, spec: { priority: 7, subject, ingress } };
  facts.set("adminNetworkPolicies", name, projectAdminPolicy("anp", object));
}

/** The groups of a pod, as text. */
function groupsOf(facts: FactStore, key: string, vpc?: string): string[] | undefined {
  const names = facts.get("profiles", profileKey(facts.get("pods", key)?.profile ?? "", vpc))?.groups;
  return names?.map((name) => groupText(facts.get("groups", name)?.group ?? { kind: "domain", domain: "?" })).sort();
}

t.test("a pod is in the groups that select it, from the moment that it is known", async (t) => {
  const facts = derived();
  namespace(facts, "a", { team: "x" });
  policy(facts, "a/p", {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "x" } } }] }],
  });
  pod(facts, "a/web", { app: "web" });
  pod(facts, "a/db", { app: "db" });
  t.strictSame(groupsOf(facts, "a/web"), ["all pods in namespaces with team=x", "pods with app=web in namespace a"]);
  t.strictSame(groupsOf(facts, "a/db"), ["all pods in namespaces with team=x"]);
  namespace(facts, "a", { team: "y" });
  t.strictSame(groupsOf(facts, "a/db"), [], "labels of its namespace changed");
  pod(facts, "a/db", { app: "web" });
  t.strictSame(groupsOf(facts, "a/db"), ["pods with app=web in namespace a"], "its own labels changed");
});

t.test("a pod whose namespace is unknown has unknown groups and gets no port", async (t) => {
  const facts = derived();
  pod(facts, "a/web", {});
  t.equal(groupsOf(facts, "a/web"), undefined);
  namespace(facts, "a");
  t.strictSame(groupsOf(facts, "a/web"), []);
});

t.test("selectors that mean the same are one group, which lives as long as its last user", async (t) => {
  const facts = derived();
  namespace(facts, "a");
  policy(facts, "a/p", { podSelector: { matchLabels: { app: "web", tier: "1" } } });
  policy(facts, "a/q", {
    podSelector: {
      matchExpressions: [
        { key: "tier", operator: "In", values: ["1"] },
        { key: "app", operator: "In", values: ["web"] },
      ],
    },
    ingress: [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "a" } },
            podSelector: { matchLabels: { tier: "1", app: "web" } },
          },
        ],
      },
    ],
  });
  t.equal(facts.size("groups"), 1);
  facts.set("networkPolicies", "a/p", undefined);
  t.equal(facts.size("groups"), 1);
  facts.set("networkPolicies", "a/q", undefined);
  t.equal(facts.size("groups"), 0);
  t.equal(facts.size("policyUse"), 0);
});

t.test("pods with equal labels are evaluated once, however many there are", async (t) => {
  const facts = derived();
  namespace(facts, "a");
  for (let i = 0; i < 100; i++) pod(facts, `a/web-${i}`, { app: "web" });
  let changes = 0;
  facts.subscribe(({ kind }) => {
    if (kind === "profiles") changes++;
  });
  policy(facts, "a/p", { podSelector: { matchLabels: { app: "web" } } });
  t.equal(changes, 1);
  t.equal(facts.size("profiles"), 1);
});

t.test("a named port is a group for each number that pods of the namespace mean by it", async (t) => {
  const facts = derived();
  namespace(facts, "a");
  namespace(facts, "b");
  policy(facts, "a/p", { podSelector: {}, ingress: [{ ports: [{ port: "http" }] }] });
  t.equal(facts.size("groups"), 1, "only the subject: no pod has such a port");
  pod(facts, "a/x", {}, { http: 80 });
  pod(facts, "a/y", {}, { http: 8080 });
  pod(facts, "b/z", {}, { http: 9090 });
  t.strictSame(groupsOf(facts, "a/x"), [
    "all pods in namespace a",
    "all pods in namespace a whose port http is 80/TCP",
  ]);
  t.equal(facts.size("groups"), 3);
  facts.set("pods", "a/y", undefined);
  t.equal(facts.size("groups"), 2);
});

t.test("a port in a custom VPC is in groups of that VPC, which are there while it is", async (t) => {
  const facts = derived();
  for (const vpc of ["red", "black"]) subnet(facts, vpc, vpc);
  namespace(facts, "a");
  policy(facts, "a/p", {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [{ from: [{ podSelector: {} }] }],
  });
  const plain = facts.all("groups");
  const compiled = facts.all("compiledPolicies");
  pod(facts, "a/db", { app: "db" });
  address(facts, "a/db", "red");
  t.strictSame(groupsOf(facts, "a/db", "red"), [], "no subject is in red");
  t.strictSame([facts.all("groups"), facts.all("compiledPolicies")], [plain, compiled]);
  pod(facts, "a/web", { app: "web" });
  address(facts, "a/web", "red");
  t.strictSame(groupsOf(facts, "a/db", "red"), ["all pods in namespace a, in VPC red"]);
  const own = ["all pods in namespace a, in VPC red", "pods with app=web in namespace a, in VPC red"];
  t.strictSame(groupsOf(facts, "a/web", "red"), own);
  t.equal(groupsOf(facts, "a/web", "black"), undefined, "it gets no port there");
  address(facts, "a/web", "black");
  t.strictSame(groupsOf(facts, "a/web", "black")?.length, 2);
  address(facts, "a/web", "red", false);
  t.strictSame(groupsOf(facts, "a/db", "red"), []);
  subnet(facts, "black", "red");
  t.strictSame(groupsOf(facts, "a/web", "red"), own, "its subnet is in another VPC now");
  t.equal(groupsOf(facts, "a/web", "black"), undefined);
  facts.set("pods", "a/web", undefined);
  t.strictSame([facts.all("groups"), facts.all("compiledPolicies")], [plain, compiled]);
});

t.test("a pod compiles no policy unless it is the first or last subject in its VPC", async (t) => {
  const facts = derived();
  for (const vpc of ["red", "black"]) subnet(facts, vpc, vpc);
  namespace(facts, "a");
  policy(facts, "a/p", { podSelector: { matchLabels: { app: "web" } }, ingress: [{ from: [{ podSelector: {} }] }] });
  let compiled = 0;
  facts.subscribe(({ kind }) => {
    if (kind === "compiledPolicies") compiled++;
  });
  const compiles = (act: () => void): number => {
    compiled = 0;
    act();
    return compiled;
  };
  const put = (name: string, app: string, vpc: string): void => {
    pod(facts, `a/${name}`, { app, name });
    address(facts, `a/${name}`, vpc);
  };
  const counts = [
    compiles(() => put("w1", "web", "red")),
    compiles(() => put("w2", "web", "red")),
    compiles(() => put("d1", "db", "red")),
    compiles(() => put("d2", "db", "black")),
    compiles(() => put("w3", "web", "black")),
    compiles(() => facts.set("pods", "a/w1", undefined)),
    compiles(() => facts.set("pods", "a/w2", undefined)),
  ];
  t.strictSame(counts, [1, 0, 0, 0, 1, 0, 1]);
});

t.test(
  "policies with the same priority are compiled again when one of them is added, changed or deleted",
  async (t) => {
    const facts = derived();
    const reasons = (name: string): string[] | undefined =>
      facts
        .get("compiledPolicies", compiledPolicyKey("adminNetworkPolicies", name))
        ?.problems.map(({ reason }) => reason);
    adminPolicy(facts, "one", "x", ["Deny"]);
    t.strictSame(reasons("one"), []);
    adminPolicy(facts, "two", "x", ["Allow"]);
    t.strictSame([reasons("one"), reasons("two")], [["PriorityTie"], ["PriorityTie"]]);
    adminPolicy(facts, "two", "y", ["Allow"]);
    t.strictSame([reasons("one"), reasons("two")], [[], []], "their subjects exclude each other");
    facts.set("adminNetworkPolicies", "one", undefined);
    t.equal(reasons("one"), undefined);
  },
);

const labels = fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom("a", "b"), { maxKeys: 2 });
const requirement = fc.record({
  key: fc.constantFrom("app", "tier"),
  operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist"),
  values: fc.uniqueArray(fc.constantFrom("a", "b"), { minLength: 1 }),
});
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(requirement, { maxLength: 2 }) },
  { requiredKeys: [] },
);
const peer = fc.record({ podSelector: selector, namespaceSelector: selector }, { requiredKeys: ["podSelector"] });
const spec: fc.Arbitrary<NetworkPolicySpec> = fc.record({
  podSelector: selector,
  ingress: fc.array(
    fc.record({ from: fc.array(peer, { maxLength: 2 }), ports: fc.constantFrom([], [{ port: "http" }]) }),
    {
      maxLength: 2,
    },
  ),
  egress: fc.array(
    fc.record({ to: fc.array(peer, { maxLength: 2 }), ports: fc.constantFrom([], [{ port: "http" }]) }),
    {
      maxLength: 1,
    },
  ),
});
const space = fc.constantFrom("a", "b");
const nth = fc.constantFrom("0", "1", "2");
const vpc = fc.constantFrom("red", "black");
const step = fc.oneof(
  fc.record({ do: fc.constant("pod" as const), space, nth, labels, http: fc.constantFrom(0, 80, 8080) }),
  fc.record({ do: fc.constant("policy" as const), space, nth, spec }),
  fc.record({ do: fc.constant("namespace" as const), space, labels }),
  fc.record({ do: fc.constantFrom("drop pod" as const, "drop policy" as const), space, nth }),
  fc.record({ do: fc.constant("drop namespace" as const), space }),
  fc.record({
    do: fc.constant("admin policy" as const),
    nth,
    team: fc.constantFrom("x", "y"),
    actions: fc.array(fc.constantFrom("Allow", "Deny", "Pass"), { maxLength: 2 }),
  }),
  fc.record({ do: fc.constant("drop admin policy" as const), nth }),
  fc.record({ do: fc.constant("address" as const), space, nth, vpc, given: fc.constantFrom(true, true, false) }),
  fc.record({ do: fc.constant("subnet" as const), name: vpc, vpc: fc.constantFrom("red", "black", "main") }),
  fc.record({ do: fc.constant("peers" as const), vpc, peers: fc.subarray(["main", "red", "black"]) }),
);

const SOURCES = [
  "cluster",
  "networkPolicies",
  "adminNetworkPolicies",
  "pods",
  "namespaces",
  "ips",
  "subnets",
  "vpcPeers",
] as const;
const DERIVED = ["compiledPolicies", "profiles", "groups", "groupVpcs", "portNumbers", "policyUse"] as const;

t.test("facts derived step by step equal those derived from the final state", async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const facts = derived();
      facts.set("cluster", "cluster", CLUSTER);
      for (const one of steps) {
        if (one.do === "namespace") namespace(facts, one.space, one.labels);
        else if (one.do === "drop namespace") facts.set("namespaces", one.space, undefined);
        else if (one.do === "pod")
          pod(facts, `${one.space}/${one.nth}`, one.labels, one.http > 0 ? { http: one.http } : {});
        else if (one.do === "admin policy") adminPolicy(facts, one.nth, one.team, one.actions);
        else if (one.do === "drop admin policy") facts.set("adminNetworkPolicies", one.nth, undefined);
        else if (one.do === "address") address(facts, `${one.space}/${one.nth}`, one.vpc, one.given);
        else if (one.do === "subnet") subnet(facts, one.name, one.vpc);
        else if (one.do === "peers") facts.set("vpcPeers", one.vpc, { key: one.vpc, vpcs: one.peers });
        else if (one.do === "policy") policy(facts, `${one.space}/${one.nth}`, one.spec);
        else facts.set(one.do === "drop pod" ? "pods" : "networkPolicies", `${one.space}/${one.nth}`, undefined);
      }
      const fresh = factStore();
      for (const kind of SOURCES) {
        for (const fact of facts.all(kind)) fresh.set(kind, fact.key, fact);
      }
      new GroupIndex(fresh).start();
      for (const kind of DERIVED) {
        t.strictSame(facts.all(kind), fresh.all(kind));
      }
    }),
    { numRuns: 300 },
  );
});

t.test(
  "a policy that could not be read before the start counts as a policy, as one does that cannot be read later",
  async (t) => {
    const facts = factStore(new Failures(undefined, () => {}));
    facts.setUnread("adminNetworkPolicies", "odd", true);
    new GroupIndex(facts).start();
    t.same(facts.get("policyUse", "cluster"), { key: "cluster", any: true }, "nodes keep their rules");
    t.ok(facts.isUnread("compiledPolicies", compiledPolicyKey("adminNetworkPolicies", "odd")));
  },
);
