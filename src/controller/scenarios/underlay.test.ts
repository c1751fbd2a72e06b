// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { vlanKind } from "../../kinds/vlan.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IPS, PODS, SUBNETS, VPCS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import type { Pod } from "../../kube/types.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

interface Subnet extends KubeObject {
  readonly spec?: { readonly vpc?: string };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
    readonly u2oInterconnectionIP?: string;
    readonly u2oInterconnectionMAC?: string;
    readonly u2oInterconnectionVPC?: string;
  };
}

const CIDR = { cidrBlock: "172.30.0.0/24,fd00:30::/112", gateway: "172.30.0.1,fd00:30::1" };
const U2O = { vlan: "v100", u2oInterconnection: true };
const OVERLAY_ONLY = { u2oFeatures: { overlayOnlyRouting: true } };

const statusOf = (kube: FakeKube) => kube.object<Subnet>(SUBNETS, { name: "out" })?.status;
const patch = (kube: FakeKube, spec: object) => kube.patch(SUBNETS, { name: "out" }, { type: "merge", body: { spec } });

/** A cluster with a leading controller and the subnet `out` of Vlan 100, with further fields. */
async function underlay(t: Test, spec: object) {
  const { kube, server } = await cluster(t);
  await kube.create(vlanKind.type, { metadata: { name: "v100" }, spec: { id: 100, provider: "external" } } as never);
  candidate(t, kube, server);
  await eventually("the default subnet exists", () => kube.object(SUBNETS, { name: "ovn-default" }));
  await kube.create(SUBNETS, { metadata: { name: "out" }, spec: { ...CIDR, ...spec } } as never);
  return { kube, server };
}

/** The router's port towards `out`. */
const portOf = (server: FakeOvsdb, router = "ovn-cluster") =>
  server.rows(OVN_NB, "Logical_Router_Port").find(({ name }) => name === `${router}-out`);

/** The router policies of the subnet, as in `ovn-nbctl lr-policy-list`. */
function policiesOf(server: FakeOvsdb): readonly string[] {
  return server
    .rows(OVN_NB, "Logical_Router_Policy")
    .filter(({ external_ids: ids }) => ids["subnet"] === "out")
    .map(({ priority, match, action, nexthops }) => [priority, match, action, ...nexthops].join(" "))
    .sort();
}

/** Adds a pod in the subnet; resolves with its annotations once it has its address. */
async function podIn(kube: FakeKube, name: string, subnet: string, annotations: object = {}) {
  await kube.create(PODS, {
    metadata: {
      namespace: "default",
      name,
      annotations: { "ovn.kubernetes.io/logical_switch": subnet, ...annotations },
    },
    spec: { nodeName: "n1", hostNetwork: false },
  });
  return await eventually(`pod ${name} has an address`, () => annotationsOf(kube, name));
}

function annotationsOf(kube: FakeKube, name: string): Readonly<Record<string, string>> | undefined {
  const { annotations = {} } = kube.object<Pod>(PODS, { namespace: "default", name })?.metadata ?? {};
  return annotations["ovn.kubernetes.io/routed"] === "true" ? annotations : undefined;
}

t.test("the gateway of an underlay subnet is outside, and its pods are told so", async (t) => {
  const { kube, server } = await underlay(t, { vlan: "v100" });
  const pod = await podIn(kube, "a", "out");
  t.equal(pod["ovn.kubernetes.io/gateway"], "172.30.0.1,fd00:30::1");
  t.match(pod, { "ovn.kubernetes.io/vlan_id": "100", "ovn.kubernetes.io/provider_network": "external" });
  t.equal(pod["ovn.kubernetes.io/logical_router"], undefined);
  t.equal(portOf(server), undefined);
  t.same(policiesOf(server), []);
});

