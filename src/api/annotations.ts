// SPDX-License-Identifier: Apache-2.0

/**
 * Annotations and labels, with Kube-OVN's names.
 *
 * Most belong to one interface of a pod and have its provider as prefix: `<provider>.kubernetes.io/<key>`. The provider
 * is `ovn` for the pod's own interface, `<nad>.<ns>.ovn` for a secondary interface on OVN, `<nad>.<ns>` if another plugin creates the interface and
 * gets an address from us, with the interface's name appended if a pod uses the same attachment twice.
 */

/** The provider of a pod's own interface. */
export const OVN_PROVIDER = "ovn";

const RESULT_KEYS = [
  "allocated",
  "routed",
  "ip_address",
  "mac_address",
  "cidr",
  "gateway",
  "logical_switch",
  "logical_router",
  "pod_nic_type",
  "vlan_id",
  "provider_network",
  "virtualmachine",
] as const;
const REQUEST_KEYS = [
  "ip_address",
  "mac_address",
  "ip_pool",
  "ip_family",
  "logical_switch",
  "routes",
  "default_route",
  "port_security",
  "port_vips",
  "security_groups",
  "layer2_forward",
  "ingress_rate",
  "egress_rate",
  "ingress_burst",
  "egress_burst",
  "latency",
  "limit",
  "loss",
  "jitter",
  "mirror",
  "activation_strategy",
  "dhcp-v4-options",
  "dhcp-v6-options",
] as const;
const DAEMON_KEYS = ["vf_representor", "vf", "pod_nic_type"] as const;

/** Keys that the controller writes on a pod: the outcome of an allocation. */
export type PodResultKey = (typeof RESULT_KEYS)[number];

/** Keys that a user sets on a pod to configure an interface. Some are also results. */
export type PodRequestKey = (typeof REQUEST_KEYS)[number];

/** Keys that the daemon writes on a pod (SR-IOV). */
export type PodDaemonKey = (typeof DAEMON_KEYS)[number];

/** Every key that exists once for each interface of a pod. */
export type PodKey = PodResultKey | PodRequestKey | PodDaemonKey;

/** The {@link PodKey}s: possible keys of an annotation `<provider>.kubernetes.io/<key>` of ours. */
export const POD_KEYS: ReadonlySet<string> = new Set<PodKey>([...RESULT_KEYS, ...REQUEST_KEYS, ...DAEMON_KEYS]);

/** The prefix of all annotations of one interface. */
export function annotationDomain(provider: string): string {
  return `${provider}.kubernetes.io`;
}

/** The name of an annotation of one interface, for example `ovn.kubernetes.io/ip_address`. */
export function podAnnotation(provider: string, key: PodKey): string {
  return `${annotationDomain(provider)}/${key}`;
}

/**
 * The annotation of a fixed address if one attachment is used for several interfaces:
 * `<nad>.<ns>.kubernetes.io/ip_address.<interface>`.
 */
export function interfaceAnnotation(
  nad: string,
  namespace: string,
  key: "ip_address" | "mac_address",
  interfaceName: string,
): string {
  return `${nad}.${namespace}.kubernetes.io/${key}.${interfaceName}`;
}

/** The provider of a secondary interface through OVN: `<nad>.<ns>.ovn`, with the interface's name where it is needed. */
export function ovnAttachmentProvider(nad: string, namespace: string, interfaceName?: string): string {
  const provider = `${nad}.${namespace}.${OVN_PROVIDER}`;
  return interfaceName === undefined ? provider : `${provider}.${interfaceName}`;
}

/** The provider of an attachment of another plugin that only gets its address from us: `<nad>.<ns>`, with the interface's name if necessary. */
export function ipamAttachmentProvider(nad: string, namespace: string, interfaceName?: string): string {
  const provider = `${nad}.${namespace}`;
  return interfaceName === undefined ? provider : `${provider}.${interfaceName}`;
}

/** A subnet's provider is OVN's when its pods' ports are logical switch ports: `ovn` or `….ovn`. */
export function isOvnProvider(provider: string): boolean {
  return provider === OVN_PROVIDER || provider.endsWith(`.${OVN_PROVIDER}`);
}

