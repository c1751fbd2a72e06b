// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ovnEipKind } from "../../kinds/ovn-eip.ts";
import { vlanKind } from "../../kinds/vlan.ts";
import type { CustomObject } from "../../kube/object.ts";
import { CONFIG_MAPS, EVENTS, NODES, PODS, type ResourceType, SUBNETS, VPCS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";

type Any = CustomObject<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;
const [EIP, SNAT] = ["ovn.kubernetes.io/eip", "ovn.kubernetes.io/snat"];
const GATEWAY = "ovn.kubernetes.io/external-gw";
const CONFIG = { namespace: "kube-system", name: "ovn-external-gw-config" };

const find = (kube: FakeKube, type: ResourceType, name: string) => kube.object<Any>(type, { name });
const make = (kube: FakeKube, type: ResourceType, name: string, spec: object) =>
  kube.create(type, { metadata: { name }, spec } as never);

/** A node, and the external subnet. */
async function world(kube: FakeKube): Promise<void> {
  await kube.create(NODES, { metadata: { name: "gw", annotations: { "ovn.kubernetes.io/chassis": "c" } } });
  await make(kube, vlanKind.type, "v", { provider: "external" });
  await make(kube, SUBNETS, "external", { cidrBlock: "172.30.0.0/24", gateway: "172.30.0.1", vlan: "v" });
}

async function addPod(kube: FakeKube, name: string, annotations: Record<string, string>): Promise<string> {
  const metadata = { namespace: "default", name, annotations };
  await kube.create(PODS, { metadata, spec: { nodeName: "gw", hostNetwork: false } });
  return eventually(`${name} has an address`, () => addressOf(kube, name));
}

const removePod = (kube: FakeKube, name: string) =>
  kube.delete(PODS, { namespace: "default", name }, { gracePeriodSeconds: 0 });

/** `type external=logical` of each translation. */
const translations = (server: FakeOvsdb): readonly string[] =>
  server
    .rows(OVN_NB, "NAT")
    .map((row) => `${row.type} ${row.external_ip}=${row.logical_ip}`)
    .sort();

function becomes(server: FakeOvsdb, ...wanted: readonly string[]): Promise<true> {
  return eventually(
    `translations are ${wanted.join(", ")}`,
    () => JSON.stringify(translations(server)) === JSON.stringify([...wanted].sort()) || undefined,
  );
}

const said = (kube: FakeKube, name: string, text: string) =>
  eventually(`an Event of ${name}: ${text}`, () =>
    kube
      .objects<Any & { readonly message: string; readonly involvedObject: { readonly name: string } }>(EVENTS)
      .find(({ message, involvedObject }) => involvedObject.name === name && message.includes(text)),
  );

t.test("the ConfigMap connects the default VPC and names its nodes, and its removal takes both back", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  candidate(t, kube, server);
  await eventually("the VPC is there", () => find(kube, VPCS, "ovn-cluster"));
  const data = {
    ...{ "enable-external-gw": "true", type: "centralized", "external-gw-nodes": "gw,absent" },
    ...{ "nic-ip": "172.30.0.5/24", "nic-mac": "02:00:00:00:00:55", "external-gw-nic": "eth1" },
  };
  await kube.create(CONFIG_MAPS, { metadata: CONFIG, data } as never);
  const vpc = await eventually("the VPC has its port", () => {
    const vpc = find(kube, VPCS, "ovn-cluster");
    return vpc?.status?.["enableExternal"] === true ? vpc : undefined;
  });
  t.equal(vpc.spec["enableExternal"], true);
  t.match(JSON.stringify(vpc.status), "names nodes that do not exist: absent");
  t.equal(kube.object(NODES, { name: "gw" })?.metadata.labels?.[GATEWAY], "true");
  t.match(find(kube, ovnEipKind.type, "ovn-cluster-external")?.status, {
    v4Ip: "172.30.0.5",
    macAddress: "02:00:00:00:00:55",
  });
  const [port] = server.rows(OVN_NB, "Logical_Router_Port").filter(({ name }) => name === "ovn-cluster-external");
  t.match(port, { mac: "02:00:00:00:00:55", networks: ["172.30.0.5/24"] });

  await kube.delete(CONFIG_MAPS, CONFIG);
  await eventually("it has none", () => find(kube, VPCS, "ovn-cluster")?.spec["enableExternal"] === false || undefined);
  await eventually(
    "nor has the node the label",
    () => kube.object(NODES, { name: "gw" })?.metadata.labels?.[GATEWAY] === "false" || undefined,
  );
  await eventually("and the OvnEip is gone", () => kube.objects(ovnEipKind.type).length === 0 || undefined);
});

