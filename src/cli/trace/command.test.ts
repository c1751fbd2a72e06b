// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODES, PODS, VPCS } from "../../kube/resources.ts";
import type { Trace } from "../../reachability/traces.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { portArgument, traceCommand } from "./command.ts";

type Asked = Parameters<typeof traceCommand>[2];

async function trace(
  cluster: SampleCluster,
  ...asked: Asked
): Promise<{ readonly text: string; readonly ok: boolean }> {
  return await traceCommand(cluster.kube, "default", asked);
}

t.test("a packet to a pod on another node goes through the tunnel and is delivered", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.pod("other/b", {}, { node: "weft-2" });
  const { text, ok } = await trace(cluster, "a", "other/b", "tcp", "80");
  t.equal(ok, true);
  t.equal(
    text.split("\n\n")[1],
    `IPv4  10.16.0.2 → 10.16.0.3
  ✓ pod default/a on node weft-1: sends from 10.16.0.2, subnet ovn-default
  ✓ egress policies of default/a: no policy applies
  ✓ subnet ovn-default: switches it to the destination's port
  ✓ node weft-1 → node weft-2: goes through the tunnel between the nodes
  ✓ ingress policies of other/b: no policy applies
  ✓ pod other/b on node weft-2: is delivered
  Delivered.`,
  );
});

t.test("a packet that a policy drops is shown with the rule that would allow it", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web", { app: "web" });
  await cluster.pod("other/client", { app: "client", "pod-template-hash": "abc" });
  await cluster.policy("default/web", {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }], ports: [{ port: 80 }] }],
  });
  const { text, ok } = await trace(cluster, "other/client", "web", "tcp", "80");
  t.equal(ok, false);
  t.match(text, "✗ ingress policies of default/web: isolated by NetworkPolicy default/web, and no rule allows this");
  t.match(text, "Dropped by ingress policies of default/web: isolated by NetworkPolicy default/web");
  t.match(
    text,
    `To allow it: add the peer to spec.ingress[0] of NetworkPolicy default/web, or a rule to spec.ingress, such as:
  - from:
      - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: other } }
        podSelector: { matchLabels: { "app": "client" } }
    ports:
      - { protocol: TCP, port: 80 }`,
  );
});

t.test("the rule that a trace suggests makes it delivered", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web", { app: "web" });
  await cluster.pod("other/client", { app: "client" });
  const selector = { podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Ingress"] };
  await cluster.policy("default/web", selector);
  const { text } = await trace(cluster, "other/client", "web", "tcp", "80");
  const { parse } = await import("yaml");
  const yaml = text.split("such as:\n")[1]?.split("\n\n")[0] ?? "";
  await cluster.policy("default/more", { ...selector, ingress: parse(yaml) });
  t.equal((await trace(cluster, "other/client", "web", "tcp", "80")).ok, true);
  t.equal((await trace(cluster, "other/client", "web", "tcp", "81")).ok, false);
});

t.test("a Service is followed to each backend", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/client");
  const web = await cluster.pod("default/web", {}, { node: "weft-2" });
  await cluster.service("default/web", "10.96.0.10", 80, 8080, [web]);
  for (const to of ["svc/web", "10.96.0.10"]) {
    const { text, ok } = await trace(cluster, "client", to, "tcp", "80");
    t.equal(ok, true);
    t.match(
      text,
      "service default/web 10.96.0.10 port 80: OVN, in the pod's switch, chooses 10.16.0.3 (pod default/web)",
    );
    t.match(text, "✓ node weft-1 → node weft-2");
  }
  await cluster.service("default/kubernetes", "10.96.0.1", 443, 6443, ["192.0.2.9"]);
  const api = await trace(cluster, "client", "svc/kubernetes", "tcp", "443");
  t.equal(api.ok, true);
  t.match(api.text, "· 192.0.2.9: is outside of the cluster's networks");
  await cluster.service("default/empty", "10.96.0.11", 80, 8080, []);
  const { text, ok } = await trace(cluster, "client", "svc/empty", "tcp", "80");
  t.equal(ok, false);
  t.match(text, "Dropped: service default/empty has no ready endpoint.");
});

