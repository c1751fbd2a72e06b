import { projectAdminPolicy } from "../facts/project-admin-policy.ts";
import { projectAttachment } from "../facts/project-attachment.ts";
import { projectNamespace, projectNode, projectPod } from "../facts/project-core.ts";
import { projectIp } from "../facts/project-ip.ts";
import { projectNameResolver } from "../facts/project-name-resolver.ts";
import { projectMachine, projectStatefulSet } from "../facts/project-owner.ts";
import { projectNetworkPolicy } from "../facts/project-policy.ts";
import { projectIpPool, projectVip } from "../facts/project-pool.ts";
import { projectSecurityGroup } from "../facts/project-security-group.ts";
import { projectEndpointSlice, projectService } from "../facts/project-service.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import { projectVpc } from "../facts/project-vpc.ts";
import type { FactKind, FactTypes } from "../facts/types.ts";
import {
  ADMIN_NETWORK_POLICIES,
  BASELINE_ADMIN_NETWORK_POLICIES,
  CLUSTER_NETWORK_POLICIES,
  DNS_NAME_RESOLVERS,
  ENDPOINT_SLICES,
  IP_POOLS,
  IPS,
  NAMESPACES,
  NETWORK_ATTACHMENTS,
  NETWORK_POLICIES,
  NODES,
  PODS,
  type ResourceType,
  SECURITY_GROUPS,
  SERVICES,
  STATEFUL_SETS,
  SUBNETS,
  VIPS,
  VPCS,
} from "../kube/resources.ts";

/** KubeVirt's machines; clusters without KubeVirt do not serve them. */
export const MACHINES: ResourceType = {
  group: "kubevirt.io",
  version: "v1",
  plural: "virtualmachines",
  namespaced: true,
  kind: "VirtualMachine",
};

/** Which objects become one kind of fact, and how. */
export interface Feed<K extends FactKind = FactKind> {
  readonly type: ResourceType;
  /** What a projection reads of an object is its own, structural type; the API server promises the rest. */
  readonly project: (object: never) => FactTypes[K] | undefined;
  readonly fieldSelector?: string;
  /** A cluster that does not serve the type has none of it. */
  readonly absent?: "empty";
}

/** What projections need to fill in defaults. */
export interface FeedNames {
  /** The default VPC. */
  readonly router: string;
  readonly joinSubnet: string;
  /** See `SubnetDefaults`. */
  readonly enableLb?: boolean;
  /** See `ClusterFact`. */
  readonly keepVmIp?: boolean;
}

/** Every kind of fact that comes from objects: for the controller, which follows them, and for commands, which look once. */
export function feedsOf(names: FeedNames): { readonly [K in FactKind]?: Feed<K> } {
  return {
    vpcs: { type: VPCS, project: (object) => projectVpc(object, names.router) },
    subnetSpecs: { type: SUBNETS, project: (object) => projectSubnet(object, names) },
    nodes: { type: NODES, project: projectNode },
    namespaces: { type: NAMESPACES, project: projectNamespace },
    ipPools: { type: IP_POOLS, project: projectIpPool },
    vips: { type: VIPS, project: projectVip },
    ips: { type: IPS, project: projectIp },
    networkPolicies: { type: NETWORK_POLICIES, project: projectNetworkPolicy },
    adminNetworkPolicies: {
      type: ADMIN_NETWORK_POLICIES,
      project: (object) => projectAdminPolicy("anp", object),
      absent: "empty",
    },
    baselineAdminNetworkPolicies: {
      type: BASELINE_ADMIN_NETWORK_POLICIES,
      project: (object) => projectAdminPolicy("banp", object),
      absent: "empty",
    },
    clusterNetworkPolicies: {
      type: CLUSTER_NETWORK_POLICIES,
      project: (object) => projectAdminPolicy("cnp", object),
      absent: "empty",
    },
    securityGroups: { type: SECURITY_GROUPS, project: projectSecurityGroup },
    nameResolvers: { type: DNS_NAME_RESOLVERS, project: projectNameResolver, absent: "empty" },
    services: { type: SERVICES, project: projectService },
    endpointSlices: { type: ENDPOINT_SLICES, project: projectEndpointSlice },
    attachments: { type: NETWORK_ATTACHMENTS, project: projectAttachment, absent: "empty" },
    statefulSets: { type: STATEFUL_SETS, project: projectStatefulSet },
    machines: { type: MACHINES, project: projectMachine, absent: "empty" },
    pods: {
      type: PODS,
      project: (object) => projectPod(object, names.keepVmIp),
      fieldSelector: "spec.hostNetwork=false",
    },
  };
}
