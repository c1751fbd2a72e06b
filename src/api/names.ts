// SPDX-License-Identifier: Apache-2.0

/**
 * Names of Kubernetes objects and OVN rows. They are Kube-OVN's, because kubectl-ko, dashboards, collectors and the migration of a running cluster
 * depend on them (`pkg/util/const.go`, `pkg/ovs/util.go`). All functions are pure. Arguments are names that the API server has accepted, and are not
 * checked. Names of different objects are different (see `composed-name.ts`).
 */
import { digestOf, type Name, withDigest } from "./composed-name.ts";
import { NODE_PREFIX, podPortName } from "./port-names.ts";

/** The finalizer on every object of ours that something in the northbound database depends on. */
export const FINALIZER = "kubeovn.io/kube-ovn-controller";
/** The finalizer's name before Kube-OVN 1.13; removed from every object. */
export const DEPRECATED_FINALIZER = "kube-ovn-controller";

/** The key in `external_ids` that identifies the program that owns the row. */
export const VENDOR_KEY = "vendor";
/** Its value on every row of ours. */
export const VENDOR = "kube-ovn";

/** The namespace of Weft unless it is installed in another one, as of Kube-OVN. */
export const INSTALL_NAMESPACE = "kube-system";

/** The default VPC. */
export const DEFAULT_VPC = "ovn-cluster";
/** The default subnet of pods. */
export const DEFAULT_SUBNET = "ovn-default";
/** The subnet that joins nodes to the default VPC's router. */
export const JOIN_SUBNET = "join";

/** The node's own interface into OVN, an internal port of `br-int`. */
export const NODE_INTERFACE = "ovn0";

/** The node's interface to Services without kube-proxy, an internal port of `br-int`. */
export const SERVICE_INTERFACE = "ovn-services";

/** The node's interface at which mirrored packets of its pods arrive, an internal port of `br-int`; Kube-OVN's `--mirror-iface`. */
export const MIRROR_INTERFACE = "mirror0";
/** The row of Open vSwitch's table `Mirror` for these packets. */
export const MIRROR_NAME = "m0";

/** `source.component` of every Event that the controller writes. The daemon's Events carry its node's name there. */
export const CONTROLLER_COMPONENT = "kube-ovn-controller";
/** Type of the condition of a Node with an InternalIP that is not used. Its status is True; absent if all are used. */
export const ADDRESS_CONDITION = "WeftInternalIPNotUsed";
/** Type of the condition of a Node that has no chassis in OVN, or shares one. Its status is True; otherwise absent. */
export const CHASSIS_CONDITION = "WeftChassisProblem";
/** Type of the condition of a Node with a network in its annotation `node_networks` that is not used. Its status is True; absent if all are used. */
export const NETWORKS_CONDITION = "WeftNodeNetworksNotUsed";
/** Type of the condition of a Node that cannot reach Services although there is no kube-proxy. Its status is True; otherwise absent. */
export const SERVICES_CONDITION = "WeftServicesNotReachable";
/** Component that the daemon's Events come from: the DaemonSet's name. */
export const DAEMON_COMPONENT = "kube-ovn-cni";
/** The source of Events of speakers, as in Kube-OVN. */
export const SPEAKER_COMPONENT = "kube-ovn-speaker";
/** Component that the probers' Events come from: the DaemonSet's name, as in Kube-OVN. */
export const PINGER_COMPONENT = "kube-ovn-pinger";

/** The switch port towards a provider's network: `localnet.<subnet>`. No port of a pod, node, router or Vip has such a name. */
export function localnetPortName(subnet: string): string {
  return `localnet.${subnet}`;
}

/**
 * The name of a router port or a virtual port. A name with a dot may be a pod's, and one that begins with `node-` a node's; those names are fixed
 * because daemons and IP objects use them, so the other port gets the distinct name.
 */
function portName(plain: string, parts: readonly string[]): Name {
  const distinct = withDigest(plain, parts);
  return plain.includes(".") || plain.startsWith(NODE_PREFIX) ? { plain: distinct, distinct } : { plain, distinct };
}

/** The router port towards a switch: `<vpc>-<subnet>`. For ovn-northd the ports of routers and switches have one namespace. */
export function routerPortName(vpc: string, subnet: string): Name {
  return portName(`${vpc}-${subnet}`, ["router port", vpc, subnet]);
}

