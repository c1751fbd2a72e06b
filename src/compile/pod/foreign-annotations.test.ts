// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addIp, addNetwork, addPod, addSubnet, NETWORK_CONFIG, sampleFacts } from "../testing/sample-facts.ts";
import { podUnit } from "./pod.ts";

/** The Events NotSupported of a pod with an interface on OVN and one of another plugin. */
function events(annotations: Record<string, string>): readonly string[] {
  const facts = sampleFacts();
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
  addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
  addSubnet(facts, "lan", { cidrBlock: "10.31.0.0/24", provider: "lan.default" });
  addPod(facts, "a", { node: "weft-1", annotations: { "k8s.v1.cni.cncf.io/networks": "net1,lan", ...annotations } });
  const common = { podName: "a", namespace: "default", nodeName: "weft-1" };
  addIp(facts, "a.default.net1.default.ovn", { ...common, subnet: "net1", v4: "10.30.0.2", v6: "" });
  addIp(facts, "a.default.lan.default", { ...common, subnet: "lan", v4: "10.31.0.2", v6: "" });
  const input = podUnit.read(facts, "default/a");
  const effects = input === undefined ? [] : podUnit.compile(input).effects;
  return effects.flatMap((effect) =>
    effect.kind === "report" && effect.reason === "NotSupported" ? effect.message : [],
  );
}

t.test("an Event names what an interface of another plugin asks for and only a port of OVN has", async (t) => {
  t.same(
    events({
      "lan.default.kubernetes.io/port_security": "true",
      "lan.default.kubernetes.io/security_groups": "web",
      "lan.default.kubernetes.io/mirror": "false",
      "lan.default.kubernetes.io/ip_address": "10.31.0.2",
    }),
    [
      "interface of lan.default: another plugin creates it, so these annotations have no effect: lan.default.kubernetes.io/port_security, lan.default.kubernetes.io/security_groups; only interfaces on OVN have ports",
    ],
  );
  t.match(events({ "lan.default.kubernetes.io/dhcp-v4-options": "lease_time=60" }), [/dhcp-v4-options; only/]);
  t.same(
    events({ "net1.default.ovn.kubernetes.io/port_security": "true", "lan.default.kubernetes.io/mirror": "" }),
    [],
  );
});
