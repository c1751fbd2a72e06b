// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import { EVENTS, IPS, NODES, PODS, STATEFUL_SETS, SUBNETS } from "../../kube/resources.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { diagnoseCommand } from "./command.ts";
import type { Finding } from "./finding.ts";
import { diagnoseSubnets } from "./subnets.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const LATER = Date.now() + 3_600_000;

async function findings(kube: Kube, area: "all" | "node" | "subnet" | "pod" = "all", name?: string, now = NOW) {
  const { data, ok } = await diagnoseCommand(kube, "kube-system", { area, ...(name !== undefined && { name }) }, now);
  const { findings: found } = data as { readonly findings: readonly Finding[] };
  t.equal(ok, found.length === 0);
  return found;
}
const of = (found: readonly Finding[], object: string): readonly string[] =>
  found.filter((one) => one.object === object).map(({ problem }) => problem);

t.test("nodes: problems of their conditions, their tunnels and Weft's pods on them", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.kube.patch(
    NODES,
    { name: "weft-1" },
    {
      type: "merge",
      body: {
        metadata: { annotations: { "ovn.kubernetes.io/chassis": "c1", "weft.kubeovn.io/unreachable-chassis": "c2" } },
      },
    },
  );
  await cluster.kube.patch(
    NODES,
    { name: "weft-2" },
    { type: "merge", body: { metadata: { annotations: { "ovn.kubernetes.io/chassis": "c2" } } } },
  );
  for (const app of ["kube-ovn-cni", "ovs"])
    await cluster.add(PODS, {
      metadata: { namespace: "kube-system", name: `${app}-1`, labels: { app } },
      spec: { nodeName: "weft-1", hostNetwork: true },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    });
  const found = await findings(cluster.kube, "node");
  t.same(of(found, "Node weft-1"), ["all tunnels to weft-2 are down"]);
  t.same(of(found, "Node weft-2"), [
    "not ready there: weft-daemon",
    "not ready there: Open vSwitch and ovn-controller",
  ]);
  t.ok(found.every(({ evidence, remedy }) => evidence !== "" && remedy !== ""));
  t.same(of(await findings(cluster.kube, "node", "weft-2"), "Node weft-1"), []);
});

t.test("probers: a node whose prober is not ready or cannot be scheduled; none where there is none", async (t) => {
  const cluster = await SampleCluster.make();
  const prober = (name: string, spec: object, status: object) =>
    cluster.add(PODS, {
      metadata: { namespace: "kube-system", name, labels: { app: "kube-ovn-pinger" } },
      spec,
      status,
    });
  const probers = async (): Promise<readonly string[]> => {
    const found = await findings(cluster.kube, "node");
    return found.flatMap(({ object, severity, problem, evidence }) =>
      problem.endsWith("weft-pinger") ? `${severity} ${object} ${problem}: ${evidence}` : [],
    );
  };
  t.same(await probers(), []);
  await prober(...(["p1", { nodeName: "weft-1" }] as const), {
    phase: "Running",
    conditions: [{ type: "Ready", status: "True" }],
  });
  t.same(await probers(), [], "a nodeSelector may leave out the other node");
  // As the DaemonSet's controller assigns a pod to a node.
  const matchFields = [{ key: "metadata.name", operator: "In", values: ["weft-2"] }];
  const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } };
  await prober("p2", { affinity: { nodeAffinity: required } }, { phase: "Pending" });
  t.same(await probers(), [
    "warning Node weft-2 not ready there: weft-pinger: pods with app=kube-ovn-pinger: p2 is Pending, not Ready",
  ]);
});

t.test("addresses: two records of one, records without a pod, pods without a record", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.ip(
    "b.default",
    { podName: "b", namespace: "default", nodeName: "weft-1", subnet: "ovn-default" },
    "10.16.0.2",
    "",
  );
  await cluster.ip(
    "db-0.default",
    { podName: "db-0", namespace: "default", nodeName: "weft-1", subnet: "ovn-default", podType: "StatefulSet" },
    "10.16.0.9",
    "",
  );
  await cluster.add(STATEFUL_SETS, { metadata: { namespace: "default", name: "db" }, spec: { replicas: 1 } });
  await cluster.add(PODS, { metadata: { namespace: "default", name: "waits" }, spec: { nodeName: "weft-1" } });
  const found = await findings(cluster.kube, "pod", undefined, LATER);
  const pods = found.filter(({ area }) => area === "pod");
  t.match(pods.map(({ object, problem }) => `${object} ${problem}`).sort(), [
    /^IP b.default has the address 10.16.0.2 of VPC ovn-cluster, which IP a.default has as well/,
    /^IP b.default holds 10.16.0.2 of subnet ovn-default, and there is no pod default\/b/,
    /^Pod default\/waits has no address/,
  ]);
  t.equal(
    (await cluster.kube.get(IPS, { name: "db-0.default" })).metadata.name,
    "db-0.default",
    "kept for its StatefulSet",
  );
});

