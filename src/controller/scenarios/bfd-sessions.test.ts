// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { vlanKind } from "../../kinds/vlan.ts";
import { NODES, SUBNETS, VPCS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert } from "../../ovsdb/operation.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

const REF = { name: "team" };
const HOPS = ["172.30.0.2", "172.30.0.3"] as const;
const ROUTES = HOPS.map((nextHopIP) => ({ cidr: "0.0.0.0/0", nextHopIP }));

/** A cluster with an external subnet and a gateway node. */
async function external(t: Test) {
  const { kube, server } = await cluster(t);
  const gateway = (is: string | null) => {
    const labels = { "ovn.kubernetes.io/external-gw": is };
    const annotations = { "ovn.kubernetes.io/chassis": "chassis-n1" };
    return kube.patch(NODES, { name: "n1" }, { type: "merge", body: { metadata: { labels, annotations } } });
  };
  await gateway("true");
  await kube.create(vlanKind.type, { metadata: { name: "v100" }, spec: { id: 100, provider: "external" } } as never);
  const range = { cidrBlock: "172.30.0.0/24", gateway: "172.30.0.1", excludeIps: ["172.30.0.1..172.30.0.99"] };
  await kube.create(SUBNETS, { metadata: { name: "external" }, spec: { ...range, vlan: "v100" } } as never);
  const sessions = () => server.rows(OVN_NB, "BFD");
  const hasPort = () => server.rows(OVN_NB, "Logical_Router_Port").some(({ name }) => name === "team-external");
  return { kube, server, gateway, sessions, hasPort };
}

for (const how of [
  "enableExternal is turned off",
  "enableExternal is turned off while no controller runs",
  "no node is a gateway any more",
  "its Vpc is deleted",
  "its Vpc is deleted while no controller runs",
] as const) {
  t.test(`no transaction leaves a session of enableBfd without its port when ${how}`, async (t) => {
    const { kube, server, gateway, sessions, hasPort } = await external(t);
    const withoutPort = () => {
      const ports = new Set(server.rows(OVN_NB, "Logical_Router_Port").map(({ name }) => name));
      return sessions().filter(({ logical_port }) => !ports.has(logical_port));
    };
    const check = server.onTransact;
    server.onTransact = (...transaction) => {
      t.same(withoutPort(), [], "after the transaction before");
      return check?.(...transaction);
    };
    const { stop } = candidate(t, kube, server);
    const spec = { enableExternal: true, enableBfd: true, staticRoutes: ROUTES };
    await kube.create(VPCS, { metadata: REF, spec } as never);
    await eventually("its next hops are monitored", () => sessions().length === HOPS.length || undefined);
    const asleep = how.endsWith("while no controller runs");
    if (asleep) await stop();
    if (how.startsWith("enableExternal"))
      await kube.patch(VPCS, REF, { type: "merge", body: { spec: { enableExternal: false } } });
    else if (how === "no node is a gateway any more") await gateway(null);
    else {
      if (asleep) await kube.patch(VPCS, REF, { type: "merge", body: { metadata: { finalizers: [] } } });
      await kube.delete(VPCS, REF);
    }
    if (asleep) candidate(t, kube, server);
    await eventually("they are gone", () => sessions().length === 0 || undefined);
    await eventually("and so is the port", () => !hasPort() || undefined);
  });
}

t.test("enableBfd uses a session that another client has created, because OVN allows no second one", async (t) => {
  const { kube, server, sessions, hasPort } = await external(t);
  candidate(t, kube, server);
  await kube.create(VPCS, { metadata: REF, spec: { enableExternal: true, staticRoutes: ROUTES } } as never);
  await eventually("it has its port", () => hasPort() || undefined);
  const theirs = randomUUID();
  await server.edit(OVN_NB, [
    insert(OVN_NB, "BFD", theirs, { logical_port: "team-external", dst_ip: HOPS[0] } as never),
  ]);
  await kube.patch(VPCS, REF, { type: "merge", body: { spec: { enableBfd: true } } });
  await eventually("the other next hop has a session", () => sessions().length === HOPS.length || undefined);
  const used = server
    .rows(OVN_NB, "Logical_Router_Static_Route")
    .flatMap(({ nexthop, bfd }) => (bfd === undefined ? [] : [[nexthop, bfd]]));
  const ours = sessions().find(({ dst_ip }) => dst_ip === HOPS[1])?._uuid;
  t.same(
    used.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
    [
      [HOPS[0], theirs],
      [HOPS[1], ours],
    ],
  );
});