t.test("an address in the ConfigMap that is refused can be corrected there", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  candidate(t, kube, server);
  const data = { "enable-external-gw": "true", "external-gw-nodes": "gw", "nic-ip": "172.30.0.1/24" };
  await kube.create(CONFIG_MAPS, { metadata: CONFIG, data } as never);
  const eip = (text: string) =>
    eventually(
      `the OvnEip has ${text}`,
      () =>
        JSON.stringify(find(kube, ovnEipKind.type, "ovn-cluster-external")?.status ?? {}).includes(text) || undefined,
    );
  const change = (ip: string) =>
    kube.patch(CONFIG_MAPS, CONFIG, { type: "merge", body: { data: { "nic-ip": ip } } } as never);
  await eip("AddressIsGateway");
  await change("172.31.0.5/24");
  await eip("AddressOutOfSubnet");
  await change("172.30.0.5/24");
  await eip('"v4Ip":"172.30.0.5"');
  await change("172.30.0.6/24");
  await becomesConnected(kube);
  t.equal(
    find(kube, ovnEipKind.type, "ovn-cluster-external")?.status?.["v4Ip"],
    "172.30.0.5",
    "a port keeps its address",
  );
});

/** Resolves when the default VPC has its port. */
const becomesConnected = (kube: FakeKube) =>
  eventually(
    "the VPC has its port",
    () => find(kube, VPCS, "ovn-cluster")?.status?.["enableExternal"] === true || undefined,
  );

t.test(
  "a VPC says that its port lacks the family that the external subnet has got, and gets it when it is connected again",
  async (t) => {
    const { kube, server } = await cluster(t);
    await world(kube);
    const labels = { [GATEWAY]: "true" };
    await kube.patch(NODES, { name: "gw" }, { type: "merge", body: { metadata: { labels } } });
    candidate(t, kube, server);
    const connect = (enableExternal: boolean) =>
      kube.patch(VPCS, { name: "ovn-cluster" }, { type: "merge", body: { spec: { enableExternal } } });
    await eventually("the VPC is there", () => find(kube, VPCS, "ovn-cluster"));
    await connect(true);
    await becomesConnected(kube);
    const told = () => JSON.stringify(find(kube, VPCS, "ovn-cluster")?.status ?? {}).includes("FamilyMissing");
    t.notOk(told());
    const both = { cidrBlock: "172.30.0.0/24,fd00:30::/112", gateway: "172.30.0.1,fd00:30::1" };
    await kube.patch(SUBNETS, { name: "external" }, { type: "merge", body: { spec: both } });
    await eventually("its condition says so", () => told() || undefined);
    await connect(false);
    await eventually("the OvnEip is gone", () => kube.objects(ovnEipKind.type).length === 0 || undefined);
    await connect(true);
    await eventually(
      "the port has both",
      () =>
        server
          .rows(OVN_NB, "Logical_Router_Port")
          .some(({ name, networks }) => name === "ovn-cluster-external" && networks.length === 2) || undefined,
    );
    await eventually("the condition says nothing", () => !told() || undefined);
  },
);

t.test("the ConfigMap connects a default VPC that names external subnets, whichever of them comes first", async (t) => {
  for (const isConfigFirst of [true, false]) {
    const { kube, server } = await cluster(t);
    await world(kube);
    await make(kube, vlanKind.type, "w", { provider: "other" });
    await make(kube, SUBNETS, "other", { cidrBlock: "172.31.0.0/24", gateway: "172.31.0.1", vlan: "w" });
    candidate(t, kube, server);
    await eventually("the VPC is there", () => find(kube, VPCS, "ovn-cluster"));
    const steps = [
      () => {
        const data = { "enable-external-gw": "true", "external-gw-nodes": "gw" };
        return kube.create(CONFIG_MAPS, { metadata: CONFIG, data } as never);
      },
      () => {
        const body = { spec: { extraExternalSubnets: ["other"] } };
        return kube.patch(VPCS, { name: "ovn-cluster" }, { type: "merge", body });
      },
    ];
    for (const step of isConfigFirst ? steps : steps.toReversed()) await step();
    await eventually("it is connected to the subnet that it names", () => {
      const { status } = find(kube, VPCS, "ovn-cluster") ?? {};
      const isNamed = JSON.stringify(status?.["extraExternalSubnets"]) === '["other"]';
      return (status?.["enableExternal"] === true && isNamed) || undefined;
    });
  }
});

