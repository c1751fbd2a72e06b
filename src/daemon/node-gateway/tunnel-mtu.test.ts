// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { tunnelMtu } from "./tunnel-mtu.ts";

t.test("tunnels reduce the MTU by their header", async (t) => {
  t.equal(tunnelMtu(1500, { type: "geneve", ip: "172.19.0.11" }), 1400);
  t.equal(tunnelMtu(1500, { type: "vxlan", ip: "172.19.0.11" }), 1450);
  t.equal(tunnelMtu(1500, { type: "geneve,vxlan", ip: "172.19.0.11" }), 1400);
  t.equal(tunnelMtu(9000, { type: "geneve", ip: "fd00::1" }), 8880);
});
