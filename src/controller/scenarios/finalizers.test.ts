// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DEPRECATED_FINALIZER, FINALIZER } from "../../api/names.ts";
import { IP_POOLS, IPS, type ResourceType, SUBNETS, VIPS, VPCS } from "../../kube/resources.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

t.test("Kube-OVN's finalizer from before 1.13 is removed wherever it is found, and blocks no deletion", async (t) => {
  const { kube, server } = await cluster(t);
  const objects: readonly (readonly [ResourceType, string, Record<string, unknown>])[] = [
    [VPCS, "old", {}],
    [SUBNETS, "old", { vpc: "ovn-cluster", cidrBlock: "10.50.0.0/24" }],
    [IP_POOLS, "old", { subnet: "old", ips: ["10.50.0.10"] }],
    [VIPS, "old", { subnet: "old" }],
  ];
  const theirs = "example.com/theirs";
  for (const [type, name, spec] of objects) {
    const finalizers = type === VPCS ? [DEPRECATED_FINALIZER, theirs] : [DEPRECATED_FINALIZER];
    await kube.create(type, { metadata: { name, finalizers }, spec } as never);
  }
  // The IP object of a deleted pod: its address is released.
  const spec = { podName: "gone", namespace: "default", subnet: "ovn-default", v4IpAddress: "10.16.0.99" };
  await kube.create(IPS, { metadata: { name: "gone.default", finalizers: [DEPRECATED_FINALIZER] }, spec } as never);
  candidate(t, kube, server);
  const found = (type: ResourceType) => kube.object(type, { name: "old" })?.metadata.finalizers;
  for (const [type] of objects) {
    await eventually(`${type.kind} has today's`, () => found(type)?.includes(FINALIZER) || undefined);
    t.same(found(type), type === VPCS ? [theirs, FINALIZER] : [FINALIZER], type.kind);
  }
  await eventually("the IP object goes", () => kube.object(IPS, { name: "gone.default" }) === undefined || undefined);
  for (const [type] of [...objects].reverse()) {
    await kube.delete(type, { name: "old" });
    await eventually(`${type.kind} is let go`, () => !found(type)?.includes(FINALIZER) || undefined);
  }
  t.same(found(VPCS), [theirs], "other finalizers stay");
});

t.test("an object that is being deleted when it is found gets no present finalizer, and is deleted", async (t) => {
  const { kube, server } = await cluster(t);
  await kube.create(VPCS, { metadata: { name: "old", finalizers: [DEPRECATED_FINALIZER] }, spec: {} } as never);
  await kube.delete(VPCS, { name: "old" });
  t.ok(kube.object(VPCS, { name: "old" }));
  candidate(t, kube, server);
  await eventually("it goes", () => kube.object(VPCS, { name: "old" }) === undefined || undefined);
});
