// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { SUBNETS, VPCS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

for (const how of ["it is turned off", "its Vpc is deleted", "its Vpc is deleted while no controller runs"] as const) {
  t.test(`the BFD port of a VPC and its group of chassis go when ${how}`, async (t) => {
    const { kube, server } = await cluster(t);
    const { controller, stop } = candidate(t, kube, server);
    await eventually("it leads", () => (controller.leading && kube.object(SUBNETS, { name: "join" })) || undefined);
    const ref = { name: "team" };
    await kube.create(VPCS, { metadata: ref, spec: { bfdPort: { enabled: true, ip: "10.255.255.255" } } } as never);
    const port = () => server.rows(OVN_NB, "Logical_Router_Port").find(({ name }) => name === "bfd@team");
    await eventually("the port is there", port);
    if (how === "it is turned off") {
      await kube.patch(VPCS, ref, { type: "merge", body: { spec: { bfdPort: { enabled: false } } } });
    } else if (how === "its Vpc is deleted") {
      await kube.delete(VPCS, ref);
    } else {
      await stop();
      await kube.patch(VPCS, ref, { type: "merge", body: { metadata: { finalizers: [] } } });
      await kube.delete(VPCS, ref);
      candidate(t, kube, server);
    }
    await eventually("the port is gone", () => port() === undefined || undefined);
    t.same(server.rows(OVN_NB, "HA_Chassis_Group"), []);
    if (how === "its Vpc is deleted")
      await eventually("the Vpc is gone", () => kube.object(VPCS, ref) === undefined || undefined);
  });
}
