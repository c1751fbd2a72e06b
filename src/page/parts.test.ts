// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { partOf } from "./parts.ts";

t.test(
  "a part has the pods that should run and those that are ready, as its kind of workload counts them",
  async (t) => {
    const daemon = { metadata: { name: "kube-ovn-cni" }, status: { desiredNumberScheduled: 3, numberReady: 2 } };
    t.strictSame(partOf("DaemonSet", daemon), { kind: "DaemonSet", name: "kube-ovn-cni", wanted: 3, ready: 2 });
    const central = { metadata: { name: "ovn-central" }, spec: { replicas: 3 }, status: { readyReplicas: 1 } };
    t.strictSame(partOf("Deployment", central), { kind: "Deployment", name: "ovn-central", wanted: 3, ready: 1 });
    t.match(partOf("Deployment", { ...central, status: null }), { ready: 0 }, "none is ready yet");
  },
);

t.test("workloads of others are no parts of Weft", async (t) => {
  t.equal(partOf("Deployment", { metadata: { name: "coredns" } }), undefined);
  t.equal(partOf("DaemonSet", { metadata: { name: "ovn-central" } }), undefined);
});
