// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { MADE_BY_CONTROLLER } from "../../api/certificates.ts";
import { FINALIZER } from "../../api/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import { CONFIG_MAPS, CRDS, DAEMON_SETS, NODES, PODS, SECRETS, SUBNETS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import type { Helm } from "./helm-run.ts";
import { type UninstallOptions, uninstall } from "./uninstall.ts";

const namespace = "kube-system";
const OPTIONS: UninstallOptions = {
  namespace,
  release: "weft",
  force: false,
  crds: false,
  image: undefined,
  timeoutMs: 10_000,
};

/** A cluster with Weft, a kubelet that ends each cleanup pod with `message`, and a helm that records its calls. */
async function setup(_t: Test, message: string | null = '{"removed":["/opt/cni/bin/kube-ovn"],"kept":[],"failed":[]}') {
  const kube = fakeKube();
  const done: string[] = [];
  await kube.create(DAEMON_SETS, {
    metadata: { name: "kube-ovn-cni", namespace, labels: { "app.kubernetes.io/part-of": "weft" } },
    spec: { template: { spec: { containers: [{ image: "weft:1", imagePullPolicy: "Never" }] } } },
  });
  const crd = {
    spec: {
      group: "kubeovn.io",
      scope: "Cluster",
      names: { plural: "subnets", kind: "Subnet" },
      versions: [{ name: "v1" }],
    },
  };
  await kube.create(CRDS, {
    metadata: { name: "subnets.kubeovn.io", annotations: { "meta.helm.sh/release-name": "weft" } },
    ...crd,
  });
  await kube.create(SUBNETS, { metadata: { name: "mine", finalizers: [FINALIZER, "example.com/other"] }, spec: {} });
  const annotations = {
    "ovn.kubernetes.io/chassis": "id",
    "ovn.kubernetes.io/tunnel_interface": "eth1",
    "weft.kubeovn.io/uplinks": "{}",
  };
  const labels = { "net.provider-network.kubernetes.io/ready": "true", "net.provider-network.kubernetes.io/own": "x" };
  await kube.create(NODES, { metadata: { name: "one", annotations, labels }, status: {} });
  const conditions = [{ type: "Ready" }, { type: "WeftChassisProblem" }, { type: "WeftInternalIPNotUsed" }];
  await kube.patch(
    NODES,
    { name: "one" },
    { type: "merge", body: { status: { conditions } } },
    { subresource: "status" },
  );
  const control = new AbortController();
  const { resourceVersion } = await kube.list(PODS);
  const kubelet = kube.watch<KubeObject>(
    PODS,
    { resourceVersion, timeoutSeconds: 60, signal: control.signal },
    (event) => {
      if (event.type !== "ADDED" || !event.object.metadata.name.startsWith("weft-cleanup-")) return;
      done.push(`pod on ${(event.object.spec as { nodeName: string }).nodeName}`);
      if (message === null) return;
      const containerStatuses = [{ state: { terminated: { exitCode: 0, message } } }];
      const { name } = event.object.metadata;
      void kube.patch(
        PODS,
        { name, namespace },
        { type: "merge", body: { status: { containerStatuses } } },
        { subresource: "status" },
      );
    },
  );
  kubelet.catch(() => undefined);
  _t.teardown(() => control.abort());
  const helm = { uninstall: async () => done.push("helm uninstall") > 0 } as unknown as Helm;
  const said: string[] = [];
  const interrupt = new AbortController();
  const parts = {
    kube,
    helm: async () => helm,
    confirm: async () => true,
    say: (line: string) => void said.push(line),
    signal: interrupt.signal,
  };
  return { kube, done, said, parts, interrupt };
}

const podOf = (name: string, spec: object, annotations = {}) => ({
  metadata: { name, namespace: "default", annotations },
  spec,
  status: {},
});

t.test("while pods use the network nothing is done; --force lists the pods that lose it", async (t) => {
  const { kube, done, said, parts } = await setup(t);
  await kube.create(PODS, podOf("user", { nodeName: "one" }, { "ovn.kubernetes.io/allocated": "true" }));
  await kube.create(
    PODS,
    podOf("host", { nodeName: "one", hostNetwork: true }, { "ovn.kubernetes.io/allocated": "true" }),
  );
  await kube.create(PODS, podOf("other", { nodeName: "one" }));
  await t.rejects(uninstall(parts, OPTIONS), {
    code: "refused",
    message: /^1 pods use the network: default\/user\. .*--force/,
  });
  t.same(done, []);
  await uninstall(parts, { ...OPTIONS, force: true });
  t.match(said[0], "1 pods lose their network: default/user");
  t.same(done, ["helm uninstall", "pod on one"]);
});

