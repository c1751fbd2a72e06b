// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addIp, addNetworkPolicy, addPod } from "../compile/testing/sample-facts.ts";
import { projectNamespace } from "../facts/project-core.ts";
import { podEndpoint } from "../reachability/endpoint.ts";
import { explain } from "../reachability/explain.ts";
import { Network } from "../reachability/network.ts";
import { addressMap } from "./addresses.ts";
import { findObjects } from "./find.ts";
import { nodeDetail, nodesPage } from "./nodes.ts";
import { overview } from "./overview.ts";
import { podDetail, podsPage } from "./pods.ts";
import { policiesPage, policyDetail } from "./policies.ts";
import { reach } from "./reach.ts";
import { networkOf } from "./reach-network.ts";
import { subnetDetail } from "./subnets.ts";
import { ADMINISTRATOR, addTenantPod, pageSource, pageWorld, tenant, tenantName } from "./testing/page-world.ts";
import { topology } from "./topology.ts";
import { vpcDetail } from "./vpcs.ts";

const SIZE = { namespaces: 3, podsEach: 4, nodes: 3 };
const facts = pageWorld(SIZE);
const source = pageSource(facts);
const none = (): readonly [] => [];

t.test("the overview counts what there is, and lists first what needs a hand", async (t) => {
  const world = pageWorld(SIZE);
  addPod(world, "waiting", { node: "weft-1" });
  const node = world.get("nodes", "weft-2");
  if (node !== undefined) world.set("nodes", "weft-2", { ...node, ready: false });
  const { counts, problems, fullest } = overview(
    { ...pageSource(world), leader: { problem: "no controller leads" } },
    ADMINISTRATOR,
  );
  t.match(counts, {
    namespaces: 4,
    pods: 14,
    podsWaiting: 1,
    policies: 4,
    services: 3,
    nodes: 3,
    nodesReady: 2,
    vpcs: 2,
  });
  t.match(problems, [
    { reason: "NoLeader", message: "no controller leads" },
    { about: { kind: "Node", name: "weft-2" }, reason: "NotReady" },
    { about: { kind: "Pod", namespace: "default", name: "waiting" }, reason: "NoAddress" },
  ]);
  t.equal(fullest.length, 3);
});

t.test("a warning in an Event of a pod takes the place of the problem that its facts show", async (t) => {
  const world = pageWorld(SIZE);
  addPod(world, "waiting", { node: "weft-1" });
  const about = { kind: "Pod", namespace: "default", name: "waiting" };
  const warning = {
    severity: "warning",
    about,
    source: "event",
    reason: "AcquireAddressFailed",
    message: "full",
  } as const;
  const { problems } = overview({ ...pageSource(world), warnings: [warning] }, ADMINISTRATOR);
  t.strictSame(problems, [warning]);
});

t.test("what is gone needs no hand: Events of objects that do not exist any more are left out", async (t) => {
  const world = pageWorld(SIZE);
  const warning = (kind: string, name: string, namespace?: string) => {
    const about = { kind, name, ...(namespace !== undefined && { namespace }) };
    return { severity: "warning", about, source: "event", reason: "InUse", message: "text" } as const;
  };
  const kept = [warning("Node", "weft-1"), warning("Deployment", "unknown", "default")];
  const gone = [warning("Subnet", "gone"), warning("Pod", "gone", "default"), warning("ProviderNetwork", "gone")];
  const { problems } = overview({ ...pageSource(world), warnings: [...gone, ...kept] }, ADMINISTRATOR);
  t.strictSame(
    problems.filter(({ source }) => source === "event"),
    kept,
  );
});