t.test("subnets: not accepted, nearly full, full", async (t) => {
  const subnet = { vpc: "ovn-cluster", cidr: "10.1.0.0/24,fd00::/120", ready: "yes" };
  const found = diagnoseSubnets({
    vpcs: [{ name: "v", subnets: [], ready: "NO: VpcUnknown it is not there" }],
    subnets: [
      { ...subnet, name: "empty", using: "0,0", available: "253,253" },
      { ...subnet, name: "v6-full", using: "10,253", available: "243,0" },
      { ...subnet, name: "nearly", using: "240", available: "13" },
      { ...subnet, name: "unsaid", using: "", available: "", ready: "unknown" },
    ],
  });
  t.same(
    found.map(({ object, severity, problem }) => [object, severity, problem]),
    [
      ["Subnet unsaid", "error", "is not ready"],
      ["Vpc v", "error", "is not ready"],
      ["Subnet v6-full", "error", "has no free address"],
      ["Subnet nearly", "warning", "is nearly full"],
    ],
  );
  t.match(found[2]?.evidence, /253 of 253 addresses of fd00::\/120/);
});

t.test("a subnet that has just filled up is full, whatever its status says still", async (t) => {
  const subnet = { name: "small", vpc: "ovn-cluster", cidr: "10.1.0.0/29,fd00::/120", ready: "yes" };
  const status = { vpcs: [], subnets: [{ ...subnet, using: "1,1", available: "4,252" }] };
  t.same(diagnoseSubnets(status), []);
  const [found, ...more] = diagnoseSubnets(status, () => 5);
  t.match(found, {
    object: "Subnet small",
    problem: "has no free address",
    evidence: /^5 of 5 addresses .*\(IP objects\)/,
  });
  t.same(more, [], "IPv6 has 248 left");

  const cluster = await SampleCluster.make();
  await cluster.kube.patch(
    SUBNETS,
    { name: "ovn-default" },
    {
      type: "merge",
      body: {
        status: {
          v4usingIPrange: "x",
          v6usingIPrange: "y",
          v4usingIPs: 1,
          v4availableIPs: 1,
          v6usingIPs: 1,
          v6availableIPs: 60_000,
        },
      },
    },
    { subresource: "status" },
  );
  for (const name of ["a", "b"]) await cluster.pod(`default/${name}`);
  t.ok(of(await findings(cluster.kube, "subnet", "ovn-default"), "Subnet ovn-default").includes("has no free address"));
});

t.test("Weft's Events of the last hour are reported, the latest of each object and reason", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  const event = (name: string, component: string, minute: number, message: string) =>
    cluster.add(EVENTS, {
      ...{ metadata: { namespace: "default", name }, type: "Warning", reason: "AcquireAddressFailed", message },
      ...{ source: { component }, lastTimestamp: new Date(NOW - minute * 60_000).toISOString() },
      involvedObject: { kind: "Pod", namespace: "default", name: name === "five" ? "gone" : "a" },
    });
  await event("one", "kube-ovn-controller", 30, "NoAvailableAddress: first");
  await event("two", "kube-ovn-controller", 10, "NoAvailableAddress: last");
  await event("three", "kubelet", 10, "another's");
  await event("four", "kube-ovn-controller", 90, "old");
  await event("five", "kube-ovn-controller", 5, "of a deleted pod");
  t.same(of(await findings(cluster.kube, "pod"), "Pod default/gone"), []);
  t.match(
    (await findings(cluster.kube, "pod")).filter(({ object }) => object === "Pod default/a"),
    [{ problem: "AcquireAddressFailed", remedy: "NoAvailableAddress: last" }],
  );
});

t.test("an Event about a node's chassis is a finding while the Node has the condition", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.add(EVENTS, {
    ...{ metadata: { namespace: "default", name: "one" }, type: "Warning", reason: "ChassisMissing", message: "gone" },
    ...{ source: { component: "kube-ovn-controller" }, lastTimestamp: new Date(NOW - 60_000).toISOString() },
    involvedObject: { kind: "Node", name: "weft-1" },
  });
  const chassis = async () =>
    (await findings(cluster.kube, "node", "weft-1")).filter(({ evidence }) => evidence.startsWith("Event"));
  t.same(await chassis(), []);
  const conditions = [{ type: "WeftChassisProblem", status: "True", reason: "ChassisMissing", message: "gone" }];
  await cluster.kube.patch(
    NODES,
    { name: "weft-1" },
    { type: "merge", body: { status: { conditions } } },
    { subresource: "status" },
  );
  t.match(await chassis(), [{ problem: "ChassisMissing" }]);
});

