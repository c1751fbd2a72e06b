// SPDX-License-Identifier: Apache-2.0

import type { SecurityGroupSpec } from "../../src/api/generated/securitygroup.ts";
import { SAMPLE_CLUSTER } from "../../src/compile/testing/sample-facts.ts";
import { stableMac } from "../../src/desired/identity.ts";
import { projectAdminPolicy } from "../../src/facts/project-admin-policy.ts";
import { projectNamespace, projectNode, projectPod } from "../../src/facts/project-core.ts";
import { POD_UID_ANNOTATION, projectIp } from "../../src/facts/project-ip.ts";
import { projectNetworkPolicy } from "../../src/facts/project-policy.ts";
import { projectSecurityGroup } from "../../src/facts/project-security-group.ts";
import { projectSubnet } from "../../src/facts/project-subnet.ts";
import { projectVpc } from "../../src/facts/project-vpc.ts";
import type { FactStore } from "../../src/facts/store.ts";
import { DerivedFacts } from "../../src/kinds/derived.ts";
import { factStore } from "../../src/kinds/store.ts";
import type { ApiNode, ApiPod, ApiPolicy, OracleWorld } from "./api.ts";

/**
 * The subnets of the pods. A pod is in the one that its annotation names, or else in the one that contains its addresses. Two VPCs have the addresses of
 * the default VPC's first subnet; one of them is peered with a third.
 */
export const POD_SUBNETS = {
  "ovn-default": { vpc: "ovn-cluster", v4: "10.16.0", v6: "fd00:10:16:", cidrBlock: "10.16.0.0/16,fd00:10:16::/112" },
  second: { vpc: "ovn-cluster", v4: "10.17.0", v6: "fd00:10:17:", cidrBlock: "10.17.0.0/16,fd00:10:17::/112" },
  twin: { vpc: "red", v4: "10.16.0", v6: "fd00:10:16:", cidrBlock: "10.16.0.0/16,fd00:10:16::/112" },
  triplet: { vpc: "black", v4: "10.16.0", v6: "fd00:10:16:", cidrBlock: "10.16.0.0/16,fd00:10:16::/112" },
  beside: { vpc: "blue", v4: "10.18.0", v6: "fd00:10:18:", cidrBlock: "10.18.0.0/16,fd00:10:18::/112" },
} as const;

/** Name of a subnet. */
export type SubnetName = keyof typeof POD_SUBNETS;

/** The annotation that names a pod's subnet. */
export const SUBNET_ANNOTATION = "ovn.kubernetes.io/logical_switch";

/** The subnet of a pod. */
export function subnetOf({ metadata, status }: ApiPod): SubnetName {
  const named = metadata.annotations?.[SUBNET_ANNOTATION];
  if (named !== undefined && named in POD_SUBNETS) return named as SubnetName;
  const isSecond = ({ ip }: { readonly ip: string }): boolean =>
    ip.startsWith(`${POD_SUBNETS.second.v4}.`) || ip.startsWith(POD_SUBNETS.second.v6);
  return status.podIPs.some(isSecond) ? "second" : "ovn-default";
}

/** The source addresses of a node in the pod network, by its index in the list of nodes. */
export function joinAddresses(index: number): { readonly v4: string; readonly v6: string } {
  return { v4: `100.64.0.${index + 2}`, v6: `fd00:100:64::${index + 2}` };
}

/** Facts of a cluster with only its subnets, with the facts derived from policies kept up to date. */
export function emptyCluster(): FactStore {
  const facts = factStore();
  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  facts.set(
    "vpcs",
    "ovn-cluster",
    projectVpc({ metadata: { name: "ovn-cluster", uid: "vpc", generation: 1 } }, "ovn-cluster"),
  );
  const towards = (remoteVpc: string, own: number, other: number, cidrBlock: string) => ({
    vpcPeerings: [{ remoteVpc, localConnectIP: `169.254.0.${own}/30,fd69::${own}/126` }],
    staticRoutes: cidrBlock
      .split(",")
      .map((cidr) => ({ cidr, nextHopIP: cidr.includes(":") ? `fd69::${other}` : `169.254.0.${other}` })),
  });
  const { twin, beside } = POD_SUBNETS;
  const vpcs = {
    [twin.vpc]: towards(beside.vpc, 1, 2, beside.cidrBlock),
    [POD_SUBNETS.triplet.vpc]: {},
    [beside.vpc]: towards(twin.vpc, 2, 1, twin.cidrBlock),
  };
  for (const [name, spec] of Object.entries(vpcs)) {
    facts.set("vpcs", name, projectVpc({ metadata: { name, uid: `vpc-${name}`, generation: 1 }, spec }, "ovn-cluster"));
  }
  const join = { vpc: "ovn-cluster", cidrBlock: "100.64.0.0/16,fd00:100:64::/112" };
  for (const [name, { vpc, cidrBlock }] of Object.entries({ join, ...POD_SUBNETS })) {
    const spec = { vpc, cidrBlock, default: name === "ovn-default" };
    facts.set("subnetSpecs", name, projectSubnet({ metadata: { name, uid: `uid-${name}`, generation: 1 }, spec }));
  }
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  return facts;
}

