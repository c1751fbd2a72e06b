// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NETWORK_CONFIG } from "../../compile/testing/sample-facts.ts";
import type { KubeObject } from "../../kube/object.ts";
import { CRDS, EVENTS, IPS, NETWORK_ATTACHMENTS, PODS, SUBNETS, typeName } from "../../kube/resources.ts";
import type { Pod } from "../../kube/types.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";
import { SETTINGS } from "../testing/settings.ts";

t.test("secondary interfaces are created once their CRD is installed, in one patch with the primary one", async (t) => {
  const { kube, server } = await cluster(t);
  kube.serveType(NETWORK_ATTACHMENTS, false);
  const { controller } = candidate(t, kube, server);
  await eventually("it leads", () => controller.leading || undefined);
  const annotations = { "k8s.v1.cni.cncf.io/networks": "net1,lan" };
  const create = (name: string) =>
    kube.create(PODS, { metadata: { namespace: "default", name, annotations }, spec: { nodeName: "n1" } });
  const told = (name: string) => kube.object<Pod>(PODS, { namespace: "default", name })?.metadata.annotations ?? {};
  await create("early");
  await eventually("its own interface waits for nothing", () => told("early")["ovn.kubernetes.io/ip_address"]);
  await eventually("it is said what it lacks", () =>
    kube
      .objects<KubeObject & { message?: string }>(EVENTS)
      .find(({ message }) => /Definition "default\/net1"/.test(message ?? "")),
  );
  const spec = (cidrBlock: string, provider: string) => ({ cidrBlock, provider });
  await kube.create(SUBNETS, { metadata: { name: "net1" }, spec: spec("10.30.0.0/24", "net1.default.ovn") });
  await kube.create(SUBNETS, { metadata: { name: "lan" }, spec: spec("10.31.0.0/24", "lan.default") });
  kube.serveType(NETWORK_ATTACHMENTS, true);
  for (const [name, config] of [
    ["net1", NETWORK_CONFIG.ovn("net1")],
    ["lan", NETWORK_CONFIG.ipam("lan")],
  ] as const) {
    await kube.create(NETWORK_ATTACHMENTS, {
      metadata: { namespace: "default", name },
      spec: { config: JSON.stringify(config) },
    });
  }
  const definition = { name: typeName(NETWORK_ATTACHMENTS) };
  await kube.create(CRDS, { metadata: definition, spec: { versions: [{ name: "v1", served: true }] } });
  const status = { conditions: [{ type: "Established", status: "True" }] };
  await kube.patch(CRDS, definition, { type: "merge", body: { status } }, { subresource: "status" });
  const both = ["net1.default.ovn.kubernetes.io/allocated", "lan.default.kubernetes.io/allocated"];
  const complete = (name: string) => (both.every((key) => told(name)[key] === "true") ? true : undefined);
  await eventually("the early pod has all", () => complete("early"));
  kube.requests.length = 0;
  await create("late");
  await eventually("the late pod has all", () => complete("late"));
  t.match(told("late"), {
    "ovn.kubernetes.io/ip_address": /^10\.16\./,
    "net1.default.ovn.kubernetes.io/ip_address": "10.30.0.3",
    "net1.default.ovn.kubernetes.io/routed": "true",
    "lan.default.kubernetes.io/ip_address": "10.31.0.3",
  });
  t.equal(kube.requests.filter(({ verb, type }) => verb === "patch" && type.plural === "pods").length, 1);
  t.ok(controller.facts.get("ports", "late.default.net1.default.ovn"));
  t.notOk(controller.facts.get("ports", "late.default.lan.default"));
  const dropped = { "k8s.v1.cni.cncf.io/networks": "lan" };
  await kube.patch(
    PODS,
    { namespace: "default", name: "late" },
    { type: "merge", body: { metadata: { annotations: dropped } } },
  );
  await eventually("its annotations are removed", () => (told("late")[both[0] ?? ""] === undefined ? true : undefined));
  await eventually("and its record", () =>
    kube.object(IPS, { name: "late.default.net1.default.ovn" }) ? undefined : true,
  );
  t.notOk(controller.facts.get("ports", "late.default.net1.default.ovn"));
  await kube.delete(PODS, { namespace: "default", name: "late" }, { gracePeriodSeconds: 0 });
  await eventually("all is released", () =>
    kube.objects(IPS).some(({ metadata }) => metadata.name.startsWith("late.")) ? undefined : true,
  );
});

t.test(
  "beside another network plugin a pod has only the interfaces of its networks, and one without networks is not changed",
  async (t) => {
    const { kube, server } = await cluster(t);
    const metadata = { namespace: "default", name: "net1" };
    await kube.create(NETWORK_ATTACHMENTS, { metadata, spec: { config: JSON.stringify(NETWORK_CONFIG.ovn("net1")) } });
    await kube.create(SUBNETS, {
      metadata: { name: "net1" },
      spec: { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" },
    });
    const pod = (name: string, annotations: Record<string, string> = {}) =>
      kube.create(PODS, { metadata: { namespace: "default", name, annotations }, spec: { nodeName: "n1" } });
    await pod("plain");
    await pod("asking", { "k8s.v1.cni.cncf.io/networks": "net1,net1" });
    const { controller } = candidate(t, kube, server, { settings: { ...SETTINGS, nonPrimary: true } });
    const told = (name: string) => kube.object<Pod>(PODS, { namespace: "default", name })?.metadata.annotations ?? {};
    await eventually(
      "its annotations have both",
      () => told("asking")["net1.default.ovn.net2.kubernetes.io/allocated"],
    );
    t.notOk(Object.keys(told("asking")).some((key) => key.startsWith("ovn.kubernetes.io/ip_address")));
    t.same(told("plain"), {});
    const ports = [...controller.facts.all("ports")]
      .map(({ name }) => name)
      .filter((name) => !name.startsWith("node-"));
    t.same(ports.sort(), ["asking.default.net1.default.ovn.net1", "asking.default.net1.default.ovn.net2"]);
    t.notOk(kube.objects(IPS).some(({ metadata }) => metadata.name.startsWith("plain.")));
  },
);