/** Annotations of a pod that do not belong to an interface. */
export const POD = {
  /** Name of a Vip whose address the pod takes. */
  vip: "ovn.kubernetes.io/vip",
  /** Names of Vips, separated by commas, that the pod may also send from (allowed address pairs). */
  aaps: "ovn.kubernetes.io/aaps",
  /** Its floating IP in an external subnet of the default VPC; one of each family, separated by a comma. */
  eip: "ovn.kubernetes.io/eip",
  /** The address with which it leaves by such a subnet; several pods may have the same one. */
  snat: "ovn.kubernetes.io/snat",
  northGateway: "ovn.kubernetes.io/north_gateway",
  /** `true`, `cluster` or `local`: announce the pod's address by BGP. */
  bgp: "ovn.kubernetes.io/bgp",
  /** Multus: attachments of the pod. */
  networks: "k8s.v1.cni.cncf.io/networks",
  /** Multus: the resulting interfaces, written by Multus. */
  networkStatus: "k8s.v1.cni.cncf.io/network-status",
  /** Multus: attachment that replaces the default network. */
  defaultNetwork: "v1.multus-cni.io/default-network",
  resourceName: "k8s.v1.cni.cncf.io/resourceName",
  /** The upstream bandwidth plugin's limits of the pod's own interface, quantities of bit/s. */
  ingressBandwidth: "kubernetes.io/ingress-bandwidth",
  egressBandwidth: "kubernetes.io/egress-bandwidth",
  /** Written by the controller: the QoS that is active on each interface (`src/contract/qos-record.ts`). */
  qos: "weft.kubeovn.io/qos",
} as const;

/** Annotations of a Namespace, written by the controller. */
export const NAMESPACE = {
  /** Names of the namespace's subnets, separated by commas, in the order in which they are tried. */
  logicalSwitch: "ovn.kubernetes.io/logical_switch",
  /** Their CIDRs: dual stack by commas, subnets by semicolons. */
  cidr: "ovn.kubernetes.io/cidr",
  /** Their excluded addresses: one subnet's by commas, subnets by semicolons. */
  excludeIps: "ovn.kubernetes.io/exclude_ips",
  /** Names of the namespace's IP pools, separated by commas. */
  ipPool: "ovn.kubernetes.io/ip_pool",
} as const;

/** Annotations of a Node: how it joins the default VPC, and settings of users. */
export const NODE = {
  allocated: "ovn.kubernetes.io/allocated",
  ipAddress: "ovn.kubernetes.io/ip_address",
  macAddress: "ovn.kubernetes.io/mac_address",
  cidr: "ovn.kubernetes.io/cidr",
  gateway: "ovn.kubernetes.io/gateway",
  /** Always the join subnet. */
  logicalSwitch: "ovn.kubernetes.io/logical_switch",
  /** `node-<node>`. */
  portName: "ovn.kubernetes.io/port_name",
  /**
   * The node's addresses that it uses as source towards pods (one of each family, separated by commas). The controller writes it when packets to them
   * are routed back to the node.
   */
  source: "weft.kubeovn.io/source",
  /** Settings of the cluster for nodes (`src/contract/node.ts`), written by the controller. */
  contract: "weft.kubeovn.io/node-contract",
  /** OVN's name of the node's chassis (`system-id`), written by the daemon. */
  chassis: "ovn.kubernetes.io/chassis",
  /**
   * OVN's name of the only chassis that this node monitors by BFD, while all tunnels to it are down. Written by the daemon and removed when one is up
   * again. The controller reads it in clusters of two nodes.
   */
  unreachable: "weft.kubeovn.io/unreachable-chassis",
  /** Which networks outside the node is connected to (`src/contract/uplinks.ts`), written by the daemon. */
  uplinks: "weft.kubeovn.io/uplinks",
  /** Written by the controller: it has set label `ovn.kubernetes.io/external-gw`, because ConfigMap `ovn-external-gw-config` names the node. */
  externalGateway: "weft.kubeovn.io/external-gw",
  /** Interface whose address tunnels end at. */
  tunnelInterface: "ovn.kubernetes.io/tunnel_interface",
  /** JSON object, network name → address that its tunnels end at. */
  nodeNetworks: "ovn.kubernetes.io/node_networks",
  ingressRate: "ovn.kubernetes.io/ingress_rate",
  egressRate: "ovn.kubernetes.io/egress_rate",
  /** Written by the controller: the QoS that is active on `ovn0` (`src/contract/qos-record.ts`). */
  qos: "weft.kubeovn.io/qos",
} as const;