/** The port that northd adds to a router port with gateway chassis, of type `chassisredirect`: packets for it go to the active chassis (ovn-sb(5), Port_Binding). */
export function redirectPortName(routerPort: string): string {
  return `cr-${routerPort}`;
}

/** The switch port towards a router: `<subnet>-<vpc>`. */
export function routerSwitchPortName(subnet: string, vpc: string): Name {
  return portName(`${subnet}-${vpc}`, ["switch port", subnet, vpc]);
}

/** The router port of a VPC towards the router of a VPC that it is peered with: `<vpc>-<remote>`. */
export function peeringPortName(vpc: string, remote: string): Name {
  return portName(`${vpc}-${remote}`, ["peering", vpc, remote]);
}

/** The router port of a VPC for its BFD sessions, its router, and the group of chassis that may host it. No other port has an `@` in its name. */
export function bfdPortName(vpc: string): string {
  return `bfd@${vpc}`;
}

/** The router of a node in an external subnet, and its port there: of an OvnEip of type `lsp`. */
export function nodeEipPortName(eip: string): string {
  return `eip@${eip}`;
}

/** Whether a router is a VPC's, not one of {@link bfdPortName} or {@link nodeEipPortName}. */
export function isVpcRouterName(name: string): boolean {
  return !name.includes("@");
}

/** The virtual port of a Vip without a type: the Vip's name. */
export function virtualPortName(vip: string): Name {
  return portName(vip, ["vip", vip]);
}

/** The virtual port of the IPv6 address of a Vip that has an IPv4 address too, which has the other port. No other port has such a name. */
export function secondVirtualPortName(vip: string): string {
  return withDigest(vip, ["vip", vip, "v6"]);
}

/** The virtual port of an address of a subnet's `vips`. No other port has such a name; Kube-OVN's, without the digest, could be a pod's port's. */
export function subnetVipPortName(subnet: string, address: string): string {
  return withDigest(`${subnet}-vip-${address}`, ["subnet vip", subnet, address]);
}

/**
 * The port of a Vip with a type: the name that the port of a pod with its name has, {@link podPortName}. If that pod exists, the plain name belongs
 * to it.
 */
export function vipPortName(vip: string, namespace: string, provider: string): Name {
  const plain = podPortName(vip, namespace, provider);
  return { plain, distinct: withDigest(plain, ["vip", vip]) };
}

/**
 * The name of a Port_Group or an Address_Set: with `.` for every `-`, which would end the name in a match. It cannot begin with a digit (ovn-nb(5),
 * Address_Set `name`).
 */
function setName(text: string): string {
  const dotted = text.replaceAll("-", ".");
  return /^[a-z]/.test(dotted) ? dotted : `_${dotted}`;
}

/** The port group of a node's pods: `node.<node>`, with `.` for every `-`. */
export function nodePortGroupName(node: string): Name {
  const plain = setName(`${NODE_PREFIX}${node}`);
  return { plain, distinct: withDigest(plain, ["node", node]) };
}

/** The address set of an IPPool with `enableAddressSet`: its name, with `.` for every `-`. */
export function ipPoolAddressSetName(pool: string): Name {
  const plain = setName(pool);
  return { plain, distinct: withDigest(plain, ["ippool", pool]) };
}

/**
 * The built-in security group that denies everything that the other groups of its members do not allow. Every port with a SecurityGroup is a member.
 * No SecurityGroup object can have the name, because of its `_`.
 */
export const DENY_ALL_GROUP = "kubeovn_deny_all";

/**
 * The port group of a SecurityGroup: `ovn.sg.<group>`, with `.` for every `-`. If the name contains a `.`, a digest follows, so that `a-b` and `a.b`
 * are two groups (in Kube-OVN they are one). The name does not depend on which groups exist, because rules of other groups refer to it.
 */
export function securityGroupPortGroupName(group: string): string {
  const name = `ovn.sg.${group}`.replaceAll("-", ".");
  return group.includes(".") ? withDigest(name, ["sg", group]) : name;
}