t.test("the mesh probes have a row where probers are installed, for those who see nodes", async (t) => {
  const world = pageWorld(SIZE);
  const failing = (name: string, reason: string) =>
    ({ severity: "warning", about: { kind: "Node", name }, source: "event", reason, message: "text" }) as const;
  const parts = [{ kind: "DaemonSet", name: "kube-ovn-pinger", wanted: 3, ready: 3 }] as const;
  const source = { ...pageSource(world), parts };
  t.equal(overview(pageSource(world), ADMINISTRATOR).probes, undefined, "not installed");
  t.strictSame(overview(source, ADMINISTRATOR).probes, { failingNodes: 0 });
  const warnings = [
    failing("weft-1", "ProbePodsFailed"),
    failing("weft-1", "ProbeDnsFailed"),
    failing("weft-2", "Other"),
  ];
  t.strictSame(overview({ ...source, warnings }, ADMINISTRATOR).probes, { failingNodes: 1 });
  t.strictSame(overview({ ...source, warnings, eventsProblem: "no" }, ADMINISTRATOR).probes, {});
  const tenant = { ...ADMINISTRATOR, sees: { ...ADMINISTRATOR.sees, nodes: false } };
  t.equal(overview({ ...source, warnings }, tenant).probes, undefined);
});

t.test("a graph has the VPCs, subnets and nodes, and no edge without both its ends", async (t) => {
  const { nodes, edges, more } = topology(facts, ADMINISTRATOR, none);
  t.strictSame(
    nodes.map(({ id }) => id),
    [
      ...["vpc/ovn-cluster", "vpc/vpc-a", "subnet/join", "subnet/ovn-default", "subnet/subnet-a"],
      ...["node/weft-1", "node/weft-2", "node/weft-3"],
    ],
  );
  const ids = new Set(nodes.map(({ id }) => id));
  t.ok(edges.every(({ from, to }) => ids.has(from) && ids.has(to)));
  t.has(edges, [{ from: "subnet/join", to: "vpc/ovn-cluster", kind: "member" }]);
  t.equal(more, 0);
});

t.test("a subnet's addresses are counted once, and the rest is free", async (t) => {
  const { fill } = subnetDetail(facts, ADMINISTRATOR, "ovn-default", none, []);
  // 12 pods of tenants, and `a`; network, broadcast and gateway are excluded.
  t.match(fill, [
    {
      family: "IPv4",
      cidr: "10.16.0.0/16",
      gateway: "10.16.0.1",
      used: 13,
      own: 13,
      free: 65_536 - 3 - 13,
      excluded: 3,
    },
    { family: "IPv6", used: 13 },
  ]);
});

t.test("a map of a subnet divides it into cells, down to single addresses", async (t) => {
  const whole = addressMap(facts, ADMINISTRATOR, { subnet: "ovn-default" });
  t.match(whole, { prefix: "10.16.0.0/16", bits: 24, cells: 256, cellSize: 256 });
  t.strictSame(whole.filled, [
    { index: 0, prefix: "10.16.0.0/24", used: 1, reserved: 0, excluded: 2 },
    { index: 1, prefix: "10.16.1.0/24", used: 12, reserved: 0, excluded: 0 },
    { index: 255, prefix: "10.16.255.0/24", used: 0, reserved: 0, excluded: 1 },
  ]);
  const leaf = addressMap(facts, ADMINISTRATOR, { subnet: "ovn-default", prefix: "10.16.0.0/24", bits: 32 });
  t.match(leaf.addresses, [
    { address: "10.16.0.0", state: "excluded" },
    { address: "10.16.0.1", state: "gateway" },
    { address: "10.16.0.2", state: "used", holder: { kind: "Pod", namespace: "default", name: "a" }, node: "weft-1" },
  ]);
  const six = addressMap(facts, ADMINISTRATOR, { subnet: "ovn-default", prefix: "fd00:10:16::/112", bits: 120 });
  t.match(six, { family: "IPv6", cells: 256, cellSize: 256 });
});

t.test("an address whose pod is gone is held for it", async (t) => {
  const world = pageWorld(SIZE);
  world.set("pods", "default/a", undefined);
  const { filled } = addressMap(world, ADMINISTRATOR, { subnet: "ovn-default", prefix: "10.16.0.0/24", bits: 32 });
  t.match(filled[2], { prefix: "10.16.0.2", used: 0, reserved: 1 });
});

t.test("a part of a map that the subnet does not have, or that is divided too finely, is refused", async (t) => {
  const ask = (prefix: string, bits?: number) => () =>
    addressMap(facts, ADMINISTRATOR, { subnet: "ovn-default", prefix, ...(bits !== undefined && { bits }) });
  for (const wrong of ["10.17.0.0/24", "10.0.0.0/8", "x", "", "10.16.0.0/33"])
    t.throws(ask(wrong), { code: "invalid" }, wrong);
  for (const wrong of [15, 27, 33, -1, Number.NaN])
    t.throws(ask("10.16.0.0/16", wrong), { code: "invalid" }, String(wrong));
  t.throws(() => addressMap(facts, ADMINISTRATOR, { subnet: "none" }), { code: "not-found" });
});

