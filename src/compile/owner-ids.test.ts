// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { routerPortName, routerSwitchPortName } from "../api/names.ts";
import { rowUuid, stableMac } from "../desired/identity.ts";
import { nodeGroupId, nodePortId, routerId, routerMacId, routerPortId, switchId } from "./owner-ids.ts";

t.test("existing rows are recognised: ids and MACs stay those of the first version", async (t) => {
  // With another id the former row keeps its name, on which OVN has an index, and the new one is refused until it is
  // swept: pods are disconnected.
  t.equal(rowUuid("Logical_Router", routerId("tenant")), "a34fed81-86ad-5d2f-81e0-95233dc3824b");
  t.equal(rowUuid("Logical_Switch", switchId("tenant-net")), "94252f83-5890-5260-8f91-1ec0465362f3");
  t.equal(rowUuid("Logical_Switch_Port", nodePortId("n1")), "f3e8de71-8329-548e-b2a2-af63a2bd2506");
  t.equal(rowUuid("Port_Group", nodeGroupId("n1")), "b9ecf924-9c6e-5da6-a76b-2de7460acbb9");
  const ports = [
    { vpc: "ovn-cluster", subnet: "join", mac: "d2:00:cb:64:23:65" },
    { vpc: "tenant", subnet: "tenant-net", mac: "36:33:e6:aa:ac:66" },
  ];
  const ids = ports.map(({ vpc, subnet }) => [
    rowUuid("Logical_Router_Port", routerPortId(routerPortName(vpc, subnet).plain)),
    rowUuid("Logical_Switch_Port", routerPortId(routerSwitchPortName(subnet, vpc).plain)),
  ]);
  t.same(ids, [
    ["203ca5c1-c857-506f-9e9e-0bf8de9a7ebc", "b8cc63dc-79cf-5b9d-aa60-2f7c39b53666"],
    ["fd2fe9bb-ca74-55d2-818b-3670fa24af8b", "bb74d397-77aa-5593-b4ac-4f084fc13e33"],
  ]);
  // Pods cache their gateway's MAC: with another one they are disconnected until they resolve it again.
  for (const { vpc, subnet, mac } of ports) t.equal(stableMac(routerMacId(vpc, subnet)), mac);
});
