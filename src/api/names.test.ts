// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import {
  interfaceAnnotation,
  ipLabels,
  isOvnProvider,
  ovnAttachmentProvider,
  podAnnotation,
  providerNetworkLabel,
} from "./annotations.ts";
import { nodePortGroupName, portGroupAddressSet } from "./names.ts";
import { nodePortName, podPortName } from "./port-names.ts";

t.test("a pod's port carries its provider unless that is OVN's own", async (t) => {
  t.equal(podPortName("web-0", "shop"), "web-0.shop");
  t.equal(podPortName("web-0", "shop", "ovn"), "web-0.shop");
  t.equal(podPortName("web-0", "shop", "net1.shop.ovn"), "web-0.shop.net1.shop.ovn");
});

t.test("port groups have dots where names have dashes", async (t) => {
  t.equal(nodePortName("weft-1"), "node-weft-1");
  t.equal(nodePortGroupName("weft-1").plain, "node.weft.1");
  t.equal(portGroupAddressSet("node.weft.1", 6), "node.weft.1_ip6");
});

t.test("annotations are named by provider", async (t) => {
  t.equal(podAnnotation("ovn", "ip_address"), "ovn.kubernetes.io/ip_address");
  t.equal(podAnnotation(ovnAttachmentProvider("net1", "shop"), "routed"), "net1.shop.ovn.kubernetes.io/routed");
  t.equal(
    podAnnotation(ovnAttachmentProvider("net1", "shop", "eth2"), "allocated"),
    "net1.shop.ovn.eth2.kubernetes.io/allocated",
  );
  t.equal(interfaceAnnotation("net1", "shop", "mac_address", "eth2"), "net1.shop.kubernetes.io/mac_address.eth2");
  t.equal(providerNetworkLabel("provider", "ready"), "provider.provider-network.kubernetes.io/ready");
});

t.test("a provider is OVN's by its last part", async (t) => {
  t.equal(isOvnProvider("ovn"), true);
  t.equal(isOvnProvider("net1.shop.ovn"), true);
  t.equal(isOvnProvider("net1.shop"), false);
  t.equal(isOvnProvider("net1.provn"), false);
});

t.test("an IP object is labelled with its subnet as a value and as a key", async (t) => {
  t.strictSame(ipLabels({ subnet: "ovn-default", node: "weft-1", reserved: false }), {
    "ovn.kubernetes.io/subnet": "ovn-default",
    "ovn.kubernetes.io/node-name": "weft-1",
    "ovn-default": "",
    "ovn.kubernetes.io/ip_reserved": "false",
  });
});