/** Annotations of a controller's own Pod. */
export const CONTROLLER_POD = {
  /** Why this controller does not lead although no other does, as a message. Written by the controller. */
  notLeading: "weft.kubeovn.io/not-leading",
} as const;

/**
 * On the namespace kube-system: the id that the uuids of this cluster's rows in OVN's databases are made with (`src/desired/identity.ts`), for tools.
 * Absent where they are made without one.
 */
export const CLUSTER_ID = "weft.kubeovn.io/cluster-id";

/** On one pod and one IP object: written by a new leader to check that its watches are current. */
export const CAUGHT_UP = "weft.kubeovn.io/caught-up";

/** The state of one provider network on a node. `err_mesg` is an annotation of Kube-OVN's daemon pod, which Weft does not write. The others are labels. */
export type ProviderNetworkKey = "ready" | "interface" | "mtu" | "exclude" | "vlan_interfaces" | "err_mesg";

/** A node's label (or the daemon's annotation) about a provider network: `<pn>.provider-network.kubernetes.io/<key>`. */
export function providerNetworkLabel(providerNetwork: string, key: ProviderNetworkKey): string {
  return `${providerNetwork}.provider-network.kubernetes.io/${key}`;
}

/** Annotations of a Service. */
export const SERVICE = {
  /** Written by the controller: the VPC of its endpoints. */
  vpc: "ovn.kubernetes.io/vpc",
  /** Together with the switch: the VPC that a user chooses, independent of the endpoints. */
  logicalRouter: "ovn.kubernetes.io/logical_router",
  logicalSwitch: "ovn.kubernetes.io/logical_switch",
  switchLbVip: "ovn.kubernetes.io/switch_lb_vip",
  routerLbVip: "ovn.kubernetes.io/router_lb_vip",
  healthCheck: "ovn.kubernetes.io/service_health_check",
  externalIpFromSubnet: "ovn.kubernetes.io/service_external_ip_from_subnet",
  attachmentProvider: "ovn.kubernetes.io/attachmentprovider",
  lbImage: "ovn.kubernetes.io/lb_svc_img",
  /** Written by the controller together with the addresses in the status: `SUBNET/ADDRESSES`, the external subnet that they are from, and themselves. */
  loadBalancer: "weft.kubeovn.io/load-balancer",
  bgp: "ovn.kubernetes.io/bgp",
} as const;

/** Annotations of a NetworkPolicy. */
export const NETWORK_POLICY = {
  enableLog: "ovn.kubernetes.io/enable_log",
  logActions: "ovn.kubernetes.io/log_acl_actions",
  logRate: "ovn.kubernetes.io/acl_log_meter_rate",
  /** `standard` or `lax`. */
  enforcement: "ovn.kubernetes.io/network_policy_enforcement",
  /** The providers of the interfaces that the policy applies to. */
  policyFor: "ovn.kubernetes.io/network_policy_for",
} as const;

/** Annotations of a Subnet. */
export const SUBNET = {
  /** `true`, `cluster` or `local`: announce the CIDR or the pods' addresses by BGP. */
  bgp: "ovn.kubernetes.io/bgp",
  /**
   * What every node must do for it (`src/contract/subnet.ts`). The controller writes it after the commit, and restores it if another client changes
   * or removes it; daemons read nothing else of the Subnet.
   */
  nodeContract: "weft.kubeovn.io/node-contract",
  /** Of the subnet of the nodes, written by the controller: UDP flows of Services to endpoints that are gone (`src/contract/stale-udp-flows.ts`). */
  staleFlows: "weft.kubeovn.io/ended-udp-flows",
} as const;

/** Label of a Node, `true` if it may host routers' ports in external subnets; set by a user or by the controller. */
export const EXTERNAL_GATEWAY_LABEL = "ovn.kubernetes.io/external-gw";

