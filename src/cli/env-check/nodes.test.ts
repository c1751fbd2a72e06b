// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { Kube, WatchEvent } from "../../kube/kube.ts";
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

interface StartedPod {
  readonly metadata: KubeObject["metadata"];
  readonly spec: {
    readonly nodeName: string;
    readonly containers: readonly {
      readonly command: readonly string[];
      readonly readinessProbe?: { readonly tcpSocket: { readonly port: number } };
    }[];
  };
}

/** A kubelet that sets each new pod's container state from `stateOf`; undefined: none. */
async function startKubelet(kube: Kube, signal: AbortSignal, stateOf: (pod: StartedPod) => object | undefined) {
  const { resourceVersion } = await kube.list(PODS);
  const onEvent = (event: WatchEvent<KubeObject>): void => {
    if (event.type !== "ADDED") return;
    const { name, namespace = "" } = event.object.metadata;
    const state = stateOf(event.object as KubeObject & StartedPod);
    if (state === undefined) return;
    const status = { containerStatuses: [{ ready: "running" in state, state }] };
    void kube.patch(PODS, { name, namespace }, { type: "merge", body: { status } }, { subresource: "status" });
  };
  kube.watch<KubeObject>(PODS, { resourceVersion, timeoutSeconds: 60, signal }, onEvent).catch(() => undefined);
}

t.test("with several replicas of ovn-central the ports between these are probed as well", async (t) => {
  for (const tls of [false, true])
    t.strictSame(portsBetweenNodes({ centrals: 1, tls }), { udp: [6081], tcp: [6641, 6642] });
  const members = [6641, 6642, 6643, 6644, 6649];
  t.strictSame(portsBetweenNodes({ centrals: 3, tls: false }), { udp: [6081], tcp: members });
  t.strictSame(portsBetweenNodes({ centrals: 3, tls: true }), { udp: [6081], tcp: [...members, 6650] });
  const kube = fakeKube();
  const control = new AbortController();
  const containers: StartedPod["spec"]["containers"][number][] = [];
  await startKubelet(kube, control.signal, ({ metadata, spec }) => {
    containers.push(...spec.containers);
    if (!metadata.name.includes("-look-")) return { running: {} };
    control.abort();
    return undefined;
  });
  const values = { ...VALUES, central: { replicas: 3 }, tls: { enabled: true } };
  const one = { ...FACTS, nodes: FACTS.nodes.slice(0, 1) };
  await t.rejects(checkNodes(kube, one, values, "kube-system", control.signal));
  t.strictSame(
    containers.map(({ command }) => command.includes("--centrals=3") && command.includes("--tls")),
    [true, true],
  );
  t.equal(containers[0]?.readinessProbe?.tcpSocket.port, 6650);
});

t.test(
  "pods probe once all others answer, there is none on a node whose kubelet does not report, and none remains",
  async (t) => {
    const kube = fakeKube();
    const order: string[] = [];
    const asked: string[] = [];
    const control = new AbortController();
    t.teardown(() => control.abort());
    await startKubelet(kube, control.signal, ({ metadata: { name }, spec: { nodeName, containers } }) => {
      const looks = name.includes("-look-");
      order.push(`${looks ? "look" : "answer"} ${nodeName}`);
      if (!looks) return { running: {} };
      asked.push(...(containers[0]?.command.filter((word) => word.startsWith("192.")) ?? []));
      return { terminated: { exitCode: 0, message: nodeName === "a" ? JSON.stringify(VIEW) : "" } };
    });
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
  },
);
