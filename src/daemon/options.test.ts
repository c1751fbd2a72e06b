// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { readOptions } from "./options.ts";

t.test("options have Kube-OVN's defaults and refuse invalid values", async (t) => {
  t.match(readOptions([], { KUBE_NODE_NAME: "weft-1" }), {
    nodeName: "weft-1",
    bindSocket: "/run/openvswitch/kube-ovn-daemon.sock",
    cniConfName: "01-kube-ovn.conflist",
    nodeSwitch: "join",
    mtu: 0,
    metricsPort: 10665,
    secureServing: false,
    healthPort: 10666,
    enableMirror: false,
  });
  t.match(readOptions(["--enable-mirror"], {}), { enableMirror: true });
  t.match(readOptions(["--node-name=x", "--mtu=1350"], { KUBE_NODE_NAME: "weft-1" }), { nodeName: "x", mtu: 1350 });
});
