// SPDX-License-Identifier: Apache-2.0

import { mock } from "node:test";
import t, { type Test } from "tap";
import { UNIT_KINDS } from "../../kinds/units.ts";
import type { KubeObject } from "../../kube/object.ts";
import { NODES, PODS, SUBNETS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { addPod, candidate, cluster, eventually } from "../testing/cluster.ts";

type WithStatus = KubeObject & { readonly status?: { readonly conditions?: readonly unknown[] } };

/** Counts how often units of each kind are read and compiled. */
function counted(t: Test): () => Readonly<Record<string, number>> {
  const kinds = UNIT_KINDS.map((kind) => ({
    name: kind.name,
    read: mock.method(kind, "read"),
    compile: mock.method(kind, "compile"),
  }));
  t.teardown(() => mock.restoreAll());
  return () =>
    Object.fromEntries(
      kinds.flatMap(({ name, read, compile }) => {
        const [reads, compiles] = [read.mock.callCount(), compile.mock.callCount()];
        return reads + compiles === 0 ? [] : [[name, reads + compiles]];
      }),
    );
}

async function settled(kube: FakeKube, controller: ReturnType<typeof candidate>["controller"]): Promise<void> {
  await eventually("it is quiet", () => controller.engine.idle || undefined);
  await kube.settled();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await eventually("it is still quiet", () => controller.engine.idle || undefined);
}

t.test("one more node triggers only its own units", async (t) => {
  const { kube, server } = await cluster(t);
  const { controller } = candidate(t, kube, server);
  const annotation = (type: typeof PODS, name: string, key: string) =>
    kube.object(type, { ...(type === PODS && { namespace: "default" }), name })?.metadata.annotations?.[key];
  await eventually("n1 joins", () => annotation(NODES, "n1", "ovn.kubernetes.io/ip_address"));
  const subnets: readonly (readonly [string, object])[] = [
    ["distributed", { natOutgoing: true }],
    ["central", { gatewayType: "centralized", gatewayNode: "n1" }],
    ["chosen", { gatewayType: "centralized", gatewayNodeSelectors: [{ matchLabels: { gateway: "yes" } }] }],
  ];
  for (const [i, [name, more]] of subnets.entries())
    await kube.create(SUBNETS, { metadata: { name }, spec: { cidrBlock: `10.6${i}.0.0/24`, ...more } } as never);
  for (const name of ["a", "b"]) {
    await addPod(kube, name);
    await eventually(`${name} is routed`, () => annotation(PODS, name, "ovn.kubernetes.io/routed"));
  }
  for (const [name] of subnets)
    await eventually(`${name} is judged`, () => kube.object<WithStatus>(SUBNETS, { name })?.status?.conditions);
  await settled(kube, controller);

  const counts = counted(t);
  await kube.create(NODES, { metadata: { name: "n2" } });
  await eventually("n2 joins", () => annotation(NODES, "n2", "ovn.kubernetes.io/ip_address"));
  await settled(kube, controller);
  const { node = 0, chassis: _chassis, ...others } = counts();
  t.ok(node > 0, "its own units are compiled");
  t.same(others, {}, "and no other");
});