t.test("what a user has set stays without the ConfigMap, and one that says false changes nothing", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  await kube.patch(NODES, { name: "gw" }, { type: "merge", body: { metadata: { labels: { [GATEWAY]: "true" } } } });
  candidate(t, kube, server);
  await eventually("the VPC is there", () => find(kube, VPCS, "ovn-cluster"));
  await kube.patch(VPCS, { name: "ovn-cluster" }, { type: "merge", body: { spec: { enableExternal: true } } });
  await kube.create(CONFIG_MAPS, { metadata: CONFIG, data: { "enable-external-gw": "false" } } as never);
  await kube.create(CONFIG_MAPS, { metadata: { ...CONFIG, namespace: "default" }, data: {} } as never);
  await eventually(
    "it has its port",
    () => find(kube, VPCS, "ovn-cluster")?.status?.["enableExternal"] === true || undefined,
  );
  t.equal(kube.object(NODES, { name: "gw" })?.metadata.labels?.[GATEWAY], "true");
});

t.test("an address in a pod's annotation is that pod's alone, and goes to the next one that names it", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  candidate(t, kube, server);
  await kube.create(CONFIG_MAPS, { metadata: CONFIG, data: { "external-gw-nodes": "gw" } } as never);
  const a = await addPod(kube, "a", { [EIP]: "172.30.0.77" });
  await becomes(server, `dnat_and_snat 172.30.0.77=${a}`);
  const eip = await eventually("the OvnEip is ready", () => {
    const eip = find(kube, ovnEipKind.type, "pods-172-30-0-77");
    return eip?.status?.["ready"] === true && eip.status["nat"] === "fip" ? eip : undefined;
  });
  t.match(eip.spec, { v4Ip: "172.30.0.77", v6Ip: "", type: "nat" });
  const b = await addPod(kube, "b", { [EIP]: "172.30.0.77" });
  const c = await addPod(kube, "c", { [SNAT]: "172.30.0.77" });
  await said(kube, "b", '172.30.0.77 is used by pod "default/a"');
  await said(kube, "c", '172.30.0.77 is used by pod "default/a"');
  t.same(translations(server), [`dnat_and_snat 172.30.0.77=${a}`]);
  await removePod(kube, "a");
  await becomes(server, `dnat_and_snat 172.30.0.77=${b}`);
  await removePod(kube, "b");
  await becomes(server, `snat 172.30.0.77=${c}`);
  const d = await addPod(kube, "d", { [SNAT]: "172.30.0.77" });
  await becomes(server, `snat 172.30.0.77=${c}`, `snat 172.30.0.77=${d}`);
  await removePod(kube, "c");
  await removePod(kube, "d");
  await becomes(server);
  await eventually("it is free", () => find(kube, ovnEipKind.type, "pods-172-30-0-77") === undefined || undefined);
});

t.test("an address of another object is refused, and used when that has gone", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  await make(kube, ovnEipKind.type, "theirs", { externalSubnet: "external", v4Ip: "172.30.0.77" });
  candidate(t, kube, server);
  await kube.create(CONFIG_MAPS, { metadata: CONFIG, data: { "external-gw-nodes": "gw" } } as never);
  await eventually("it has it", () => find(kube, ovnEipKind.type, "theirs")?.status?.["ready"] === true || undefined);
  const a = await addPod(kube, "a", { [EIP]: "172.30.0.77" });
  await said(kube, "a", 'OvnEip "theirs"');
  t.same(translations(server), []);
  await kube.delete(ovnEipKind.type, { name: "theirs" });
  await becomes(server, `dnat_and_snat 172.30.0.77=${a}`);
});