t.test("with logicalGateway the VPC's router is the gateway, and its spoofed sources are dropped", async (t) => {
  const { kube, server } = await underlay(t, { vlan: "v100", logicalGateway: true });
  const pod = await podIn(kube, "a", "out");
  t.equal(pod["ovn.kubernetes.io/gateway"], "172.30.0.1,fd00:30::1");
  t.equal(pod["ovn.kubernetes.io/logical_router"], "ovn-cluster");
  t.same(portOf(server)?.networks, ["172.30.0.1/24", "fd00:30::1/112"]);
  t.ok(server.rows(OVN_NB, "Logical_Switch_Port").some(({ name, tag }) => name === "localnet.out" && tag === 100));
  const policies = policiesOf(server);
  t.ok(policies.includes("31000 ip4.dst == 172.30.0.0/24 allow"), "as an overlay subnet");
  const guard = policies.find((text) => text.startsWith('32767 inport == "ovn-cluster-out" && ip4.src =='));
  t.match(guard, /10\.16\.0\.0\/24, 100\.64\.0\.0\/24.* drop$/, "packets from outside with a source of other subnets");
});

t.test("u2oInterconnection gives the router an address, by which pods reach overlay subnets", async (t) => {
  const { kube, server } = await underlay(t, U2O);
  const port = await eventually("the router has a port", () => portOf(server));
  const ip = kube.object<KubeObject & { readonly spec?: Readonly<Record<string, string>> }>(IPS, {
    name: "u2o-interconnection.ovn-cluster.out",
  });
  const { v4IpAddress: v4 = "", v6IpAddress: v6 = "", macAddress: mac = "" } = ip?.spec ?? {};
  t.match([v4, v6], [/^172\.30\.0\./, /^fd00:30::/]);
  t.same(port.networks, [`${v4}/24`, `${v6}/112`]);
  t.equal(port.mac, mac);
  const expected = {
    ...{ u2oInterconnectionIP: `${v4},${v6}`, u2oInterconnectionMAC: mac },
    u2oInterconnectionVPC: "ovn-cluster",
  };
  await eventually("the status says so", () => statusOf(kube)?.u2oInterconnectionIP === `${v4},${v6}` || undefined);
  t.match(statusOf(kube), expected);
  t.same(
    policiesOf(server).filter((text) => text.includes("ip4") && !text.includes("inport")),
    [
      "29000 ip4.src == 172.30.0.0/24 reroute 172.30.0.1",
      "29400 ip4.dst == 172.30.0.0/24 allow",
      "31000 ip4.dst == $weft_nodes_ip4 && ip4.src == 172.30.0.0/24 reroute 172.30.0.1",
    ],
  );
  const router = server.rows(OVN_NB, "Logical_Router").find(({ name }) => name === "ovn-cluster");
  t.equal(router?.options["always_learn_from_arp_request"], "true");
  const pod = await podIn(kube, "a", "out");
  t.equal(pod["ovn.kubernetes.io/gateway"], `${v4},${v6}`);
  t.equal(pod["ovn.kubernetes.io/logical_router"], "ovn-cluster");

  await patch(kube, OVERLAY_ONLY);
  await eventually(
    "only packets of overlay subnets go by the router",
    () => policiesOf(server).includes("30050 ip4.src == 172.30.0.0/24 reroute 172.30.0.1") || undefined,
  );
  t.same(
    policiesOf(server).filter((text) => text.includes("ip4") && !text.includes("inport")),
    [
      "29400 ip4.src == {10.16.0.0/24, 100.64.0.0/24} && ip4.dst == 172.30.0.0/24 allow",
      "30050 ip4.src == 172.30.0.0/24 reroute 172.30.0.1",
      "30060 ip4.src == 172.30.0.0/24 && ip4.dst == 172.30.0.0/24 allow",
      "31000 ip4.dst == $weft_nodes_ip4 && ip4.src == 172.30.0.0/24 reroute 172.30.0.1",
    ],
  );

  await patch(kube, { u2oInterconnection: false, u2oFeatures: null });
  await eventually("the port is gone", () => (portOf(server) === undefined ? true : undefined));
  await eventually("its record is gone", () =>
    kube.object(IPS, { name: "u2o-interconnection.ovn-cluster.out" }) === undefined ? true : undefined,
  );
  t.same(policiesOf(server), []);
  await eventually("the status says so", () => statusOf(kube)?.u2oInterconnectionIP === "" || undefined);
  t.match(statusOf(kube), { u2oInterconnectionMAC: "", u2oInterconnectionVPC: "" });
  t.ok(
    server.rows(OVN_NB, "Logical_Switch_Port").some(({ name }) => name === "a.default"),
    "the pod keeps its port",
  );
});

