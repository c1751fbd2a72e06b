// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DAEMON_SETS, DEPLOYMENTS, PODS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { waitForRollout } from "./rollout.ts";
import { rolloutOf, WORKLOADS } from "./workloads.ts";

const META = { uid: "u", resourceVersion: "1", generation: 2, name: "x", namespace: "kube-system" };

t.test("a workload is rolled out when its controller has observed it and all pods are new and available", async (t) => {
  const daemons = (status: object) =>
    rolloutOf({ metadata: META, spec: {}, status: { observedGeneration: 2, ...status } });
  const wanted = { desiredNumberScheduled: 3 };
  t.same(daemons({ ...wanted, updatedNumberScheduled: 3, numberAvailable: 3 }), { done: true, text: "3 of 3 ready" });
  t.same(daemons({ ...wanted, updatedNumberScheduled: 1, numberAvailable: 3 }), { done: false, text: "1 of 3 ready" });
  t.same(daemons({ ...wanted, updatedNumberScheduled: 3, numberAvailable: 2 }), { done: false, text: "2 of 3 ready" });
  t.match(daemons({ observedGeneration: 1, ...wanted, updatedNumberScheduled: 3, numberAvailable: 3 }), {
    done: false,
  });
  t.match(daemons({ desiredNumberScheduled: 0 }), { done: false }, "no node, no network");
  const onDelete = (status: object) =>
    rolloutOf({
      ...{ metadata: META, spec: { updateStrategy: { type: "OnDelete" } } },
      status: { observedGeneration: 2, ...wanted, ...status },
    });
  t.same(
    onDelete({ updatedNumberScheduled: 1, numberAvailable: 3 }),
    { done: true, text: "3 of 3 ready, 2 of which get this version when the pod is deleted" },
    "such pods wait for the administrator, not the administrator for them",
  );
  t.match(onDelete({ updatedNumberScheduled: 1, numberAvailable: 2 }), { done: false });
  t.match(onDelete({ updatedNumberScheduled: 3, numberAvailable: 3 }), { done: true, text: "3 of 3 ready" });
  const replicas = (status: object) =>
    rolloutOf({ metadata: META, spec: { replicas: 1 }, status: { observedGeneration: 2, ...status } });
  t.match(replicas({ replicas: 1, updatedReplicas: 1, availableReplicas: 1 }), { done: true });
  t.match(
    replicas({ replicas: 2, updatedReplicas: 1, availableReplicas: 1 }),
    { done: false },
    "the old pod is still there",
  );
});

const READY = {
  observedGeneration: 1,
  ...{ desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberAvailable: 1 },
  ...{ replicas: 1, updatedReplicas: 1, availableReplicas: 1 },
};

t.test(
  "the wait ends when all are ready, and otherwise names the pod that is not and the end of its log",
  async (t) => {
    const kube = fakeKube();
    const namespace = "kube-system";
    for (const { type, name } of WORKLOADS) {
      await kube.create(type, { metadata: { name, namespace }, spec: type === DEPLOYMENTS ? { replicas: 1 } : {} });
      if (name === "ovs-ovn") continue;
      await kube.patch(
        type,
        { name, namespace },
        { type: "merge", body: { status: READY } },
        { subresource: "status" },
      );
    }
    await kube.create(PODS, {
      metadata: { name: "ovs-ovn-1", namespace, labels: { app: "ovs", component: "network" } },
      spec: { nodeName: "node-1" },
      status: {},
    });
    const containerStatuses = [
      {
        name: "openvswitch",
        ready: false,
        restartCount: 3,
        state: { waiting: { reason: "CrashLoopBackOff" } },
        lastState: { terminated: { exitCode: 1 } },
      },
    ];
    const status = { phase: "Running", containerStatuses };
    await kube.patch(
      PODS,
      { name: "ovs-ovn-1", namespace },
      { type: "merge", body: { status } },
      { subresource: "status" },
    );
    const asked: unknown[] = [];
    const view = {
      kube,
      log: async (pod: object, options: object) => {
        asked.push([pod, options]);
        return "first\nno interface has the node's address\n";
      },
    };
    const lines: string[] = [];
    await t.rejects(
      waitForRollout(view, namespace, 200, (line) => lines.push(line)),
      {
        code: "not-ready",
        message:
          /^not ready after 0 s: ovs-ovn \(Open vSwitch.*\n {2}ovs-ovn-1 on node-1: Running\n {2}openvswitch: CrashLoopBackOff, exit code 1 before; 3 restarts.*\n {4}first\n {4}no interface has the node's address$/,
      },
    );
    t.match(asked, [[{ name: "ovs-ovn-1" }, { container: "openvswitch", previous: true }]]);
    t.ok(lines.includes("kube-ovn-cni: 1 of 1 ready (weft-daemon on each node)"));
    const ready = waitForRollout(view, namespace, 10_000, () => undefined);
    await kube.patch(
      DAEMON_SETS,
      { name: "ovs-ovn", namespace },
      { type: "merge", body: { status: READY } },
      { subresource: "status" },
    );
    await t.resolves(ready);
  },
);

t.test("the speaker is waited for where it is installed; it may have no node", async (t) => {
  const namespace = "kube-system";
  const kube = fakeKube();
  for (const { type, name, optional } of WORKLOADS) {
    if (optional) continue;
    await kube.create(type, { metadata: { name, namespace }, spec: type === DEPLOYMENTS ? { replicas: 1 } : {} });
    await kube.patch(type, { name, namespace }, { type: "merge", body: { status: READY } }, { subresource: "status" });
  }
  const view = { kube, log: async () => "" };
  await t.resolves(
    waitForRollout(view, namespace, 10_000, () => undefined),
    "it is not installed",
  );
  const speaker = { name: "kube-ovn-speaker", namespace };
  await kube.create(DAEMON_SETS, { metadata: speaker, spec: {} });
  const write = (status: object) =>
    kube.patch(DAEMON_SETS, speaker, { type: "merge", body: { status } }, { subresource: "status" });
  await write({ ...READY, numberAvailable: 0 });
  await t.rejects(
    waitForRollout(view, namespace, 200, () => undefined),
    { message: /^not ready after 0 s: kube-ovn-speaker/ },
  );
  await write({ observedGeneration: 1, desiredNumberScheduled: 0, updatedNumberScheduled: 0, numberAvailable: 0 });
  await t.resolves(
    waitForRollout(view, namespace, 10_000, () => undefined),
    "no node has the label",
  );
});