t.test("parts that an account may not read are reported, and the rest is checked", async (t) => {
  const cluster = await SampleCluster.make();
  const kube: Kube = Object.create(cluster.kube, {
    list: {
      value: (type: typeof EVENTS, ...rest: readonly unknown[]) => {
        if (type === EVENTS) throw new KubeError("forbidden", "list events: forbidden");
        return Reflect.apply(cluster.kube.list, cluster.kube, [type, ...rest]);
      },
    },
  }) as Kube;
  const found = await findings(kube, "node");
  t.match(
    found.filter(({ severity }) => severity === "unchecked"),
    [{ object: "Events", evidence: "list events: forbidden" }],
  );
  t.ok(found.length > 1);
});

t.test("a question about a missing object is answered with an error", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("other/b");
  const ask = (area: "all" | "node" | "subnet" | "pod", name: string) =>
    diagnoseCommand(cluster.kube, "kube-system", { area, name }, NOW);
  for (const [area, name, message] of [
    ["pod", "other/gone", "there is no pod other/gone"],
    ["pod", "b", "there is no pod default/b"],
    ["node", "weft-9", "there is no node weft-9"],
    ["subnet", "web", "there is no subnet web"],
    ["pod", "a/b/c", '"a/b/c" is not a valid name of a pod: write POD or NAMESPACE/POD'],
    ["pod", "other/", '"other/" is not a valid name of a pod: write POD or NAMESPACE/POD'],
    ["all", "b", "b of what? Write one of: node b, subnet b, pod b, policy b"],
  ] as const)
    await t.rejects(ask(area, name), { name: "EndpointError", message });
});

t.test("of one pod: its IP object's conflict with another's, and that no controller leads", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  const of = { podName: "b", namespace: "default", nodeName: "weft-1", subnet: "ovn-default" };
  await cluster.ip("b.default", of, "10.16.0.2", "");
  const found = await findings(cluster.kube, "pod", "a");
  t.match(
    found.map(({ object, problem }) => `${object} ${problem}`),
    [/^Deployment kube-ovn-controller no controller leads/, /^IP b.default has the address 10.16.0.2/],
  );
});

t.test(
  "of many Events of one reason a few are shown, with the number of the others, and each if requested",
  async (t) => {
    const cluster = await SampleCluster.make();
    for (let i = 0; i < 8; i++) {
      await cluster.pod(`default/p${i}`);
      await cluster.add(EVENTS, {
        ...{ metadata: { namespace: "default", name: `e${i}` }, type: "Warning", reason: "AcquireAddressFailed" },
        ...{ message: "NoAvailableAddress", source: { component: "kube-ovn-controller" } },
        lastTimestamp: new Date(NOW - i * 60_000).toISOString(),
        involvedObject: { kind: "Pod", namespace: "default", name: `p${i}` },
      });
    }
    await cluster.add(EVENTS, {
      ...{ metadata: { namespace: "default", name: "forged" }, type: "Warning", reason: "a; rm -rf /", message: "x" },
      ...{ source: { component: "kube-ovn-controller" }, lastTimestamp: new Date(NOW).toISOString() },
      involvedObject: { kind: "Pod", namespace: "default", name: "p0" },
    });
    const of = async (name?: string) =>
      (await findings(cluster.kube, "pod", name))
        .filter(({ evidence }) => evidence.startsWith("Event"))
        .map(({ object }) => object);
    t.same(await of(), [...[0, 1, 2, 3, 4].map((i) => `Pod default/p${i}`), "3 more, such as Pod default/p5"]);
    t.same(await of("p7"), ["Pod default/p7"]);
  },
);

t.test("a new pod gets time to get its address", async (t) => {
  const cluster = await SampleCluster.make();
  const { metadata } = await cluster.add(PODS, {
    metadata: { namespace: "default", name: "new" },
    spec: { nodeName: "weft-1" },
  });
  const created = Date.parse(metadata.creationTimestamp ?? "");
  const at = async (seconds: number) =>
    of(await findings(cluster.kube, "pod", "new", created + seconds * 1000), "Pod default/new");
  t.same(await at(2), []);
  t.same(await at(30), ["has no address"]);
});