t.test("the address can be chosen and changed; a pod waits while another object has it", async (t) => {
  const { kube, server } = await underlay(t, { vlan: "v100" });
  await podIn(kube, "holder", "out", { "ovn.kubernetes.io/ip_address": "172.30.0.77" });
  await patch(kube, { ...U2O, u2oInterconnectionIP: "172.30.0.77" });
  await eventually("the condition says who has it", () =>
    statusOf(kube)?.conditions?.find(({ message }) => /new pods wait.*172\.30\.0\.77.*holder/.test(message)),
  );
  t.equal(portOf(server), undefined);
  t.ok(annotationsOf(kube, "holder"), "pods that have addresses keep them");
  await kube.create(PODS, {
    metadata: { namespace: "default", name: "late", annotations: { "ovn.kubernetes.io/logical_switch": "out" } },
    spec: { nodeName: "n1", hostNetwork: false },
  });
  await eventually("its address is recorded", () => kube.object(IPS, { name: "late.default" }));
  t.equal(annotationsOf(kube, "late"), undefined, "it would get the wrong gateway");
  await patch(kube, { u2oInterconnectionIP: "172.30.0.200,fd00:30::200" });
  await eventually("the router has the address", () =>
    portOf(server)?.networks.includes("172.30.0.200/24") ? true : undefined,
  );
  const late = await eventually("the pod goes on", () => annotationsOf(kube, "late"));
  t.equal(late["ovn.kubernetes.io/gateway"], "172.30.0.200,fd00:30::200");
  await patch(kube, { u2oInterconnectionIP: "172.30.0.201,fd00:30::201" });
  await eventually("the router has the new address", () =>
    portOf(server)?.networks.includes("172.30.0.201/24") ? true : undefined,
  );
});

t.test("in a custom VPC packets to its subnets stay in the router", async (t) => {
  const { kube, server } = await cluster(t);
  await kube.create(vlanKind.type, { metadata: { name: "v100" }, spec: { id: 100, provider: "external" } } as never);
  await kube.create(VPCS, { metadata: { name: "team" }, spec: {} } as never);
  candidate(t, kube, server);
  await kube.create(SUBNETS, { metadata: { name: "in" }, spec: { vpc: "team", cidrBlock: "10.50.0.0/24" } } as never);
  await kube.create(SUBNETS, { metadata: { name: "out" }, spec: { ...CIDR, ...U2O, vpc: "team" } } as never);
  await eventually("the router has a port", () => portOf(server, "team"));
  await eventually("and policies", () =>
    policiesOf(server).some((text) => text.includes("10.50")) ? true : undefined,
  );
  t.same(
    policiesOf(server).filter((text) => text.includes("ip4")),
    [
      "29000 ip4.src == 172.30.0.0/24 reroute 172.30.0.1",
      "31000 ip4.src == 172.30.0.0/24 && ip4.dst == {10.50.0.0/24} allow",
      '32767 inport == "team-out" && ip4.src == {10.50.0.0/24} drop',
    ],
  );
});

t.test("a subnet of a Vlan whose id another Vlan has is not accepted until the id is free", async (t) => {
  const { kube } = await underlay(t, { vlan: "v100" });
  const spec = { id: 100, provider: "external" };
  await kube.create(vlanKind.type, { metadata: { name: "w100" }, spec } as never);
  const second = { cidrBlock: "172.29.0.0/24", vlan: "w100" };
  await kube.create(SUBNETS, { metadata: { name: "second" }, spec: second } as never);
  const reasons = (name: string) =>
    kube.object<Subnet>(SUBNETS, { name })?.status?.conditions?.map(({ reason }) => reason) ?? [];
  await eventually("it is refused", () => reasons("second").includes("VlanConflict") || undefined);
  t.notOk(reasons("out").includes("VlanConflict"), "the first one goes on");
  await kube.patch(vlanKind.type, { name: "w100" }, { type: "merge", body: { spec: { id: 101 } } });
  await eventually("it is accepted", () => reasons("second").includes("Ready") || undefined);
});
