// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { KubeObject } from "../../kube/object.ts";
import { PODS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import type { ClusterFacts } from "./facts.ts";
import { checkNodes } from "./nodes.ts";
import { portsBetweenNodes } from "./ports.ts";

const NODES = ["a", "b"].map((name, index) => ({
  ...{ name, os: "linux", reports: true },
  internalIps: [`192.0.2.${index + 1}`],
}));
const SILENT = { ...NODES[0], name: "c", reports: false, internalIps: ["192.0.2.3"] };
const FACTS = { nodes: [...NODES, SILENT], deployed: undefined } as unknown as ClusterFacts;
const VALUES = { image: { repository: "weft", tag: "1", pullPolicy: "Never" }, daemon: {}, mtu: 0, datapath: "auto" };
const VIEW = {
  ...{ modules: ["openvswitch", "geneve"], tun: true, link: { name: "eth0", mtu: 1500 }, configurations: [] },
  ...{ cgroup: "v2", unreachable: ["tcp/6641 at 192.0.2.2"] },
};

t.test("with several replicas of ovn-central the nodes are asked for the ports between these as well", async (t) => {
  t.strictSame(portsBetweenNodes(1), { udp: [6081], tcp: [6641, 6642] });
  t.strictSame(portsBetweenNodes(3), { udp: [6081], tcp: [6641, 6642, 6643, 6644, 6649] });
  const kube = fakeKube();
  const control = new AbortController();
  const made: { command: string[]; readinessProbe?: { tcpSocket: { port: number } } }[] = [];
  const { resourceVersion } = await kube.list(PODS);
  const kubelet = kube.watch<KubeObject>(
    PODS,
    { resourceVersion, timeoutSeconds: 60, signal: control.signal },
    (event) => {
      if (event.type !== "ADDED") return;
      const { metadata, spec } = event.object;
      made.push(...(spec as { containers: typeof made }).containers);
      if (metadata.name.includes("-look-")) control.abort();
      else {
        const status = { containerStatuses: [{ ready: true, state: { running: {} } }] };
        void kube.patch(PODS, metadata, { type: "merge", body: { status } }, { subresource: "status" });
      }
    },
  );
  kubelet.catch(() => undefined);
  const values = { ...VALUES, central: { replicas: 3 } };
  const one = { ...FACTS, nodes: FACTS.nodes.slice(0, 1) };
  await t.rejects(checkNodes(kube, one, values, "kube-system", control.signal));
  for (const { command } of made) t.ok(command.includes("--centrals=3"), command.join(" "));
  t.equal(made[0]?.readinessProbe?.tcpSocket.port, 6649);
});

t.test("pods look once all others answer, none where kubelet does not report, and none is left", async (t) => {
  const kube = fakeKube();
  const order: string[] = [];
  const asked: string[] = [];
  const control = new AbortController();
  t.teardown(() => control.abort());
  const { resourceVersion } = await kube.list(PODS);
  const kubelet = kube.watch<KubeObject>(
    PODS,
    { resourceVersion, timeoutSeconds: 60, signal: control.signal },
    (event) => {
      if (event.type !== "ADDED") return;
      const { name, namespace = "" } = event.object.metadata;
      const spec = event.object.spec as { nodeName: string; containers: { command: string[] }[] };
      const looks = name.includes("-look-");
      order.push(`${looks ? "look" : "answer"} ${spec.nodeName}`);
      if (looks) asked.push(...(spec.containers[0]?.command.filter((word) => word.startsWith("192.")) ?? []));
      const state = looks
        ? { terminated: { exitCode: 0, message: spec.nodeName === "a" ? JSON.stringify(VIEW) : "" } }
        : { running: {} };
      const status = { containerStatuses: [{ ready: !looks, state }] };
      void kube.patch(PODS, { name, namespace }, { type: "merge", body: { status } }, { subresource: "status" });
    },
  );
  kubelet.catch(() => undefined);
  const checks = await checkNodes(kube, FACTS, VALUES, "kube-system", control.signal);
  t.strictSame(order, ["answer a", "answer b", "look a", "look b"]);
  t.strictSame(asked, ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]);
  t.match(
    checks.filter(({ result }) => result === "failed"),
    [
      { subject: "node a", name: "ports", found: "no answer from tcp/6641 at 192.0.2.2" },
      { subject: "node b", found: /^exit code 0/, advice: /--image/ },
    ],
  );
  t.match(checks.at(-1), { subject: "node c", result: "skipped", found: /does not report/ });
  t.same(kube.objects(PODS), []);
  order.length = 0;
  asked.length = 0;
  const deployed = {} as NonNullable<ClusterFacts["deployed"]>;
  const installed = await checkNodes(
    kube,
    { ...FACTS, nodes: FACTS.nodes.slice(1, 2), deployed },
    VALUES,
    "kube-system",
    control.signal,
  );
  t.strictSame(order, ["look b"], "Weft has the ports");
  t.strictSame(asked, []);
  t.match(installed, [{ result: "failed" }]);
});
