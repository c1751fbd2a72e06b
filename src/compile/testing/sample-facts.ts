// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import type { Failures } from "../../desired/failures.ts";
import { stableMac } from "../../desired/identity.ts";
import { recordAnnotations, writeAcceptedSubnet } from "../../facts/accepted.ts";
import type { AdminPolicyKind } from "../../facts/admin-policy.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import { type Deriver, deriverOf } from "../../facts/derivation.ts";
import { type AdminPolicyObject, projectAdminPolicy } from "../../facts/project-admin-policy.ts";
import { projectAttachment } from "../../facts/project-attachment.ts";
import { projectNamespace, projectNode, projectPod } from "../../facts/project-core.ts";
import { projectIp } from "../../facts/project-ip.ts";
import { projectNetworkPolicy } from "../../facts/project-policy.ts";
import { projectSecurityGroup } from "../../facts/project-security-group.ts";
import { projectEndpointSlice, projectService } from "../../facts/project-service.ts";
import { projectSubnet } from "../../facts/project-subnet.ts";
import { projectVpc } from "../../facts/project-vpc.ts";
import { projectVpcDnsConfig } from "../../facts/project-vpc-dns.ts";
import { recordedDeriver } from "../../facts/recorded-derivation.ts";
import type { FactStore } from "../../facts/store.ts";
import { factStore } from "../../kinds/store.ts";
import { GroupIndex } from "../../policy/group-index.ts";
import { SecurityGroupIndex } from "../../policy/security-group-index.ts";
import { GatewayGroups } from "../gateway/gateway-groups.ts";
import { subnetGateways } from "../gateway/gateway-nodes.ts";
import { NodeSubnets } from "../node/node-subnets.ts";
import { SubnetVerdicts } from "../subnet/subnet-revalidation.ts";
import { vpcPeers } from "../vpc/vpc-peers.ts";

/** The settings of a controller with default flags. */
export const SAMPLE_CLUSTER: ClusterFact = {
  key: "cluster",
  router: "ovn-cluster",
  defaultSubnet: "ovn-default",
  joinSubnet: "join",
  serviceCidr: { v4: "10.96.0.0/12" },
  nodeRanges: ["172.18.0.0/16", "fd00:172:18::/64"],
  nodePorts: { first: 30_000, last: 32_767 },
};

/** A small dual-stack cluster for tests: two nodes, the default VPC, the join and the default subnet, one pod. */
export function sampleFacts(failures?: Failures): FactStore {
  const facts = factStore(failures);
  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  addVpc(facts, "ovn-cluster", {});
  addNode(facts, "weft-1", "172.18.0.11", "fd00:172:18::11");
  addNode(facts, "weft-2", "172.18.0.12", "fd00:172:18::12");
  addSubnet(facts, "join", { cidrBlock: "100.64.0.0/16,fd00:100:64::/112" });
  addSubnet(facts, "ovn-default", { cidrBlock: "10.16.0.0/16,fd00:10:16::/112", default: true, natOutgoing: true });
  addIp(facts, "node-weft-1", {
    podName: "weft-1",
    nodeName: "weft-1",
    subnet: "join",
    v4: "100.64.0.2",
    v6: "fd00:100:64::2",
  });
  addIp(facts, "node-weft-2", {
    podName: "weft-2",
    nodeName: "weft-2",
    subnet: "join",
    v4: "100.64.0.3",
    v6: "fd00:100:64::3",
  });
  const namespace = { metadata: { name: "default", uid: "uid-ns", labels: { team: "a" } } };
  facts.set("namespaces", "default", projectNamespace(namespace));
  deriveGroups(facts);
  const derivers = [deriverOf(facts, subnetGateways), new GatewayGroups(facts), new NodeSubnets(facts)];
  for (const deriver of derivers) followed(facts, deriver);
  addPod(facts, "a", { node: "weft-1" });
  addIp(facts, "a.default", {
    podName: "a",
    namespace: "default",
    nodeName: "weft-1",
    subnet: "ovn-default",
    v4: "10.16.0.2",
    v6: "fd00:10:16::2",
  });
  return facts;
}

/** Derives groups from policies, as the controller does. */
function deriveGroups(facts: FactStore): void {
  for (const deriver of [recordedDeriver(facts, vpcPeers), new GroupIndex(facts)]) followed(facts, deriver);
}

/** Starts a deriver and passes changes to it. */
export function followed(facts: FactStore, deriver: Deriver): void {
  deriver.start();
  facts.derive((change) => deriver.noteFact(change));
}

