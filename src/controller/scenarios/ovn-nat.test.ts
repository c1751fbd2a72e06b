// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { FINALIZER } from "../../api/names.ts";
import { ovnEipKind } from "../../kinds/ovn-eip.ts";
import { ovnFipKind } from "../../kinds/ovn-fip.ts";
import { vlanKind } from "../../kinds/vlan.ts";
import type { CustomObject } from "../../kube/object.ts";
import { NODES, type ResourceType, SUBNETS, VPCS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

interface Status {
  readonly ready?: boolean;
  readonly enableExternal?: boolean;
  readonly nat?: string;
  readonly v4Ip?: string;
  readonly v4Eip?: string;
  readonly conditions?: readonly { type: string; status: string; reason?: string; message?: string }[];
}
type Any = CustomObject<Readonly<Record<string, unknown>>, Status>;

const make = (kube: FakeKube, type: ResourceType, name: string, spec: object) =>
  kube.create(type, { metadata: { name }, spec } as never);
const find = (kube: FakeKube, type: ResourceType, name: string) => kube.object<Any>(type, { name });
const readyOf = (object: Any | undefined) => object?.status?.conditions?.find(({ type }) => type === "Ready");

/** Waits until the condition Ready of an object has that reason. */
function reason(kube: FakeKube, type: ResourceType, name: string, wanted: string): Promise<Any> {
  return eventually(`${type.kind} ${name} is ${wanted}`, () => {
    const object = find(kube, type, name);
    return readyOf(object)?.reason === wanted ? object : undefined;
  });
}

/** The pairs of addresses that routers translate. */
function natPairs(server: FakeOvsdb): readonly string[] {
  return server
    .rows(OVN_NB, "NAT")
    .map((row) => `${row.external_ip}=${row.logical_ip}`)
    .sort();
}

/** A gateway node, an external subnet and a VPC that is connected to it. */
async function world(kube: FakeKube): Promise<void> {
  const labels = { "ovn.kubernetes.io/external-gw": "true" };
  await kube.create(NODES, { metadata: { name: "gw", labels, annotations: { "ovn.kubernetes.io/chassis": "c" } } });
  await make(kube, vlanKind.type, "v", { provider: "external" });
  await make(kube, SUBNETS, "external", { cidrBlock: "172.30.0.0/24", gateway: "172.30.0.1", vlan: "v" });
  await make(kube, VPCS, "team", { enableExternal: true });
  await make(kube, SUBNETS, "inner", { vpc: "team", cidrBlock: "10.0.1.0/24" });
}

t.test(
  "a VPC is connected by an OvnEip that is created and deleted with the connection, and rules follow it",
  async (t) => {
    const { kube, server } = await cluster(t);
    await world(kube);
    candidate(t, kube, server);
    const eip = await reason(kube, ovnEipKind.type, "team-external", "Ready");
    t.match(eip.spec, { type: "lrp", externalSubnet: "external" });
    await eventually("the VPC says so", () => find(kube, VPCS, "team")?.status?.enableExternal === true || undefined);

    await make(kube, ovnFipKind.type, "f", { ovnEip: "e", vpc: "team", v4Ip: "10.0.1.9" });
    await reason(kube, ovnFipKind.type, "f", "EipNotFound");
    await make(kube, ovnEipKind.type, "e", { v4Ip: "172.30.0.77" });
    const fip = await eventually("it is applied", () => {
      const fip = find(kube, ovnFipKind.type, "f");
      return fip?.status?.ready === true && fip.metadata.finalizers?.includes(FINALIZER) ? fip : undefined;
    });
    t.match(fip.status, { v4Eip: "172.30.0.77", v4Ip: "10.0.1.9" });
    t.match(fip.metadata, {
      labels: { "ovn.kubernetes.io/eip_v4_ip": "172.30.0.77" },
      annotations: { "ovn.kubernetes.io/vpc_eip": "e" },
    });
    t.same(natPairs(server), ["172.30.0.77=10.0.1.9"]);
    await eventually(
      "the OvnEip shows its use",
      () => find(kube, ovnEipKind.type, "e")?.status?.nat === "fip" || undefined,
    );

    await kube.delete(ovnEipKind.type, { name: "e" });
    t.match(readyOf(await reason(kube, ovnEipKind.type, "e", "InUse"))?.message, "OvnFip f");
    t.same(natPairs(server), ["172.30.0.77=10.0.1.9"], "what is in use goes on");

    await kube.patch(VPCS, { name: "team" }, { type: "merge", body: { spec: { enableExternal: false } } });
    await reason(kube, ovnFipKind.type, "f", "VpcNotConnected");
    t.same(natPairs(server), []);
    await eventually(
      "the port's OvnEip is gone",
      () => find(kube, ovnEipKind.type, "team-external") === undefined || undefined,
    );

    await kube.delete(ovnFipKind.type, { name: "f" });
    await eventually("both are gone", () => kube.objects(ovnEipKind.type).length === 0 || undefined);
  },
);

t.test("the OvnEip of a VPC's port is deleted with the VPC", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  candidate(t, kube, server);
  await reason(kube, ovnEipKind.type, "team-external", "Ready");
  await kube.delete(VPCS, { name: "team" });
  await kube.delete(SUBNETS, { name: "inner" });
  await eventually("the VPC is gone", () => find(kube, VPCS, "team") === undefined || undefined);
  await eventually("and so is the OvnEip", () => kube.objects(ovnEipKind.type).length === 0 || undefined);
});
