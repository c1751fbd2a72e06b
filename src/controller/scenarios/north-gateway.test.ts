// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import type { KubeObject } from "../../kube/object.ts";
import { EVENTS, PODS, STATEFUL_SETS, SUBNETS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";

const NORTH = "ovn.kubernetes.io/north_gateway";
/** In the subnet of the gateway's pods, not of the ones below. */
const HOP = "10.16.0.77";

function uidOf(kube: FakeKube): string {
  return kube.object(STATEFUL_SETS, { namespace: "default", name: "web" })?.metadata.uid ?? "";
}

/** `set`: a pod of the StatefulSet, whose pods keep their addresses. */
async function addPod(
  kube: FakeKube,
  name: string,
  { annotations = {}, set = false }: { readonly annotations?: Record<string, string>; readonly set?: boolean } = {},
): Promise<void> {
  const owner = { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: uidOf(kube), controller: true };
  const metadata = {
    namespace: "default",
    name,
    annotations: { "ovn.kubernetes.io/logical_switch": "one", ...annotations },
    ...(set && { ownerReferences: [owner] }),
  };
  await kube.create(PODS, { metadata, spec: { nodeName: "n1", hostNetwork: false } });
}

/** The policies of single pods that reroute to the gateway. */
const policies = (server: FakeOvsdb): readonly string[] =>
  server
    .rows(OVN_NB, "Logical_Router_Policy")
    .flatMap(({ nexthops, match }) => (nexthops?.includes(HOP) ? [match] : []));

/** A subnet with room for one pod, and a pod with a north gateway in it. */
async function start(t: Test, name = "a") {
  const { kube, server } = await cluster(t);
  const first = candidate(t, kube, server);
  await kube.create(SUBNETS, { metadata: { name: "one" }, spec: { cidrBlock: "10.40.0.0/30" } } as never);
  await kube.create(STATEFUL_SETS, { metadata: { namespace: "default", name: "web" }, spec: { replicas: 1 } } as never);
  await addPod(kube, name, { annotations: { [NORTH]: HOP }, set: name.startsWith("web") });
  const address = await eventually("an address", () => addressOf(kube, name));
  t.same(policies(server), [`ip4.src == ${address} && is_chassis_resident("${name}.default")`]);
  /** All states of the database. */
  const client = server.connect();
  t.teardown(() => client.close());
  const seen: { readonly ports: readonly string[]; readonly policies: readonly string[] }[] = [];
  const mirror = client.monitor(OVN_NB, {
    Logical_Switch_Port: ["name", "addresses"],
    Logical_Router_Policy: ["match", "nexthops"],
  });
  await mirror.whenSynced();
  mirror.subscribe(() => {
    seen.push({
      ports: [...mirror.rows("Logical_Switch_Port")].map(({ _uuid, name }) => `${name} ${_uuid}`),
      policies: [...mirror.rows("Logical_Router_Policy")].flatMap(({ nexthops, match }) =>
        nexthops.includes(HOP) ? [match] : [],
      ),
    });
  });
  return { kube, server, first, address, seen };
}

t.test("a pod's north gateway is removed with the pod", async (t) => {
  const { kube, server } = await start(t);
  await kube.delete(PODS, { namespace: "default", name: "a" }, { gracePeriodSeconds: 0 });
  await eventually("it is gone", () => (policies(server).length === 0 ? true : undefined));
});

t.test("it follows the annotation, and an invalid one is reported in an Event", async (t) => {
  const { kube, server } = await start(t);
  const annotate = (value: string | null) =>
    kube.patch(
      PODS,
      { namespace: "default", name: "a" },
      { type: "merge", body: { metadata: { annotations: { [NORTH]: value } } } },
    );
  await annotate("192.168.7.7");
  await eventually("the policy is gone", () => (policies(server).length === 0 ? true : undefined));
  await eventually("an Event", () =>
    kube
      .objects<KubeObject & { message?: string }>(EVENTS)
      .find(({ message }) => message?.includes("192.168.7.7 is in no subnet of VPC")),
  );
  await annotate(HOP);
  await eventually("it is back", () => (policies(server).length === 1 ? true : undefined));
});

for (const [who, first, next] of [
  ["another pod", "a", "b"],
  ["a pod of the same name", "a", "a"],
  ["the pod of a StatefulSet, which keeps its address,", "web-0", "web-0"],
] as const) {
  t.test(`${who} gets the address after a controller's crash, but never the policy`, async (t) => {
    const { kube, server, first: leader, address, seen } = await start(t, first);
    const [before] = server.rows(OVN_NB, "Logical_Switch_Port").filter(({ name }) => name === `${first}.default`);
    await leader.stop();
    await kube.delete(PODS, { namespace: "default", name: first }, { gracePeriodSeconds: 0 });
    await addPod(kube, next, { set: next.startsWith("web") });
    candidate(t, kube, server);
    t.equal(await eventually("the address", () => addressOf(kube, next)), address);
    await eventually("the old policy is gone", () => (policies(server).length === 0 ? true : undefined));
    const port = server.rows(OVN_NB, "Logical_Switch_Port").find(({ name }) => name === `${next}.default`);
    t.ok(port !== undefined && port._uuid !== before?._uuid);
    const together = seen.filter(
      ({ ports, policies: of }) => of.length > 0 && ports.includes(`${next}.default ${port?._uuid}`),
    );
    t.same(together, [], "there was no moment with the new port and the old policy");
  });
}
