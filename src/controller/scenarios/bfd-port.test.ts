// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import { SUBNETS, VPCS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert } from "../../ovsdb/operation.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

for (const how of ["it is turned off", "its Vpc is deleted", "its Vpc is deleted while no controller runs"] as const) {
  t.test(
    `the BFD port of a VPC, its group of chassis and the sessions that another client created for it go when ${how}`,
    async (t) => {
      const { kube, server } = await cluster(t);
      const { controller, stop } = candidate(t, kube, server);
      await eventually("it leads", () => (controller.leading && kube.object(SUBNETS, { name: "join" })) || undefined);
      const ref = { name: "team" };
      await kube.create(VPCS, { metadata: ref, spec: { bfdPort: { enabled: true, ip: "10.255.255.255" } } } as never);
      const port = () => server.rows(OVN_NB, "Logical_Router_Port").find(({ name }) => name === "bfd@team");
      await eventually("the port is there", port);
      const session = (logical_port: string) =>
        insert(OVN_NB, "BFD", randomUUID(), { logical_port, dst_ip: "10.0.0.9" } as never);
      await server.edit(OVN_NB, [session("bfd@team"), session("another")]);
      server.transactions.length = 0;
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
      t.match(server.rows(OVN_NB, "BFD"), [{ logical_port: "another" }], "no session is left without its port");
      if (how === "its Vpc is deleted")
        await eventually("the Vpc is gone", () => kube.object(VPCS, ref) === undefined || undefined);
    },
  );
}
