// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import type { KubeObject } from "../../kube/object.ts";
import { DAEMON_SETS, NODES, PODS, SERVICES } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { perf } from "./command.ts";
import { chosenNodes, PATHS, pathsBetween } from "./paths.ts";

const namespace = "kube-system";
const OPTIONS = { namespace, seconds: 1, streams: 1, size: 100, rate: 1, port: 15_201, timeout: 5 };
const MEASURED = {
  ...{ tcpBitsPerSecond: 2.5e9, udpSent: 1_000, udpReceived: 990 },
  ...{ tcp: { count: 9, p50: 0.1, p99: 0.3 }, udp: { count: 0 } },
};

interface PodObject extends KubeObject {
  readonly spec: {
    readonly nodeName: string;
    readonly hostNetwork: boolean;
    readonly securityContext: object;
    readonly containers: readonly { readonly command: readonly string[] }[];
  };
}

const node = (name: string, spec = {}) => ({
  metadata: { name, labels: { "kubernetes.io/os": "linux" } },
  spec,
  status: { conditions: [{ type: "Ready", status: "True" as const }] },
});

/** A cluster whose kubelets run servers, and end clients with `message`. */
async function cluster(t: Test, names: readonly string[], message: (client: PodObject) => string) {
  const kube = fakeKube();
  await kube.create(DAEMON_SETS, {
    metadata: { name: "kube-ovn-cni", namespace, labels: { "app.kubernetes.io/part-of": "weft" } },
    spec: { template: { spec: { containers: [{ image: "weft:1", imagePullPolicy: "Never" }] } } },
  });
  for (const name of names) {
    const { status, ...made } = node(name);
    await kube.create(NODES, made);
    await kube.patch(NODES, { name }, { type: "merge", body: { status } }, { subresource: "status" });
  }
  // The API server gives a Service its addresses.
  const create = kube.create.bind(kube);
  const withAddress: typeof kube.create = (type, object, options) => {
    const spec = {
      ...("spec" in object && typeof object.spec === "object" ? object.spec : {}),
      clusterIPs: ["10.96.0.9"],
    };
    return create(type, type === SERVICES ? { ...object, spec } : object, options);
  };
  Object.assign(kube, { create: withAddress });
  const control = new AbortController();
  t.teardown(() => control.abort());
  const clients: string[] = [];
  const pods: PodObject["spec"][] = [];
  const { resourceVersion } = await kube.list(PODS);
  kube
    .watch<PodObject>(PODS, { resourceVersion, timeoutSeconds: 60, signal: control.signal }, ({ type, ...event }) => {
      if (type !== "ADDED" || !("object" in event)) return;
      const { metadata, spec } = event.object;
      pods.push(spec);
      const command = spec.containers[0]?.command ?? [];
      const isServer = command.includes("perf-server");
      if (!isServer) clients.push(`${spec.nodeName}${spec.hostNetwork ? " host" : ""} ${command[2]}`);
      const podIPs = [{ ip: spec.hostNetwork ? "192.0.2.1" : "10.16.0.9" }];
      const status = isServer
        ? { podIPs, containerStatuses: [{ ready: true, state: { running: {} } }] }
        : { podIPs, containerStatuses: [{ state: { terminated: { exitCode: 0, message: message(event.object) } } }] };
      void kube.patch(
        PODS,
        { name: metadata.name, namespace },
        { type: "merge", body: { status } },
        { subresource: "status" },
      );
    })
    .catch(() => undefined);
  const left = async () =>
    [...(await kube.list(PODS)).items, ...(await kube.list(SERVICES)).items].map(({ metadata }) => metadata.name);
  return { kube, clients, pods, left };
}

t.test("every path is measured in turn, and nothing is left", async (t) => {
  const { kube, clients, left } = await cluster(t, ["a", "b"], () => JSON.stringify(MEASURED));
  const said: string[] = [];
  const { data, text, ok, warnings } = await perf(kube, OPTIONS, new AbortController().signal, (line) =>
    said.push(line),
  );
  t.equal(ok, true);
  t.same(warnings, []);
  t.match(
    data,
    PATHS.map((path) => ({ path, to: "a", measured: MEASURED })),
  );
  t.match(clients[0], "a 10.16.0.9");
  t.match(clients[1], "b 10.16.0.9");
  t.match(clients[2], "b 10.96.0.9");
  t.match(clients[3], "b host 192.0.2.1");
  t.match(text, /pod-other-node +b > a +2\.5 Gbit\/s +0\.100 ms, 0\.300 ms +no answer +1\.00 %/);
  t.equal(said.length, 5);
  t.same(await left(), []);
});

t.test("pods meet the Pod Security Standard restricted, but for the network of the node", async (t) => {
  const { kube, pods } = await cluster(t, ["a", "b"], () => JSON.stringify(MEASURED));
  await perf(kube, OPTIONS, new AbortController().signal, () => undefined);
  t.equal(pods.length, 6);
  const container = { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } };
  for (const { securityContext, containers } of pods) {
    t.match(securityContext, { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    t.match(containers, [container]);
  }
});

t.test("a path that cannot be measured is a problem of its own", async (t) => {
  const { kube, left } = await cluster(t, ["a", "b"], ({ spec }) =>
    spec.hostNetwork
      ? "Killed"
      : spec.nodeName === "a"
        ? '{"problem":"10.16.0.9 port 15201 does not answer"}'
        : JSON.stringify(MEASURED),
  );
  const { text, ok } = await perf(kube, OPTIONS, new AbortController().signal, () => undefined);
  t.equal(ok, false);
  t.match(text, "Problem: pod-same-node: 10.16.0.9 port 15201 does not answer\n");
  t.match(text, "Problem: host: Killed\n");
  t.same(await left(), []);
});

t.test("pods and the Service are removed when it is interrupted", async (t) => {
  const interrupt = new AbortController();
  const { kube, left } = await cluster(t, ["a", "b"], ({ spec }) => {
    if (spec.nodeName === "b") interrupt.abort(new Error("interrupted"));
    return JSON.stringify(MEASURED);
  });
  await t.rejects(
    perf(kube, { ...OPTIONS, path: ["service"] }, interrupt.signal, () => undefined),
    { message: "interrupted" },
  );
  t.same(await left(), []);
});

t.test("with one node only what is on it is measured, and it is said", async (t) => {
  const { kube } = await cluster(t, ["a"], () => JSON.stringify(MEASURED));
  const { data, warnings } = await perf(kube, OPTIONS, new AbortController().signal, () => undefined);
  t.match(data, [{ path: "pod-same-node" }, { path: "service" }]);
  t.same(warnings, ["only one node can be used: pod-other-node, host left out"]);
});

t.test("nodes are those that can run pods; a node that does not exist is an error", async (t) => {
  const nodes = [node("c"), node("a", { unschedulable: true }), node("b")] as never;
  t.same(chosenNodes(nodes, {}), { server: "b", client: "c" });
  t.same(chosenNodes(nodes, { server: "c" }), { server: "c", client: "b" });
  t.same(chosenNodes(nodes, { client: "b" }), { server: "c", client: "b" });
  t.throws(() => chosenNodes(nodes, { server: "x" }), /there is no node x/);
  t.throws(() => chosenNodes([], {}), /no Linux node is Ready/);
  t.same(
    pathsBetween({ server: "a", client: "a" }, PATHS).map(({ name }) => name),
    ["pod-same-node", "service"],
  );
});

t.test("without Weft and without an image it says what to pass", async (t) => {
  await t.rejects(perf(fakeKube(), OPTIONS, new AbortController().signal), /pass its namespace with -n, or an image/);
});
