// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NETWORK_CONFIG } from "../compile/testing/sample-facts.ts";
import { NETWORK_ATTACHMENTS, NODES, PODS } from "../kube/resources.ts";
import { fakeKube } from "../kube/testing/fake.ts";
import { podSteps } from "./pod.ts";
import { formatStatus, readStatus } from "./status.ts";

t.test("the steps of a pod end with the state of its secondary networks", async (t) => {
  const kube = fakeKube();
  const networks = "net1,lan,bridge,nowhere";
  const annotations = {
    "k8s.v1.cni.cncf.io/networks": networks,
    "net1.default.ovn.kubernetes.io/allocated": "true",
    "net1.default.ovn.kubernetes.io/ip_address": "10.30.0.2",
    "net1.default.ovn.kubernetes.io/mac_address": "02:00:00:00:00:01",
    "net1.default.ovn.kubernetes.io/logical_switch": "net1",
  };
  await kube.create(PODS, { metadata: { namespace: "default", name: "a", annotations }, spec: {} });
  const define = (name: string, config: object) =>
    kube.create(NETWORK_ATTACHMENTS, {
      metadata: { namespace: "default", name },
      spec: { config: JSON.stringify(config) },
    });
  await define("net1", NETWORK_CONFIG.ovn("net1"));
  await define("lan", NETWORK_CONFIG.ipam("lan"));
  await define("bridge", { type: "bridge" });
  const about = async () =>
    (await podSteps(kube, "default", "a"))
      .filter(({ what }) => what.includes("network "))
      .map(({ ok, detail }) => [ok, detail]);
  t.match((await about()).slice(1), [
    [true, "net1.default.ovn: 10.30.0.2 02:00:00:00:00:01 in subnet net1"],
    [false, /AcquireAddressFailed/],
    [true, /another plugin's/],
    [false, /no such NetworkAttachmentDefinition/],
  ]);
  const body = { metadata: { annotations: { "k8s.v1.cni.cncf.io/networks": "net1,," } } };
  await kube.patch(PODS, { namespace: "default", name: "a" }, { type: "merge", body });
  t.match((await podSteps(kube, "default", "a")).at(-1), { what: "further networks", ok: false, detail: /net1,,/ });
});

t.test(
  "a pod's steps end at a node that OVN has no chassis for, and the network's status reports it as well",
  async (t) => {
    const kube = fakeKube();
    const metadata = { name: "n1", annotations: { "ovn.kubernetes.io/chassis": "c1" } };
    await kube.create(NODES, { metadata, status: { conditions: [] } });
    await kube.create(PODS, { metadata: { namespace: "default", name: "a" }, spec: { nodeName: "n1" } });
    const step = async () => (await podSteps(kube, "default", "a")).find(({ what }) => what === "node in OVN");
    const node = async () => {
      const status = await readStatus(kube, "kube-system", 0);
      return formatStatus(status).match(/^n1 .*$/m)?.[0];
    };
    t.match(await step(), { ok: true, detail: "chassis c1" });
    t.match(await node(), /^n1 .* c1$/);
    const message = "the southbound database has no chassis c1";
    const body = {
      status: { conditions: [{ type: "WeftChassisProblem", status: "True", reason: "ChassisMissing", message }] },
    };
    await kube.patch(NODES, { name: "n1" }, { type: "merge", body }, { subresource: "status" });
    t.match(await step(), { ok: false, detail: message });
    t.match(await node(), / NO: ChassisMissing c1$/);
  },
);

t.test("limits of a pod on its node's network are reported as not enforced", async (t) => {
  const kube = fakeKube();
  const spec = { hostNetwork: true, nodeName: "n1" };
  const add = (name: string, annotations: Record<string, string>) =>
    kube.create(PODS, { metadata: { namespace: "default", name, annotations }, spec });
  await add("a", { "ovn.kubernetes.io/ingress_rate": "5", "kubernetes.io/egress-bandwidth": "fast" });
  t.match((await podSteps(kube, "default", "a")).at(-1), {
    ...{ what: "QoS", ok: false },
    detail: /^limits \(ingress, egress\) of a pod on its node's network are not enforced/,
  });
  await add("b", { "ovn.kubernetes.io/ingress_rate": "0" });
  t.match((await podSteps(kube, "default", "b")).at(-1), { what: "network", ok: true });
});

t.test("the active limits are shown, and invalid annotations beside them", async (t) => {
  const kube = fakeKube();
  const qos = {
    ovn: { ingress: { rate: 10_000, burst: 8_000 }, netem: { latency: 5 } },
    "net1.default.ovn": { problem: "annotation x is invalid; no limit is active" },
  };
  const annotations = { "weft.kubeovn.io/qos": JSON.stringify(qos) };
  await kube.create(PODS, { metadata: { namespace: "default", name: "a", annotations }, spec: {} });
  const steps = (await podSteps(kube, "default", "a")).filter(({ what }) => what.startsWith("QoS"));
  t.strictSame(steps, [
    {
      ...{ what: "QoS of ovn", ok: true },
      detail: "to the pod 10 Mbit/s (burst 8 Mbit), latency 5 ms if the node can emulate it (else Event QoSNotApplied)",
    },
    {
      what: "QoS of net1.default.ovn",
      ok: false,
      detail: "no limit is active: annotation x is invalid; no limit is active",
    },
  ]);
});