/** Facts of a whole world. */
export function clusterOf(world: OracleWorld): FactStore {
  const facts = emptyCluster();
  for (const { metadata } of world.namespaces) putNamespace(facts, metadata.name, metadata.labels);
  for (const [i, node] of world.nodes.entries()) putNode(facts, node, i);
  for (const policy of world.policies) putPolicy(facts, policy);
  for (const pod of world.pods) putPod(facts, pod);
  return facts;
}

/** Sets a namespace. */
export function putNamespace(facts: FactStore, name: string, labels: Readonly<Record<string, string>>): void {
  // The API server does the same.
  const all = { ...labels, "kubernetes.io/metadata.name": name };
  facts.set("namespaces", name, projectNamespace({ metadata: { name, uid: `uid-${name}`, labels: all } }));
}

/** Sets a node and the record of its address on the join switch. */
export function putNode(facts: FactStore, { metadata, status }: ApiNode, index: number): void {
  const { name } = metadata;
  facts.set("nodes", name, projectNode({ metadata: { ...metadata, uid: `uid-${name}` }, status }));
  putIp(facts, `node-${name}`, { podName: name, nodeName: name, subnet: "join" }, joinAddresses(index), "");
}

/** A pod never changes its node and addresses; with others it is another pod. */
export function uidOf(pod: ApiPod): string {
  const { metadata, spec, status } = pod;
  const { name, namespace } = metadata;
  const parts = ["uid", namespace, name, spec.nodeName, String(spec.hostNetwork), subnetOf(pod)];
  return [...parts, ...status.podIPs.map(({ ip }) => ip)].join("-");
}

/** Sets a pod and the record of its address; nothing for a pod on the host's network. */
export function putPod(facts: FactStore, { metadata, spec, status }: ApiPod): void {
  const { name, namespace } = metadata;
  const uid = uidOf({ metadata, spec, status });
  const addresses = status.podIPs.map(({ ip }) => ip);
  const v4 = addresses.find((address) => !address.includes(":")) ?? "";
  const v6 = addresses.find((address) => address.includes(":")) ?? "";
  const subnet = subnetOf({ metadata, spec, status });
  if (spec.hostNetwork !== true) {
    putIp(
      facts,
      `${name}.${namespace}`,
      { podName: name, namespace, nodeName: spec.nodeName, subnet },
      { v4, v6 },
      uid,
    );
  }
  // Such a pod does not become a fact.
  const fact = projectPod({ metadata: { ...metadata, uid }, spec, status: { phase: "Running" } });
  facts.set("pods", `${namespace}/${name}`, fact);
}

/** Deletes a pod, with its address. */
export function dropPod(facts: FactStore, { metadata: { name, namespace } }: ApiPod): void {
  facts.set("pods", `${namespace}/${name}`, undefined);
  facts.set("ips", `${name}.${namespace}`, undefined);
}

/** Sets a policy of any kind. */
export function putPolicy(facts: FactStore, policy: ApiPolicy): void {
  const metadata = { ...policy.metadata, uid: `uid-${policy.kind}-${keyOf(policy)}` };
  const key = keyOf(policy);
  switch (policy.kind) {
    case "NetworkPolicy":
      facts.set("networkPolicies", key, projectNetworkPolicy({ metadata, spec: policy.spec }));
      break;
    case "AdminNetworkPolicy":
      facts.set("adminNetworkPolicies", key, projectAdminPolicy("anp", { metadata, spec: policy.spec }));
      break;
    case "BaselineAdminNetworkPolicy":
      facts.set("baselineAdminNetworkPolicies", key, projectAdminPolicy("banp", { metadata, spec: policy.spec }));
      break;
    case "ClusterNetworkPolicy":
      facts.set("clusterNetworkPolicies", key, projectAdminPolicy("cnp", { metadata, spec: policy.spec }));
  }
}

/** Deletes a policy. */
export function dropPolicy(facts: FactStore, policy: ApiPolicy): void {
  facts.set(FACT_KINDS[policy.kind], keyOf(policy), undefined);
}

/** Sets a SecurityGroup, or deletes it. */
export function putSecurityGroup(facts: FactStore, name: string, spec: SecurityGroupSpec | undefined): void {
  const metadata = { name, uid: `uid-sg-${name}`, generation: 1 };
  facts.set("securityGroups", name, spec && projectSecurityGroup({ metadata, spec }));
}

const FACT_KINDS = {
  NetworkPolicy: "networkPolicies",
  AdminNetworkPolicy: "adminNetworkPolicies",
  BaselineAdminNetworkPolicy: "baselineAdminNetworkPolicies",
  ClusterNetworkPolicy: "clusterNetworkPolicies",
} as const;

function keyOf({ kind, metadata }: ApiPolicy): string {
  return kind === "NetworkPolicy" && "namespace" in metadata ? `${metadata.namespace}/${metadata.name}` : metadata.name;
}

function putIp(
  facts: FactStore,
  name: string,
  spec: { readonly podName: string; readonly namespace?: string; readonly nodeName: string; readonly subnet: string },
  { v4, v6 }: { readonly v4: string; readonly v6: string },
  podUid: string,
): void {
  const annotations = podUid === "" ? {} : { [POD_UID_ANNOTATION]: podUid };
  const addresses = { v4IpAddress: v4, v6IpAddress: v6, macAddress: stableMac(name) };
  facts.set(
    "ips",
    name,
    projectIp({ metadata: { name, uid: `uid-ip-${name}`, annotations }, spec: { ...spec, ...addresses } }),
  );
}
