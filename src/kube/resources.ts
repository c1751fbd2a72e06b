// SPDX-License-Identifier: Apache-2.0

/** A type of object that the API server serves. */
export interface ResourceType {
  /** The API group; empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The name in paths, in lower case. */
  readonly plural: string;
  readonly namespaced: boolean;
  readonly kind: string;
  /** Set where the API server answers to a `create` and stores nothing. */
  readonly answered?: true;
}

function core(plural: string, kind: string, namespaced = true): ResourceType {
  return { group: "", version: "v1", plural, namespaced, kind };
}

function grouped(group: string, plural: string, kind: string, namespaced = true): ResourceType {
  return { group, version: "v1", plural, namespaced, kind };
}

/** `apiVersion` of the type: `v1`, `apps/v1`, `kubeovn.io/v1` … */
export function apiVersionOf(type: ResourceType): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** The name of the type for messages and as a key: `pods`, `subnets.kubeovn.io`. */
export function typeName(type: ResourceType): string {
  return type.group === "" ? type.plural : `${type.plural}.${type.group}`;
}

/** core/v1 Pod. */
export const PODS: ResourceType = core("pods", "Pod");
/** core/v1 Node. */
export const NODES: ResourceType = core("nodes", "Node", false);
/** core/v1 Namespace. */
export const NAMESPACES: ResourceType = core("namespaces", "Namespace", false);
/** core/v1 Service. */
export const SERVICES: ResourceType = core("services", "Service");
/** core/v1 Event. */
export const EVENTS: ResourceType = core("events", "Event");
/** core/v1 ConfigMap. */
export const CONFIG_MAPS: ResourceType = core("configmaps", "ConfigMap");
/** core/v1 Secret. */
export const SECRETS: ResourceType = core("secrets", "Secret");
/** core/v1 ServiceAccount. */
export const SERVICE_ACCOUNTS: ResourceType = core("serviceaccounts", "ServiceAccount");
/** discovery.k8s.io/v1 EndpointSlice. */
export const ENDPOINT_SLICES: ResourceType = grouped("discovery.k8s.io", "endpointslices", "EndpointSlice");
/** apps/v1 StatefulSet. */
export const STATEFUL_SETS: ResourceType = grouped("apps", "statefulsets", "StatefulSet");
/** apps/v1 DaemonSet. */
export const DAEMON_SETS: ResourceType = grouped("apps", "daemonsets", "DaemonSet");
/** apps/v1 Deployment. */
export const DEPLOYMENTS: ResourceType = grouped("apps", "deployments", "Deployment");
/** k8s.cni.cncf.io/v1 NetworkAttachmentDefinition, Multus'. */
export const NETWORK_ATTACHMENTS: ResourceType = grouped(
  "k8s.cni.cncf.io",
  "network-attachment-definitions",
  "NetworkAttachmentDefinition",
);
/** networking.k8s.io/v1 ServiceCIDR. */
export const SERVICE_CIDRS: ResourceType = grouped("networking.k8s.io", "servicecidrs", "ServiceCIDR", false);
/** networking.k8s.io/v1 NetworkPolicy. */
export const NETWORK_POLICIES: ResourceType = grouped("networking.k8s.io", "networkpolicies", "NetworkPolicy");
/** policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy. */
export const ADMIN_NETWORK_POLICIES: ResourceType = {
  ...grouped("policy.networking.k8s.io", "adminnetworkpolicies", "AdminNetworkPolicy", false),
  version: "v1alpha1",
};
/** policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy. */
export const BASELINE_ADMIN_NETWORK_POLICIES: ResourceType = {
  ...grouped("policy.networking.k8s.io", "baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy", false),
  version: "v1alpha1",
};
/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy. */
export const CLUSTER_NETWORK_POLICIES: ResourceType = {
  ...grouped("policy.networking.k8s.io", "clusternetworkpolicies", "ClusterNetworkPolicy", false),
  version: "v1alpha2",
};
/** coordination.k8s.io/v1 Lease. */
export const LEASES: ResourceType = grouped("coordination.k8s.io", "leases", "Lease");
/** authentication.k8s.io/v1 TokenReview. */
export const TOKEN_REVIEWS: ResourceType = {
  ...grouped("authentication.k8s.io", "tokenreviews", "TokenReview", false),
  answered: true,
};
/** authorization.k8s.io/v1 SubjectAccessReview. */
export const SUBJECT_ACCESS_REVIEWS: ResourceType = {
  ...grouped("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false),
  answered: true,
};
/** certificates.k8s.io/v1 CertificateSigningRequest. */
export const CERTIFICATE_REQUESTS: ResourceType = grouped(
  "certificates.k8s.io",
  "certificatesigningrequests",
  "CertificateSigningRequest",
  false,
);
/** apiextensions.k8s.io/v1 CustomResourceDefinition. */
export const CRDS: ResourceType = grouped(
  "apiextensions.k8s.io",
  "customresourcedefinitions",
  "CustomResourceDefinition",
  false,
);
/** kubeovn.io/v1 Subnet. */
export const SUBNETS: ResourceType = grouped("kubeovn.io", "subnets", "Subnet", false);
/** kubeovn.io/v1 Vpc. */
export const VPCS: ResourceType = grouped("kubeovn.io", "vpcs", "Vpc", false);
/** kubeovn.io/v1 IP. */
export const IPS: ResourceType = grouped("kubeovn.io", "ips", "IP", false);
/** kubeovn.io/v1 IPPool. */
export const IP_POOLS: ResourceType = grouped("kubeovn.io", "ippools", "IPPool", false);
/** kubeovn.io/v1 SecurityGroup. */
export const SECURITY_GROUPS: ResourceType = grouped("kubeovn.io", "security-groups", "SecurityGroup", false);
/** kubeovn.io/v1 DNSNameResolver. */
export const DNS_NAME_RESOLVERS: ResourceType = grouped("kubeovn.io", "dnsnameresolvers", "DNSNameResolver", false);
/** kubeovn.io/v1 OvnEip. */
export const OVN_EIPS: ResourceType = grouped("kubeovn.io", "ovn-eips", "OvnEip", false);
/** kubeovn.io/v1 Vip. */
export const VIPS: ResourceType = grouped("kubeovn.io", "vips", "Vip", false);
/** kubevirt.io/v1 VirtualMachine. */
export const VIRTUAL_MACHINES: ResourceType = grouped("kubevirt.io", "virtualmachines", "VirtualMachine");
/** kubevirt.io/v1 VirtualMachineInstanceMigration. */
export const MIGRATIONS: ResourceType = grouped(
  "kubevirt.io",
  "virtualmachineinstancemigrations",
  "VirtualMachineInstanceMigration",
);