/** Adds a NetworkPolicy to the namespace `default`. */
export function addNetworkPolicy(
  facts: FactStore,
  name: string,
  spec: NonNullable<Parameters<typeof projectNetworkPolicy>[0]["spec"]>,
  annotations: Record<string, string> = {},
): void {
  const metadata = { name, namespace: "default", uid: `uid-np-${name}`, annotations };
  facts.set("networkPolicies", `default/${name}`, projectNetworkPolicy({ metadata, spec }));
}

/** Adds an AdminNetworkPolicy or a related policy. */
export function addAdminPolicy(
  facts: FactStore,
  kind: AdminPolicyKind,
  name: string,
  spec: NonNullable<AdminPolicyObject["spec"]>,
): void {
  const table = {
    anp: "adminNetworkPolicies",
    banp: "baselineAdminNetworkPolicies",
    cnp: "clusterNetworkPolicies",
  } as const;
  const metadata = { name, uid: `uid-${kind}-${name}`, generation: 1 };
  facts.set(table[kind], name, projectAdminPolicy(kind, { metadata, spec }));
}

/** Adds a Service of the namespace `default` with its spec. */
export function addService(
  facts: FactStore,
  name: string,
  spec: NonNullable<Parameters<typeof projectService>[0]["spec"]>,
  metadata: Partial<Parameters<typeof projectService>[0]["metadata"]> = {},
  status: NonNullable<Parameters<typeof projectService>[0]["status"]> = {},
): void {
  const object = { metadata: { name, namespace: "default", uid: `uid-${name}`, ...metadata }, spec, status };
  facts.set("services", `default/${name}`, projectService(object));
}

/** Adds an EndpointSlice of a Service of the namespace `default`. */
export function addEndpoints(
  facts: FactStore,
  service: string,
  slice: string,
  of: Omit<Parameters<typeof projectEndpointSlice>[0], "metadata">,
): void {
  const labels = { "kubernetes.io/service-name": service };
  const metadata = { name: slice, namespace: "default", uid: `uid-${slice}`, labels };
  facts.set("endpointSlices", `default/${slice}`, projectEndpointSlice({ metadata, ...of }));
}

/** Adds a node with its InternalIPs. */
export function addNode(facts: FactStore, name: string, ...addresses: string[]): void {
  const status = { addresses: addresses.map((address) => ({ type: "InternalIP", address })) };
  facts.set("nodes", name, projectNode({ metadata: { name, uid: `uid-${name}` }, status }));
}

/** Sets the chassis that the node's daemon reports, and the zone of its label. */
export function addChassis(facts: FactStore, node: string, chassis: string, zone?: string): void {
  const fact = facts.get("nodes", node);
  if (fact === undefined) throw new Error(`there is no node ${node}`);
  const labels = { ...fact.labels, ...(zone !== undefined && { "topology.kubernetes.io/zone": zone }) };
  facts.set("nodes", node, { ...fact, labels, annotations: { ...fact.annotations, [NODE.chassis]: chassis } });
}

/** Adds a Vpc. */
export function addVpc(
  facts: FactStore,
  name: string,
  spec: NonNullable<Parameters<typeof projectVpc>[0]["spec"]>,
  metadata: { readonly creationTimestamp?: string } = {},
): void {
  const object = { metadata: { name, uid: `uid-${name}`, generation: 1, ...metadata }, spec };
  facts.set("vpcs", name, projectVpc(object, "ovn-cluster"));
}

/** Adds a Subnet and settles all subnets again. */
export function addSubnet(
  facts: FactStore,
  name: string,
  spec: NonNullable<Parameters<typeof projectSubnet>[0]["spec"]>,
  metadata: { readonly creationTimestamp?: string; readonly deletionTimestamp?: string } = {},
): void {
  const object = { metadata: { name, uid: `uid-${name}`, generation: 1, ...metadata }, spec };
  const accepted = facts.get("subnetSpecs", name)?.accepted;
  // As the controller derives it: a subnet is not published before its verdict.
  const stop = facts.derive(() => settleSubnets(facts));
  facts.set("subnetSpecs", name, { ...projectSubnet(object), ...(accepted && { accepted }) });
  // As the controller's annotation, which follows the commit.
  for (const fact of facts.all("subnetSpecs")) {
    const { ok, refused } = facts.get("verdicts", fact.name) ?? { ok: false };
    if (!ok || refused !== undefined || fact.protocol === "Mac") continue;
    const { uid, cidr, gateway, excludeIps, namespaceSelectors } = fact;
    const accepted = { uid, cidr, gateway, excludeIps, namespaceSelectors };
    const records = recordAnnotations(writeAcceptedSubnet(accepted));
    facts.set("subnetSpecs", fact.name, { ...fact, accepted, records });
  }
  stop();
  settleSubnets(facts);
}

