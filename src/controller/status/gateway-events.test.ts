// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectSubnet } from "../../facts/project-subnet.ts";
import { gatewayEvents } from "./gateway-events.ts";

t.test("a changed gateway of a subnet is reported with Kube-OVN's reasons and messages", async (t) => {
  const subnet = (spec: object, uid = "u") =>
    projectSubnet({ metadata: { name: "s", uid }, spec: { cidrBlock: "10.20.0.0/24", ...spec } });
  const central = subnet({ gatewayType: "centralized", gatewayNode: "n1,n2" });
  t.same(gatewayEvents(subnet({}), central), [
    { reason: "SubnetGatewayTypeChanged", message: 'subnet gateway type changes from "distributed" to "centralized"' },
    { reason: "SubnetGatewayNodeChanged", message: 'gateway node changes from "" to "n1,n2"' },
  ]);
  t.same(
    gatewayEvents(subnet({}), subnet({ gatewayType: "distributed" })),
    [],
    "a default that is filled in is no change",
  );
  t.same(gatewayEvents(undefined, central), []);
  t.same(gatewayEvents(subnet({}, "another"), central), []);
});