t.test("a list of pods is read page by page, although it changes meanwhile", async (t) => {
  const world = pageWorld(SIZE);
  const names: string[] = [];
  let after: string | undefined;
  do {
    const page = podsPage(world, ADMINISTRATOR, { limit: 3, ...(after !== undefined && { continue: after }) });
    names.push(...page.items.map(({ namespace, name }) => `${namespace}/${name}`));
    after = page.continue;
    world.set("pods", names[0] ?? "", undefined);
  } while (after !== undefined);
  t.equal(names.length, 13);
  t.strictSame(names, [...new Set(names)].sort());
  for (const limit of [0, 501, 1.5, Number.NaN])
    t.throws(() => podsPage(world, ADMINISTRATOR, { limit }), { code: "invalid" });
});

t.test("pods are found by namespace, node, subnet, part of a name, or of an address", async (t) => {
  const count = (question: object): number => podsPage(facts, ADMINISTRATOR, question).total;
  t.equal(count({ namespace: tenantName(1) }), 4);
  t.equal(count({ namespace: "none" }), 0);
  t.equal(count({ node: "weft-2" }), 4);
  t.equal(count({ subnet: "ovn-default" }), 13);
  t.equal(count({ query: "WEB-3" }), 3);
  t.equal(count({ query: "10.16.1.1" }), 3, "10.16.1.1, 10.16.1.10 and 10.16.1.11");
});

t.test("a pod has its addresses, policies, groups and Services", async (t) => {
  const detail = podDetail(facts, ADMINISTRATOR, source.book, { namespace: tenantName(0), name: "web-1" }, []);
  t.match(detail, {
    addresses: ["10.16.1.1", "fd00:10:16::101"],
    ...{ subnet: "ovn-default", vpc: "ovn-cluster", node: "weft-2", state: "up" },
    interfaces: [{ provider: "ovn", port: "web-1.tenant-000", up: true }],
    services: [{ kind: "Service", namespace: tenantName(0), name: "web" }],
    ports: [{ name: "http", number: 80 }],
    problems: [],
  });
  t.strictSame(
    detail.policies.map(({ direction, policy }) => `${direction} ${policy.kind} ${policy.name}`),
    ["ingress AdminNetworkPolicy deny-telnet", "ingress NetworkPolicy own"],
  );
  t.ok(detail.groups.includes(`all pods in namespace ${tenantName(0)}`));
  const missing = () => podDetail(facts, ADMINISTRATOR, source.book, { namespace: "default", name: "gone" }, []);
  t.throws(missing, { code: "not-found", message: /no pod default\/gone/ });
});

t.test("policies have their rules in words, their members, and a manifest that says the same", async (t) => {
  t.equal(policiesPage(source, ADMINISTRATOR, {}).total, 4);
  t.match(policiesPage(source, ADMINISTRATOR, { namespace: tenantName(2) }).items, [
    { kind: "NetworkPolicy", namespace: tenantName(2), name: "own", pods: 4, ingressRules: 1, isolates: ["ingress"] },
  ]);
  const own = policyDetail(source, ADMINISTRATOR, { kind: "NetworkPolicy", namespace: tenantName(2), name: "own" }, []);
  t.match(own.rules, [{ path: "spec.ingress[0]", action: "allow", text: /TCP 80 from all pods in namespace/ }]);
  t.match(own.manifest, /kind: NetworkPolicy/);
  t.equal(own.members.length, 4);
  const all = policyDetail(source, ADMINISTRATOR, { kind: "AdminNetworkPolicy", name: "deny-telnet" }, []);
  t.match(all, { priority: 10, pods: 13, rules: [{ action: "deny" }] });
  const missing = { kind: "NetworkPolicy", namespace: "default", name: "none" } as const;
  t.throws(() => policyDetail(source, ADMINISTRATOR, missing, []), { code: "not-found" });
});

