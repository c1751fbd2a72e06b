// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { FINALIZER } from "../../api/names.ts";
import { ovnDnatRuleKind } from "../../kinds/ovn-dnat-rule.ts";
import { ovnEipKind } from "../../kinds/ovn-eip.ts";
import { routerLbRuleKind } from "../../kinds/router-lb-rule.ts";
import { vlanKind } from "../../kinds/vlan.ts";
import type { CustomObject, KubeObject } from "../../kube/object.ts";
import { ENDPOINT_SLICES, NODES, type ResourceType, SERVICES, SUBNETS, VPCS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

interface Status {
  readonly ports?: string;
  readonly service?: string;
  readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
}
type Any = CustomObject<Readonly<Record<string, unknown>>, Status>;
const { type: RULES } = routerLbRuleKind;
const PORTS = [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }];

const make = (kube: FakeKube, type: ResourceType, name: string, spec: object) =>
  kube.create(type, { metadata: { name }, spec } as never);
const find = (kube: FakeKube, name: string) => kube.object<Any>(RULES, { name });
const service = (kube: FakeKube) => kube.object<KubeObject>(SERVICES, { namespace: "default", name: "rlr-web" });
const change = (kube: FakeKube, spec: object) => kube.patch(RULES, { name: "web" }, { type: "merge", body: { spec } });

function reason(kube: FakeKube, name: string, wanted: string): Promise<{ readonly message: string }> {
  return eventually(`${name} is ${wanted}`, () =>
    find(kube, name)?.status?.conditions?.find(({ type, reason }) => type === "Ready" && reason === wanted),
  );
}

/** The addresses that the router balances, with their endpoints. */
const balanced = (server: FakeOvsdb): Readonly<Record<string, string>> =>
  Object.assign(
    {},
    ...server.rows(OVN_NB, "Load_Balancer").flatMap(({ name, vips }) => (name?.startsWith("rlr-") ? [vips] : [])),
  );

/** A VPC with a port in the external subnet, and an OvnEip. */
async function world(kube: FakeKube): Promise<void> {
  const labels = { "ovn.kubernetes.io/external-gw": "true" };
  await kube.create(NODES, { metadata: { name: "gw", labels, annotations: { "ovn.kubernetes.io/chassis": "c" } } });
  await make(kube, vlanKind.type, "v", { provider: "external" });
  await make(kube, SUBNETS, "external", { cidrBlock: "172.30.0.0/24", gateway: "172.30.0.1", vlan: "v" });
  await make(kube, VPCS, "team", { enableExternal: true });
  await make(kube, SUBNETS, "inner", { vpc: "team", cidrBlock: "10.0.1.0/24" });
  await make(kube, ovnEipKind.type, "e", { v4Ip: "172.30.0.77" });
}

t.test("a RouterLBRule is a Service as in Kube-OVN, and a load balancer of the VPC's router", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  candidate(t, kube, server);
  await make(kube, RULES, "web", { ovnEip: "e", vpc: "team", endpoints: ["10.0.1.9"], ports: PORTS });
  await reason(kube, "web", "Ready");
  t.match(service(kube), {
    metadata: {
      annotations: { "ovn.kubernetes.io/router_lb_vip": "172.30.0.77", "ovn.kubernetes.io/logical_router": "team" },
      ownerReferences: [{ kind: "RouterLBRule", name: "web" }],
    },
    spec: { clusterIP: "None", ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }] },
  });
  t.match(find(kube, "web"), {
    metadata: { finalizers: [FINALIZER] },
    status: { ports: "80/TCP", service: "default/rlr-web" },
  });
  t.same(balanced(server), { "172.30.0.77:80": "10.0.1.9:8080" });
  const [row] = server.rows(OVN_NB, "Load_Balancer").filter(({ name }) => name === "rlr-web/tcp");
  const router = server.rows(OVN_NB, "Logical_Router").find(({ name }) => name === "team");
  t.ok(router?.load_balancer?.includes(row?._uuid ?? ""), "of the router");
  t.ok(
    server.rows(OVN_NB, "Load_Balancer_Group").some(({ load_balancer: of }) => of?.includes(row?._uuid ?? "")),
    "and of the VPC's switches",
  );

  await change(kube, { endpoints: ["10.0.1.9", "10.0.1.10"] });
  await eventually(
    "the endpoints follow",
    () => balanced(server)["172.30.0.77:80"]?.includes("10.0.1.10:8080") || undefined,
  );
  await change(kube, { endpoints: [], selector: ["app: web"] });
  t.match(await reason(kube, "web", "NoEndpoints"), { message: /connections are refused/ });
  await eventually("the Service selects pods", () => {
    const { selector } = kube.object<Any>(SERVICES, { namespace: "default", name: "rlr-web" })?.spec ?? {};
    return JSON.stringify(selector) === '{"app":"web"}' || undefined;
  });

  await kube.delete(ovnEipKind.type, { name: "e" });
  await eventually(
    "the OvnEip waits for the rule",
    () =>
      JSON.stringify(kube.object<Any>(ovnEipKind.type, { name: "e" })?.status ?? {}).includes("RouterLBRule web") ||
      undefined,
  );
  await kube.delete(RULES, { name: "web" });
  await eventually(
    "all is gone",
    () =>
      (find(kube, "web") === undefined &&
        service(kube) === undefined &&
        Object.keys(balanced(server)).length === 0 &&
        kube.objects(ENDPOINT_SLICES).length === 0 &&
        kube.object(ovnEipKind.type, { name: "e" }) === undefined) ||
      undefined,
  );
});

t.test("a RouterLBRule that cannot be applied says why, and applies when it can", async (t) => {
  const { kube, server } = await cluster(t);
  await world(kube);
  await make(kube, VPCS, "other", {});
  await make(kube, ovnEipKind.type, "node", { type: "lsp" });
  candidate(t, kube, server);
  await make(kube, ovnDnatRuleKind.type, "first", {
    ...{ ovnEip: "e", vpc: "team", v4Ip: "10.0.1.9" },
    ...{ externalPort: "80", internalPort: "80", protocol: "tcp" },
  });
  await eventually(
    "the older rule is applied",
    () =>
      JSON.stringify(kube.object<Any>(ovnDnatRuleKind.type, { name: "first" })?.status ?? {}).includes(
        '"ready":true',
      ) || undefined,
  );
  await make(kube, RULES, "web", { ovnEip: "absent", vpc: "team", endpoints: ["10.0.1.9"], ports: PORTS });
  await reason(kube, "web", "EipNotFound");
  await change(kube, { ovnEip: "node" });
  await reason(kube, "web", "EipNotForNat");
  await change(kube, { ovnEip: "e", vpc: "absent" });
  await reason(kube, "web", "VpcNotFound");
  await change(kube, { vpc: "other" });
  await reason(kube, "web", "EipInUse");
  await change(kube, { vpc: "team" });
  t.match(await reason(kube, "web", "PortInUse"), { message: /OvnDnatRule "first"/ });
  t.equal(find(kube, "web")?.status?.service ?? "", "", "no Service is named before there is one");
  await change(kube, { namespace: "absent", ports: [{ ...PORTS[0], port: 81 }] });
  await reason(kube, "web", "NamespaceNotFound");
  t.equal(service(kube), undefined);
  await change(kube, { namespace: "default" });
  await reason(kube, "web", "Ready");
  t.same(balanced(server), { "172.30.0.77:81": "10.0.1.9:8080" });
});