/** Label of a Node, written by the controller: `true` if an OvnEip of type `lsp` has its name, `false` when that is gone; as in Kube-OVN. */
export const NODE_EIP_LABEL = "ovn.kubernetes.io/node-ext-gw";

/** On the default VPC, written by the controller: it has set `spec.enableExternal`, because of ConfigMap `ovn-external-gw-config`. */
export const EXTERNAL_BY_CONFIG = "weft.kubeovn.io/external-by-config";

/** Annotations of OvnEips and of the rules that use them, as in Kube-OVN. */
export const NAT = {
  /** On an OvnEip: a rule that uses it. */
  rule: "ovn.kubernetes.io/vpc_nat",
  /** On a rule: its OvnEip. */
  eip: "ovn.kubernetes.io/vpc_eip",
  /** On an OvnEip that the controller has created for annotations of pods: `eip/NAMESPACE/POD`, the pod whose floating IP it is, or `snat`. */
  pods: "weft.kubeovn.io/for-pods",
} as const;

/** Labels of our own objects. */
export const LABEL = {
  /** On IP and Vip: the subnet's name. */
  subnet: "ovn.kubernetes.io/subnet",
  /** On IP: the node's name. */
  nodeName: "ovn.kubernetes.io/node-name",
  /** On IP: `true` if a user created it, so that it outlives its pod; `false` if the controller did. */
  ipReserved: "ovn.kubernetes.io/ip_reserved",
  /** On objects of one VPC. */
  vpc: "ovn.kubernetes.io/vpc",
  /** On objects that use an external address: that address; the IPv6 one with `-` for `:`, which a label must not contain. */
  eipV4: "ovn.kubernetes.io/eip_v4_ip",
  eipV6: "ovn.kubernetes.io/eip_v6_ip",
  vpcNatGateway: "ovn.kubernetes.io/vpc-nat-gw",
  vpcNatGatewayName: "ovn.kubernetes.io/vpc-nat-gw-name",
  vpcEip: "ovn.kubernetes.io/vpc_eip",
  vpcDnatPort: "ovn.kubernetes.io/vpc_dnat_eport",
  vpcNat: "ovn.kubernetes.io/vpc_nat",
  ovnEipType: "ovn.kubernetes.io/ovn_eip_type",
  qos: "ovn.kubernetes.io/qos",
  vpcLb: "ovn.kubernetes.io/vpc_lb",
  vpcDns: "ovn.kubernetes.io/vpc-dns",
  vpcEgressGateway: "ovn.kubernetes.io/vpc-egress-gateway",
  vpcExternal: "ovn.kubernetes.io/vpc_external",
} as const;

/**
 * The labels of an `IP` object. The subnet's name is a label twice: as the value of {@link LABEL}.subnet and, as
 * Kube-OVN's oldest tools select it, as a key without a value.
 */
export function ipLabels(of: { subnet: string; node: string; reserved: boolean }): Record<string, string> {
  const subnet = labelValue(of.subnet);
  return {
    [LABEL.subnet]: subnet,
    [LABEL.nodeName]: labelValue(of.node),
    ...(subnet !== "" && { [subnet]: "" }),
    [LABEL.ipReserved]: String(of.reserved),
  };
}

/** The labels with the addresses of an OvnEip. A label has no colon, and begins and ends with a letter or a digit. */
export function eipLabels({ v4, v6 }: { readonly v4: string; readonly v6: string }): {
  readonly v4: string;
  readonly v6: string;
  readonly labels: Readonly<Record<string, string>>;
} {
  const [start, end] = [v6.startsWith(":") ? "0" : "", v6.endsWith(":") ? "0" : ""];
  const text = start + v6.replaceAll(":", "-") + end;
  return { v4, v6: text, labels: { [LABEL.eipV4]: v4, [LABEL.eipV6]: text } };
}

/** An object's name as the value of a label; "" for one of more than 63 characters, with which the API server would refuse the whole object. */
export function labelValue(name: string): string {
  return name.length > 63 ? "" : name;
}

/** The label with the zone of a node (k8s.io/api/core/v1 `LabelTopologyZone`). */
export const ZONE_LABEL = "topology.kubernetes.io/zone";
