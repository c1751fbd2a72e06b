// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { VpcDnsSpec, VpcDnsStatus } from "../../api/generated/vpcdns.ts";
import { switchLbRuleKind } from "../../kinds/switch-lb-rule.ts";
import { vpcDnsKind } from "../../kinds/vpc-dns.ts";
import type { CustomObject } from "../../kube/object.ts";
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  NAMESPACES,
  NETWORK_ATTACHMENTS,
  SERVICES,
  SUBNETS,
  VPCS,
} from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

type Dns = CustomObject<VpcDnsSpec, VpcDnsStatus>;
const SYSTEM = "kube-system";

/** The existing objects of a VpcDns. */
const made = (kube: FakeKube) =>
  [
    kube.object(DEPLOYMENTS, { namespace: SYSTEM, name: "vpc-dns-team" }),
    kube.object(switchLbRuleKind.type, { name: "vpc-dns-team" }),
    kube.object(SERVICES, { namespace: SYSTEM, name: "slr-vpc-dns-team" }),
  ].filter((object) => object !== undefined);

t.test("the DNS of a VPC is deployed when everything that it needs exists, and deleted with its VpcDns", async (t) => {
  const { kube, server } = await cluster(t);
  candidate(t, kube, server);
  if (kube.object(NAMESPACES, { name: SYSTEM }) === undefined)
    await kube.create(NAMESPACES, { metadata: { name: SYSTEM } });
  const spec = { vpc: "team", subnet: "team-pods", replicas: 1 };
  await kube.create<Dns>(vpcDnsKind.type, { metadata: { name: "team" }, spec });
  const reason = (wanted: string) =>
    eventually(`it says ${wanted}`, () => {
      const { status } = kube.object<Dns>(vpcDnsKind.type, { name: "team" }) ?? {};
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      return ready?.reason === wanted ? status : undefined;
    });
  await reason("ConfigMapNotFound");
  const data = {
    "coredns-vip": "10.96.0.3",
    "coredns-image": "coredns:1",
    "nad-name": "ovn-nad",
    "nad-provider": "ovn-nad.default.ovn",
    "k8s-service-host": "10.96.0.1",
  };
  await kube.create(CONFIG_MAPS, { metadata: { name: "vpc-dns-config", namespace: SYSTEM }, data } as never);
  await reason("NetworkNotFound");
  const config = JSON.stringify({ type: "kube-ovn", provider: "ovn-nad.default.ovn" });
  const nad = { metadata: { name: "ovn-nad", namespace: "default" }, spec: { config } };
  await kube.create(NETWORK_ATTACHMENTS, nad as never);
  await reason("VpcNotFound");
  await kube.create(VPCS, { metadata: { name: "team" }, spec: {} } as never);
  await reason("SubnetNotFound");
  const subnet = { metadata: { name: "team-pods" }, spec: { vpc: "team", cidrBlock: "10.30.0.0/24" } };
  await kube.create(SUBNETS, subnet as never);
  t.match(await reason("Ready"), { active: true });
  await eventually("Deployment, rule and Service are there", () => made(kube).length === 3 || undefined);
  await kube.delete(DEPLOYMENTS, { namespace: SYSTEM, name: "vpc-dns-team" });
  await eventually("a deleted Deployment is made again", () => made(kube).length === 3 || undefined);
  await kube.delete(vpcDnsKind.type, { name: "team" });
  await eventually("all go with it", () => made(kube).length === 0 || undefined);
});