t.test("a packet that leaves the cluster is followed to where it leaves", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  const { text, ok } = await trace(cluster, "a", "198.51.100.1", "udp", "53");
  t.equal(ok, true);
  t.match(text, "leaves by the pod's own node weft-1, with the node's address as its source (natOutgoing)");
  t.match(text, "· 198.51.100.1: is outside of the cluster's networks");
  t.match(text, /\n {2}Leaves the cluster\.\n$/);
  t.notMatch(text, "Delivered");
  t.equal(
    ((await traceCommand(cluster.kube, "default", ["a", "198.51.100.1"])) as { data: Trace }).data.verdict,
    "leaves",
  );
  const back = await trace(cluster, "198.51.100.1", "a", "tcp", "80");
  t.match(back.text, /· 198\.51\.100\.1: is outside[\s\S]*\n {2}Delivered\.\n/);
});

t.test(
  "a packet through tunnels that a node reports to be down, or to a node that is not Ready, is not reported as delivered",
  async (t) => {
    const cluster = await SampleCluster.make();
    await cluster.pod("default/a");
    await cluster.pod("other/b", {}, { node: "weft-2" });
    const chassis = (name: string, annotations: Readonly<Record<string, string>>) =>
      cluster.kube.patch(NODES, { name }, { type: "merge", body: { metadata: { annotations } } });
    await chassis("weft-2", { "ovn.kubernetes.io/chassis": "c2" });
    await chassis("weft-1", { "ovn.kubernetes.io/chassis": "c1", "weft.kubeovn.io/unreachable-chassis": "c2" });
    const { text, ok } = await trace(cluster, "a", "other/b", "tcp", "80");
    t.equal(ok, false);
    t.match(text, "? node weft-1 → node weft-2: node weft-1 reports that its tunnels to weft-2 are down");
    t.match(text, "Nothing drops it, but it may not arrive");
    t.notMatch(text, "Delivered.");
    t.equal((await trace(cluster, "a", "198.51.100.1")).ok, true);
  },
);

t.test("pods of unconnected VPCs do not reach each other", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.add(VPCS, { metadata: { name: "island" }, spec: {} });
  await cluster.subnet("island-net", "10.77.0.0/24", { vpc: "island" });
  const spec = { nodeName: "weft-1" };
  const made = await cluster.add(PODS, { metadata: { namespace: "default", name: "far" }, spec });
  const of = { podName: "far", namespace: "default", nodeName: "weft-1", subnet: "island-net" };
  await cluster.ip("far.default", of, "10.77.0.5", "", made.metadata.uid);
  const { text, ok } = await trace(cluster, "a", "far");
  t.equal(ok, false);
  t.match(text, "no peering connects them");
});

t.test("an end that does not exist, and an invalid port, are errors that list what is accepted", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await t.rejects(trace(cluster, "gone", "a"), { name: "EndpointError", message: /there is no pod default\/gone/ });
  await t.rejects(trace(cluster, "a", "10.16.9.9/1/2"), {
    name: "EndpointError",
    message: /neither an address nor a name/,
  });
  const vacant = await trace(cluster, "a", "10.16.9.9");
  t.equal(vacant.ok, false);
  t.match(vacant.text, "no pod has 10.16.9.9");
  t.throws(() => portArgument("tcp", "99999"), { message: /ports must be 1 to 65535/ });
  t.throws(() => portArgument("gre", "1"), { message: /is not a protocol with ports/ });
  t.same(portArgument(undefined, undefined), { protocol: "ICMP" });
  t.same(portArgument("icmp", undefined), { protocol: "ICMP" });
  t.same(portArgument("80", undefined), { protocol: "TCP", port: 80 });
});
