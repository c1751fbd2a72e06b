// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addNetwork, addPod, NETWORK_CONFIG, sampleFacts } from "../testing/sample-facts.ts";
import { podUnit } from "./pod.ts";

const NETWORKS = "k8s.v1.cni.cncf.io/networks";

/** What an Event says about annotations of a pod that belong to no interface of it. */
function events(annotations: Record<string, string>): readonly string[] {
  const facts = sampleFacts();
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
  addPod(facts, "a", { node: "weft-1", annotations });
  const input = podUnit.read(facts, "default/a");
  const effects = input === undefined ? [] : podUnit.compile(input).effects;
  return effects.flatMap((effect) =>
    effect.kind === "report" && effect.reason === "InterfaceNotFound" ? effect.message : [],
  );
}

t.test(
  "an annotation for an interface that the pod does not have is named in an Event, with those that it has",
  async (t) => {
    t.same(events({ "net1.default.ovn.kubernetes.io/ingress_rate": "5", "other.kubernetes.io/limit": "1" }), [
      "annotations net1.default.ovn.kubernetes.io/ingress_rate belong to no interface of the pod and have no effect; annotations of its interfaces begin with: ovn.kubernetes.io",
    ]);
    t.match(
      events({ [NETWORKS]: "net1", "net1.other.ovn.kubernetes.io/egress_rate": "5" }),
      [
        /net1\.other\.ovn\.kubernetes\.io\/egress_rate .* begin with: ovn\.kubernetes\.io, net1\.default\.ovn\.kubernetes\.io$/,
      ],
      "of another namespace's network",
    );
    t.match(
      events({ [NETWORKS]: "net1,net1", "net1.default.ovn.kubernetes.io/ip_address": "10.30.0.5" }),
      [/begin with: ovn.*, net1\.default\.ovn\.net1\.kubernetes\.io, net1\.default\.ovn\.net2\.kubernetes\.io$/],
      "of a network that the pod has twice",
    );
    t.match(
      events({ "v1.multus-cni.io/default-network": "default/net1", "ovn.kubernetes.io/ingress_rate": "5" }),
      [/ovn\.kubernetes\.io\/ingress_rate belong .* begin with: net1\.default\.ovn\.kubernetes\.io$/],
      "of the primary interface, where another network replaces it",
    );
    const replaced = { "v1.multus-cni.io/default-network": "default/net1" };
    for (const [key, value] of [
      ["ovn.kubernetes.io/vip", "front"],
      ["ovn.kubernetes.io/north_gateway", "10.16.0.9"],
      ["ovn.kubernetes.io/dhcp-v4-options", "lease_time=60"],
      ["kubernetes.io/ingress-bandwidth", "5M"],
    ] as const)
      t.match(events({ ...replaced, [key]: value }), [key], `${key} is of the primary interface alone`);
    t.match(events({ [NETWORKS]: "net1", "net2.default.ovn.kubernetes.io/dhcp-v6-options": "x=1" }), [
      /^annotations net2\.default\.ovn\.kubernetes\.io\/dhcp-v6-options belong to no interface/,
    ]);
  },
);

t.test("annotations of interfaces that the pod has, or may yet turn out to have, are not", async (t) => {
  for (const key of ["ovn.kubernetes.io/ingress_rate", "ovn.kubernetes.io/vip", "kubernetes.io/ingress-bandwidth"])
    t.same(events({ [key]: "5" }), [], key);
  t.same(
    events({ "v1.multus-cni.io/default-network": "default/lan", "kubernetes.io/ingress-bandwidth": "5M" }),
    [],
    "another plugin creates eth0, and may limit it",
  );
  t.same(
    events({
      [NETWORKS]: "net1,lan,net1@second",
      "net1.default.ovn.kubernetes.io/ingress_rate": "5",
      "net1.default.ovn.second.kubernetes.io/ip_address": "10.30.0.5",
      "net1.default.kubernetes.io/mac_address.second": "02:00:00:00:00:01",
      "lan.default.kubernetes.io/ip_address": "10.31.0.5",
      "lan.default.kubernetes.io/dhcp-v4-options": "lease_time=60",
    }),
    [],
  );
  t.same(events({ [NETWORKS]: "later", "later.default.ovn.kubernetes.io/ingress_rate": "5" }), []);
});