/** The port group of its ports in a custom VPC, which are not in the one above. */
export function securityGroupInVpcName(group: string, vpc: string): string {
  return `weft.sg.${digestOf([group, vpc])}`;
}

/** The port group of all pods' ports in a custom VPC. */
export function vpcPodsGroupName(vpc: string): string {
  return `weft.vpc.${digestOf(vpc)}`;
}

/** The address set that northd keeps of a port group's addresses (ovn-nb(5) Port_Group): `<group>_ip4` or `_ip6`. */
export function portGroupAddressSet(group: string, family: 4 | 6): string {
  return `${group}_ip${family}`;
}

/**
 * The port group of the switch ports towards the default VPC's router. Packets from them have passed the router, so a node's address as source is
 * trusted: other switches drop packets with such a source.
 */
export const UPLINKS_GROUP = "weft.uplinks";

/** The address set of all nodes' own addresses of one family. No IPPool's address set has the name, because of its `_`. */
export function nodesAddressSet(family: 4 | 6): string {
  return `weft_nodes_ip${family}`;
}

/**
 * The address set of the ranges of one family of those subnets of the default VPC whose pods leave the cluster by their own node; `nat`: only those
 * with `natOutgoing`; `local`: the endpoints of Services that have node ports and `externalTrafficPolicy: Local`, whose replies do.
 */
export function leavingAddressSet(how: "distributed" | "nat" | "local", family: 4 | 6): string {
  return `weft_${how}_ip${family}`;
}

const LOAD_BALANCER_GROUP_PREFIX = "weft/vpc/";

/** The group of a VPC's load balancers. The table has no `external_ids`: the prefix identifies our rows. */
export function loadBalancerGroupName(vpc: string): string {
  return `${LOAD_BALANCER_GROUP_PREFIX}${vpc}`;
}

/** The group of those of a VPC's load balancers that an external subnet does not have: see `src/compile/service/load-balancer.ts`. */
export function insideBalancerGroupName(vpc: string): string {
  return `${LOAD_BALANCER_GROUP_PREFIX}${vpc}/inside`;
}

/** Whether a Load_Balancer_Group is ours, by its name. */
export function isLoadBalancerGroupName(name: string): boolean {
  return name.startsWith(LOAD_BALANCER_GROUP_PREFIX);
}

/** The load balancer of a Service's ports of one protocol: `<namespace>/<service>/<protocol>`. */
export function loadBalancerName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${service}/${protocol.toLowerCase()}`;
}

/** The Service of a SwitchLBRule, as in Kube-OVN. */
export function ruleServiceName(rule: string): string {
  return `slr-${rule}`;
}

/** The Deployment and the SwitchLBRule of a VpcDns, as in Kube-OVN. */
export function vpcDnsName(dns: string): string {
  return `vpc-dns-${dns}`;
}

/** The OvnEip that the controller creates for an external address that pods name in annotations. */
export function annotatedEipName(address: string): string {
  const text = address.replaceAll(/[.:]/g, "-");
  return `pods-${text}${text.endsWith("-") ? "0" : ""}`;
}

/** The Service of a RouterLBRule, as in Kube-OVN. */
export function routerRuleServiceName(rule: string): string {
  return `rlr-${rule}`;
}

/** A RouterLBRule as the maker of an object; no SwitchLBRule has such a name. */
export function routerRuleKey(rule: string): string {
  return `router/${rule}`;
}

/** Whether a Service may belong to a SwitchLBRule or a RouterLBRule, by its name. */
export function isRuleServiceName(name: string): boolean {
  return name.startsWith(ruleServiceName("")) || name.startsWith(routerRuleServiceName(""));
}

/** The EndpointSlice of one family for the endpoints of a rule with this Service. */
export function ruleSliceName(service: string, family: "IPv4" | "IPv6"): string {
  return `${service}-${family.toLowerCase()}`;
}

/** The load balancer of a RouterLBRule, for one protocol. */
export function routerBalancerName(rule: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `rlr-${rule}/${protocol.toLowerCase()}`;
}

/**
 * The load balancer for packets that clients send again, of the ports of one protocol of a Service with session affinity: see
 * `src/compile/service/service-repeats.ts`.
 */
export function repeatsName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/repeats`;
}