/** Derives the accepted subnets from their specs. */
export function settleSubnets(facts: FactStore): void {
  new SubnetVerdicts(facts).start();
}

/** Adds a SecurityGroup as existing. */
export function addSecurityGroup(
  facts: FactStore,
  name: string,
  spec: NonNullable<Parameters<typeof projectSecurityGroup>[0]["spec"]>,
): void {
  const metadata = { name, uid: `uid-${name}`, generation: 1 };
  facts.set("securityGroups", name, projectSecurityGroup({ metadata, spec }));
  new SecurityGroupIndex(facts).start();
}

/** Adds a pod of the namespace `default`. */
export function addPod(
  facts: FactStore,
  name: string,
  options: {
    readonly node?: string;
    readonly phase?: string;
    readonly annotations?: Record<string, string>;
    readonly labels?: Record<string, string>;
    /** Names of its container's ports → numbers. */
    readonly ports?: Record<string, number>;
  } = {},
): void {
  const pod = {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      annotations: options.annotations ?? {},
      labels: options.labels ?? {},
    },
    spec: {
      ...(options.node === undefined ? {} : { nodeName: options.node }),
      containers: [
        { ports: Object.entries(options.ports ?? {}).map(([name, containerPort]) => ({ name, containerPort })) },
      ],
    },
    status: { phase: options.phase ?? "Pending" },
  };
  facts.set("pods", `default/${name}`, projectPod(pod));
}

/** Adds a NetworkAttachmentDefinition of the namespace `default` with its configuration. */
export function addNetwork(facts: FactStore, name: string, config: object | string): void {
  const spec = { config: typeof config === "string" ? config : JSON.stringify(config) };
  const metadata = { name, namespace: "default", uid: `uid-${name}` };
  facts.set("attachments", `default/${name}`, projectAttachment({ metadata, spec }));
}

/**
 * Configurations of networks of the namespace `default`: with interfaces on OVN, and with interfaces that only get
 * their addresses from Weft.
 */
export const NETWORK_CONFIG = {
  ovn: (name: string) => ({ cniVersion: "0.3.1", type: "kube-ovn", provider: `${name}.default.ovn` }),
  ipam: (name: string) => ({
    cniVersion: "0.3.1",
    type: "macvlan",
    master: "eth0",
    ipam: { type: "kube-ovn", provider: `${name}.default` },
  }),
} as const;

/**
 * Adds an IP object; its MAC and its pod UID are derived from its name and its pod's. `qos`: the record of the QoS of
 * its interface.
 */
export function addIp(
  facts: FactStore,
  name: string,
  of: { podName: string; namespace?: string; nodeName: string; subnet: string; v4: string; v6: string; qos?: string },
): void {
  const { v4, v6, qos, ...spec } = of;
  const annotations = {
    ...(of.namespace !== undefined && { "weft.kubeovn.io/pod-uid": `uid-${of.podName}` }),
    ...(qos !== undefined && { "weft.kubeovn.io/qos": qos }),
  };
  const macAddress = stableMac(name);
  const object = {
    metadata: { name, uid: `uid-ip-${name}`, annotations },
    spec: { ...spec, v4IpAddress: v4, v6IpAddress: v6, macAddress },
  };
  facts.set("ips", name, projectIp(object));
}

/** Adds the prerequisites of a VpcDns: the settings, a network towards the API server, and that Service. */
export function addDnsConfig(facts: FactStore, data: Readonly<Record<string, string>> = {}): void {
  const metadata = { name: "vpc-dns-config", namespace: "kube-system", uid: "uid-dns-config" };
  const settings = {
    "coredns-vip": "10.96.0.3",
    "coredns-image": "coredns:1",
    "nad-name": "ovn-nad",
    "nad-provider": "ovn-nad.default.ovn",
    "k8s-service-host": "10.96.0.1",
  };
  facts.set(
    "vpcDnsConfigs",
    "kube-system/vpc-dns-config",
    projectVpcDnsConfig({ metadata, data: { ...settings, ...data } }),
  );
  addNetwork(facts, "ovn-nad", { type: "kube-ovn", provider: "ovn-nad.default.ovn" });
}