t.test("the probers end before the network does, and do not count as pods that use it", async (t) => {
  const { kube, done, parts } = await setup(t);
  const labels = { app: "kube-ovn-pinger", "app.kubernetes.io/part-of": "weft" };
  await kube.create(DAEMON_SETS, { metadata: { name: "kube-ovn-pinger", namespace, labels }, spec: {} });
  const annotations = { "ovn.kubernetes.io/allocated": "true" };
  const prober = {
    metadata: { name: "prober", namespace, labels, annotations },
    spec: { nodeName: "one" },
    status: {},
  };
  await kube.create(PODS, prober);
  const removed = uninstall(parts, OPTIONS);
  const { resourceVersion } = await kube.list(DAEMON_SETS);
  const control = new AbortController();
  t.teardown(() => control.abort());
  kube
    .watch(DAEMON_SETS, { resourceVersion, timeoutSeconds: 60, signal: control.signal }, ({ type }) => {
      if (type !== "DELETED") return;
      t.same(done, [], "the release is still there");
      void kube.delete(PODS, { name: "prober", namespace });
    })
    .catch(() => undefined);
  await removed;
  t.same(done, ["helm uninstall", "pod on one"]);
});

t.test("without confirmation, or without Weft, nothing is done", async (t) => {
  const { kube, done, parts } = await setup(t);
  await t.rejects(uninstall({ ...parts, confirm: async () => false }, OPTIONS), { code: "refused" });
  await kube.delete(DAEMON_SETS, { name: "kube-ovn-cni", namespace });
  await t.rejects(uninstall(parts, OPTIONS), { code: "refused", message: /not installed in kube-system.*--image/ });
  t.same(done, []);
  const { nodes } = await uninstall(parts, { ...OPTIONS, image: "weft:1" });
  t.match(nodes, [{ name: "one", removed: ["/opt/cni/bin/kube-ovn"], failed: [] }], "an earlier removal is finished");
});

t.test("Weft's finalizers, annotations and conditions are removed, others stay, and no pod remains", async (t) => {
  const { kube, said, parts } = await setup(t);
  const { nodes, crds } = await uninstall(parts, OPTIONS);
  t.same(crds, []);
  t.match(nodes, [{ name: "one", removed: ["/opt/cni/bin/kube-ovn"] }]);
  t.same(kube.object(SUBNETS, { name: "mine" })?.metadata.finalizers, ["example.com/other"]);
  const node = kube.object(NODES, { name: "one" });
  t.same(node?.metadata.annotations, { "ovn.kubernetes.io/tunnel_interface": "eth1" });
  t.same(node?.metadata.labels, { "net.provider-network.kubernetes.io/own": "x" });
  t.same(node?.status, { conditions: [{ type: "Ready" }] });
  t.same(kube.objects(PODS), []);
  t.ok(said.includes("kept, and used again by the next installation: 1 subnets"));
});

t.test("keys and certificates that the controller has created are deleted, user-provided ones stay", async (t) => {
  const { kube, parts } = await setup(t);
  await kube.create(SECRETS, { metadata: { name: "weft-node-ca", namespace, labels: MADE_BY_CONTROLLER } });
  await kube.create(SECRETS, { metadata: { name: "weft-central-ca", namespace } });
  await kube.create(CONFIG_MAPS, { metadata: { name: "weft-trust", namespace, labels: MADE_BY_CONTROLLER } });
  await uninstall(parts, OPTIONS);
  t.strictSame(
    [...kube.objects(SECRETS), ...kube.objects(CONFIG_MAPS)].map(({ metadata }) => metadata.name),
    ["weft-central-ca"],
  );
});

t.test("--crds deletes the release's CRDs", async (t) => {
  const { kube, said, parts } = await setup(t);
  const { crds } = await uninstall(parts, { ...OPTIONS, crds: true });
  t.same(crds, ["subnets.kubeovn.io"]);
  t.same(kube.objects(CRDS), []);
  t.ok(said.includes("deleted: 1 subnets"));
});

t.test("a node that cannot be cleaned is reported, and an interrupted removal leaves no pod", async (t) => {
  const { parts, kube } = await setup(t, "");
  t.match((await uninstall(parts, OPTIONS)).nodes, [{ failed: ["exit code 0: no message"] }]);
  t.same(kube.objects(PODS), []);
  const stuck = await setup(t, "never");
  const ended = await setup(t, null);
  const running = uninstall(ended.parts, OPTIONS);
  while (ended.done.length < 2) await ended.kube.settled();
  ended.interrupt.abort(new Error("interrupted"));
  await t.rejects(running, /abort|interrupted/);
  t.same(ended.kube.objects(PODS), []);
  t.match((await uninstall(stuck.parts, OPTIONS)).nodes, [{ failed: ["exit code 0: never"] }]);
  const late = await setup(t, null);
  t.match((await uninstall(late.parts, { ...OPTIONS, timeoutMs: 300 })).nodes, [
    { failed: [/^not ended after 0 s: kubelet has not started it/] },
  ]);
});

t.test("if some pods have not ended in time, the nodes are still cleaned", async (t) => {
  const { parts, done } = await setup(t);
  const helm = { uninstall: async () => false } as unknown as Helm;
  const { nodes } = await uninstall({ ...parts, helm: async () => helm }, OPTIONS);
  t.same(done, ["pod on one"]);
  t.match(nodes, [{ name: "one", failed: [] }]);
});