/** The load balancer of a Service with endpoints on the client's node only, for one protocol and family. */
export function localName(service: string, protocol: "TCP" | "UDP" | "SCTP", v6: boolean): string {
  return `${loadBalancerName(service, protocol)}/local${v6 ? 6 : 4}`;
}

/** The load balancer that rejects packets to such a Service on nodes without an endpoint. */
export function refusalName(service: string): string {
  return `${service}/refuse`;
}

/** The load balancer of such a Service for packets that nodes translate from its node ports, for one protocol. */
export function nodePortsName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/node-ports`;
}

/** The load balancer of a Service for clients of an external subnet, for one protocol. */
export function externalBalancerName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/external`;
}

/** The load balancer that rejects packets in the default VPC to a Service of another VPC, for one protocol. */
export function foreignName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/of-other-vpc`;
}

/** The same for the addresses of the Service that may be in an external subnet. */
export function foreignExternalName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${foreignName(service, protocol)}/external`;
}

/** The load balancer of a Service for clients in one zone, for one protocol and family. */
export function zonalName(service: string, protocol: "TCP" | "UDP" | "SCTP", v6: boolean, zone: string): string {
  return `${loadBalancerName(service, protocol)}/zone${v6 ? 6 : 4}/${zone}`;
}

/** The load balancer of a Service with node hints for clients on nodes that have endpoints of their own, for one protocol and family. */
export function sameNodeName(service: string, protocol: "TCP" | "UDP" | "SCTP", v6: boolean): string {
  return `${loadBalancerName(service, protocol)}/same-node${v6 ? 6 : 4}`;
}

/** The load balancer of a Service with node hints and without zone hints for clients on other nodes, for one protocol and family. */
export function otherNodesName(service: string, protocol: "TCP" | "UDP" | "SCTP", v6: boolean): string {
  return `${loadBalancerName(service, protocol)}/other-nodes${v6 ? 6 : 4}`;
}

/** The port with the addresses that a pod shares. No pod's port has such a name, because of its `/`. See `src/compile/pod/shared-addresses.ts`. */
export function sharedPortName(port: string): string {
  return `${port}/shared`;
}

/**
 * The port, switch and group that monitor a gateway node. No pod or Subnet has such a name, because of its `/`. See `src/compile/gateway/gateway.ts`.
 */
export function gatewayName(node: string): string {
  return `gateway/${node}`;
}

/** The meter of a policy's logging, by its limit in packets a second. `policy`: see `Policy.id`. */
export function meterName(policy: string, rate: number): string {
  return `${policy}/${rate}`;
}

/** The name of an ACL in OVN's log. It need not be unique. */
export function aclName(...parts: readonly string[]): string {
  return parts.join("/");
}

/**
 * The address that a pod sees as the client's when it reaches itself through a Service (ovn-nb(5), Load_Balancer
 * `hairpin_snat_ip`). It is the same for all pods, so that policies can allow it; nothing else has it.
 */
export const HAIRPIN_SOURCE = { v4: "169.254.169.5", v6: "fd69::5" } as const;

/**
 * The network from which nodes reach the pods of custom VPCs for kubelet's probes (`src/compile/vpc/vpc-probe.ts`): the router's and the node's
 * address, the same in each VPC and on each node. No subnet may contain it.
 */
export const PROBE_NETWORK = {
  v4: { cidr: "169.254.169.8/30", router: "169.254.169.9", node: "169.254.169.10" },
  v6: { cidr: "fd69::8/126", router: "fd69::9", node: "fd69::a" },
} as const;

/** The MAC of a node on that network. Each VPC has a switch of its own, so it may be the same everywhere. */
export const PROBE_MAC = "0a:58:a9:fe:a9:0a";

/** The switch of a VPC from which its pods are probed. No subnet or port has such a name, because of its `/`; the same holds for the ports below. */
export function probeSwitchName(vpc: string): string {
  return `weft/probe/${vpc}`;
}

/** The port of the VPC's router on that switch. */
export function probeRouterPortName(vpc: string): string {
  return `${probeSwitchName(vpc)}/router`;
}

/** The port of nodes on that switch, and the `iface-id` of the interface that a node has for the VPC. */
export function probePortName(vpc: string): string {
  return `${probeSwitchName(vpc)}/node`;
}
