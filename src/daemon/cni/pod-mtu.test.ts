// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SubnetContract } from "../../contract/subnet.ts";
import { type NodeMtus, podMtu } from "./pod-mtu.ts";

const NODE: NodeMtus = {
  mtu: 1400,
  plane: (network) => (network === "storage" ? { mtu: 8900 } : undefined),
  uplink: (network) => (network === "external" ? 1500 : undefined),
};
const CONTRACT: SubnetContract = { cidrs: [], natOutgoing: false, gatewayType: "distributed", mtu: 0 };

t.test("the most specific MTU that is known is that of a pod", async (t) => {
  t.equal(podMtu(undefined, 0, NODE), 1400);
  t.equal(podMtu("malformed", 0, NODE), 1400);
  t.equal(podMtu(CONTRACT, 0, NODE), 1400);
  t.equal(podMtu(CONTRACT, 1350, NODE), 1350);
  t.equal(podMtu({ ...CONTRACT, nodeNetwork: "storage" }, 0, NODE), 8900);
  t.equal(podMtu({ ...CONTRACT, nodeNetwork: "other" }, 0, NODE), 1400);
  t.equal(podMtu({ ...CONTRACT, mtu: 1300, network: "external" }, 1350, NODE), 1300);
});

t.test(
  "pods of an underlay subnet have the MTU of the node's interface, also where pods of others have another one",
  async (t) => {
    t.equal(podMtu({ ...CONTRACT, network: "external" }, 0, NODE), 1500);
    t.equal(podMtu({ ...CONTRACT, network: "external" }, 1350, NODE), 1500);
    t.equal(podMtu({ ...CONTRACT, network: "absent" }, 0, NODE), 1400, "the node is not connected yet");
  },
);