t.test("nodes and VPCs have their own", async (t) => {
  t.match(nodesPage(facts, ADMINISTRATOR, {}).items, [
    { name: "weft-1", chassis: "chassis-1", join: ["100.64.0.2", "fd00:100:64::2"] },
    {},
    {},
  ]);
  t.match(nodeDetail(facts, ADMINISTRATOR, "weft-1", []), { name: "weft-1", problems: [] });
  t.throws(() => nodeDetail(facts, ADMINISTRATOR, "none", []), { code: "not-found" });
  t.match(vpcDetail(facts, ADMINISTRATOR, "vpc-a", none, []), { isDefault: false, subnets: [{ name: "subnet-a" }] });
  t.throws(() => vpcDetail(facts, ADMINISTRATOR, "none", none, []), { code: "not-found" });
});

t.test("a name in several namespaces is found in each, an address at its holder and in its subnet", async (t) => {
  const names = findObjects(facts, ADMINISTRATOR, "web-0").hits;
  t.strictSame(
    names.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`),
    [0, 1, 2].map((n) => `Pod ${tenantName(n)}/web-0`),
  );
  t.match(findObjects(facts, ADMINISTRATOR, "10.16.1.1").hits, [
    { kind: "Pod", namespace: tenantName(0), name: "web-1", by: "address" },
    { kind: "Subnet", name: "ovn-default", by: "contains-address" },
  ]);
  t.strictSame(
    findObjects(facts, ADMINISTRATOR, "192.0.2.1"),
    { hits: [], more: false },
    "an address that no object has",
  );
  t.strictSame(findObjects(facts, ADMINISTRATOR, '<img src="x">').hits, []);
  for (const wrong of ["", "  ", "x".repeat(321)])
    t.throws(() => findObjects(facts, ADMINISTRATOR, wrong), { code: "invalid" });
});

t.test("at most fifty are found, and it is said that there are more", async (t) => {
  const { hits, more } = findObjects(pageWorld({ namespaces: 30, podsEach: 2, nodes: 1 }), ADMINISTRATOR, "web");
  t.equal(hits.length, 50);
  t.ok(more);
});

t.test("whether two pods reach each other has its steps and what decides", async (t) => {
  const own = { from: `${tenantName(0)}/web-0`, to: `${tenantName(0)}/web-1` };
  const open = reach(source, ADMINISTRATOR, { ...own, protocol: "tcp", port: "http" });
  t.match(open, {
    verdict: "allowed",
    port: "TCP 80",
    paths: [{ family: "IPv4", verdict: "delivered" }, { family: "IPv6" }],
  });
  t.ok(open.paths[0]?.decisions.some(({ what, because }) => what === "ingress" && because.includes("NetworkPolicy")));
  const closed = reach(source, ADMINISTRATOR, { ...own, protocol: "tcp", port: "81" });
  t.match(closed, { verdict: "denied", paths: [{ verdict: "dropped", remedy: /rule/ }, {}] });
  const telnet = reach(source, ADMINISTRATOR, { ...own, port: "23" });
  t.match(telnet.paths[0]?.droppedBy, /AdminNetworkPolicy deny-telnet/);
  const service = reach(source, ADMINISTRATOR, { from: own.from, to: "10.96.0.0", port: "80" });
  t.equal(service.paths.length, 4);
  t.match(service, { verdict: "allowed", to: `service ${tenantName(0)}/web` });
  t.match(reach(source, ADMINISTRATOR, { from: own.from, to: "192.0.2.1" }), {
    verdict: "allowed",
    paths: [{ verdict: "leaves" }],
  });
});

t.test("a question about reach that makes no sense is refused with what would be accepted", async (t) => {
  const from = `${tenantName(0)}/web-0`;
  const ask = (question: object) => () => reach(source, ADMINISTRATOR, { from, to: from, ...question });
  t.throws(ask({ from: "web" }), { code: "invalid", message: /NAMESPACE\/POD/ });
  t.throws(ask({ from: "a/b/c" }), { code: "invalid" });
  t.throws(ask({ to: "a" }), { code: "invalid" });
  t.throws(ask({ to: "default/gone" }), { code: "not-found" });
  t.throws(ask({ to: "svc/default/gone" }), { code: "not-found" });
  t.throws(ask({ port: "70000" }), { code: "invalid" });
  t.throws(ask({ protocol: "x".repeat(200) }), { code: "invalid" });
  const world = pageWorld(SIZE);
  addPod(world, "waiting", { node: "weft-1" });
  t.throws(() => reach(pageSource(world), ADMINISTRATOR, { from, to: "default/waiting" }), { code: "invalid" });
});

t.test("a network of two pods' ports answers for them as the whole network does", async (t) => {
  const world = pageWorld({ namespaces: 4, podsEach: 3, nodes: 2 });
  addNetworkPolicy(world, "from-some", {
    podSelector: {},
    ingress: [{ from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": tenantName(2) } } }] }],
    egress: [{ to: [{ ipBlock: { cidr: "10.16.1.0/28" } }] }],
  });
  addTenantPod(world, {
    namespace: tenantName(0),
    name: "in-vpc",
    node: "weft-1",
    v4: "10.200.0.9",
    v6: "",
    subnet: "subnet-a",
  });
  addIp(world, "b.default", {
    podName: "b",
    namespace: "default",
    nodeName: "weft-2",
    subnet: "ovn-default",
    v4: "10.16.9.9",
    v6: "fd00:10:16::999",
  });
  addPod(world, "b", { node: "weft-2", labels: { app: "web" } });
  const { compiled, book } = pageSource(world);
  const whole = new Network(
    world,
    [...compiled.units()].flatMap((unit) => compiled.fragment(unit) ?? []),
  );
  const pods = world.all("pods");
  t.ok(pods.length > 10);
  for (const a of pods) {
    for (const b of pods) {
      const part = networkOf(world, compiled, { holders: [a.holder, b.holder], addresses: [] });
      const answers = [whole, part].map((network) => {
        const [from, to] = [podEndpoint(network, a.namespace, a.name), podEndpoint(network, b.namespace, b.name)];
        return [80, 23].map((port) => explain(network, book, { from, to, port: { protocol: "TCP", port } }));
      });
      t.strictSame(answers[1], answers[0], `${a.key} to ${b.key}`);
    }
  }
});

t.test("of a Service with many endpoints some are followed, and the answer says how many are not", async (t) => {
  const world = pageWorld(SIZE);
  const key = `${tenantName(0)}/web-1`;
  const slice = world.get("endpointSlices", key);
  const [endpoint] = slice?.endpoints ?? [];
  if (slice === undefined || endpoint === undefined) throw new Error("the world has no endpoints");
  const endpoints = Array.from({ length: 700 }, (_, i) => ({ ...endpoint, address: `10.9.${i >> 8}.${i & 255}` }));
  world.set("endpointSlices", key, { ...slice, endpoints });
  const to = `svc/${tenantName(0)}/web`;
  const answer = reach(pageSource(world), ADMINISTRATOR, { from: `${tenantName(0)}/web-0`, to, port: "80" });
  t.equal(answer.paths.filter(({ destination }) => destination.startsWith("10.9.")).length, 50);
  t.match(answer.warnings, [/^650 more endpoints/]);
});

t.test(
  "the pages of a tenant's pods have all of them, also where one namespace's name begins with another's",
  async (t) => {
    const world = pageWorld(SIZE);
    for (const namespace of ["shop", "shop-dev"]) {
      world.set("namespaces", namespace, projectNamespace({ metadata: { name: namespace, uid: `uid-${namespace}` } }));
      for (let i = 0; i < 3; i++)
        addTenantPod(world, {
          namespace,
          name: `web-${i}`,
          node: "weft-1",
          v4: `10.16.9.${namespace.length * 10 + i}`,
          v6: "",
        });
    }
    const viewer = tenant("shop", "shop-dev");
    const found: string[] = [];
    let next: string | undefined;
    do {
      const page = podsPage(world, viewer, { limit: 2, ...(next !== undefined && { continue: next }) });
      found.push(...page.items.map(({ namespace, name }) => `${namespace}/${name}`));
      next = page.continue;
    } while (next !== undefined);
    t.equal(found.length, 6);
    t.equal(new Set(found).size, 6);
  },
);
