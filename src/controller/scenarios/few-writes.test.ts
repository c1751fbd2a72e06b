// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { FINALIZER } from "../../api/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IP_POOLS, type ResourceType, SECURITY_GROUPS, SUBNETS, VIPS, VPCS } from "../../kube/resources.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

type WithStatus = KubeObject & {
  readonly status?: { readonly conditions?: readonly { readonly observedGeneration?: number }[] };
};

t.test("a new object costs at most two writes, and its conditions have its last generation", async (t) => {
  const { kube, server } = await cluster(t);
  const { controller } = candidate(t, kube, server);
  await eventually("it leads", () => (controller.leading && kube.object(SUBNETS, { name: "join" })) || undefined);
  const kinds: readonly (readonly [ResourceType, object, number])[] = [
    [VPCS, {}, 2],
    [SUBNETS, { cidrBlock: "10.60.0.0/24", vpc: "ovn-cluster" }, 2],
    [IP_POOLS, { subnet: "ovn-default", ips: ["10.16.0.100..10.16.0.101"] }, 2],
    [VIPS, { subnet: "ovn-default" }, 2],
    [SECURITY_GROUPS, {}, 1],
  ];
  for (const [type, spec, most] of kinds) {
    const ref = { name: "new" };
    const made = await kube.create(type, { metadata: ref, spec } as never);
    kube.requests.length = 0;
    await eventually(`${type.kind} is ready`, () => {
      const { metadata, status } = kube.object<WithStatus>(type, ref) ?? (made as WithStatus);
      const conditions = status?.conditions ?? [];
      const right = conditions.every(({ observedGeneration: of = metadata.generation }) => of === metadata.generation);
      const held = type === SECURITY_GROUPS || metadata.finalizers?.includes(FINALIZER);
      return (conditions.length > 0 && right && held) || undefined;
    });
    // The observed result of these writes causes no further write.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await kube.settled();
    const writes = kube.requests.filter(({ verb, name }) => verb === "patch" && name === "new");
    t.equal(writes.length, most, type.kind);
  }
});

t.test("a new subnet causes no write to the others", async (t) => {
  const { kube, server } = await cluster(t);
  const { controller } = candidate(t, kube, server);
  await eventually("it leads", () => (controller.leading && kube.object(SUBNETS, { name: "join" })) || undefined);
  const ready = (name: string) =>
    eventually(`${name} is ready`, () => kube.object<WithStatus>(SUBNETS, { name })?.status?.conditions);
  await ready("ovn-default");
  await kube.create(SUBNETS, { metadata: { name: "a" }, spec: { cidrBlock: "10.61.0.0/24" } } as never);
  await ready("a");
  await new Promise((resolve) => setTimeout(resolve, 50));
  kube.requests.length = 0;
  await kube.create(SUBNETS, { metadata: { name: "b" }, spec: { cidrBlock: "10.62.0.0/24" } } as never);
  await ready("b");
  await new Promise((resolve) => setTimeout(resolve, 50));
  const written = kube.requests.filter(({ verb, type }) => verb === "patch" && type === SUBNETS);
  t.same([...new Set(written.map(({ name }) => name))], ["b"]);
});
