// SPDX-License-Identifier: Apache-2.0

/**
 * Names that Kubernetes objects and OVN rows carry. They are Kube-OVN's, because kubectl-ko, dashboards, collectors and
 * a take-over of a running cluster look for them (`pkg/util/const.go`, `pkg/ovs/util.go`). All functions are pure; none
 * checks its arguments, which are names that the API server has accepted. Names of distinct objects are distinct (see `name.ts`).
 */
import { digestOf, type Name, withDigest } from "./name.ts";
import { NODE_PREFIX, podPortName } from "./port-names.ts";

/** Held by every object of ours while something in the northbound database depends on it. */
export const FINALIZER = "kubeovn.io/kube-ovn-controller";
/** The finalizer's form before Kube-OVN 1.13; taken off wherever it is met. */
export const DEPRECATED_FINALIZER = "kube-ovn-controller";

/** The key in `external_ids` that says whose row it is. */
export const VENDOR_KEY = "vendor";
/** Its value on every row of ours. */
export const VENDOR = "kube-ovn";

/** The VPC of everything that names none. */
export const DEFAULT_VPC = "ovn-cluster";
/** The subnet of pods that name none. */
export const DEFAULT_SUBNET = "ovn-default";
/** The subnet that joins nodes to the default VPC's router. */
export const JOIN_SUBNET = "join";

/** The node's own interface into OVN, an internal port of `br-int`. */
export const NODE_INTERFACE = "ovn0";

/** The node's interface by which it reaches Services where there is no kube-proxy, an internal port of `br-int`. */
export const SERVICE_INTERFACE = "ovn-services";

/** The node's interface at which mirrored packets of its pods arrive, an internal port of `br-int`; Kube-OVN's `--mirror-iface`. */
export const MIRROR_INTERFACE = "mirror0";
/** The row of Open vSwitch's `Mirror` that sends them there. */
export const MIRROR_NAME = "m0";

/** `source.component` of every Event that the controller writes. The daemon's Events carry its node's name there. */
export const CONTROLLER_COMPONENT = "kube-ovn-controller";
/** Type of the condition of a Node that an InternalIP of it is not used. Its status is True; where all are used, there is no such condition. */
export const ADDRESS_CONDITION = "WeftInternalIPNotUsed";
/** Type of the condition of a Node that OVN has no chassis for it, or that it shares one. Its status is True; where all is well, there is no such condition. */
export const CHASSIS_CONDITION = "WeftChassisProblem";
/** Type of the condition of a Node that a network of its annotation `node_networks` is not used. Its status is True; where all are used, there is no such condition. */
export const NETWORKS_CONDITION = "WeftNodeNetworksNotUsed";
/** Type of the condition of a Node that it cannot reach Services, which it should without kube-proxy. Its status is True; where it can, there is no such condition. */
export const SERVICES_CONDITION = "WeftServicesNotReachable";
/** Component that the daemon's Events come from: the DaemonSet's name. */
export const DAEMON_COMPONENT = "kube-ovn-cni";

/** The switch port towards a provider's network: `localnet.<subnet>`. No pod, node, router or Vip has a port of such a name. */
export function localnetPortName(subnet: string): string {
  return `localnet.${subnet}`;
}

/**
 * A router port or a virtual port. A name with a dot may be a pod's, and one that begins with `node-` a node's; these are told by their
 * names to others (daemons, IP objects), so it is not they who give way.
 */
function portName(plain: string, parts: readonly string[]): Name {
  const distinct = withDigest(plain, parts);
  return plain.includes(".") || plain.startsWith(NODE_PREFIX) ? { plain: distinct, distinct } : { plain, distinct };
}

/** The router port towards a switch: `<vpc>-<subnet>`. ovn-northd takes the ports of routers and of switches as one set of names. */
export function routerPortName(vpc: string, subnet: string): Name {
  return portName(`${vpc}-${subnet}`, ["router port", vpc, subnet]);
}

/** The switch port towards a router: `<subnet>-<vpc>`. */
export function routerSwitchPortName(subnet: string, vpc: string): Name {
  return portName(`${subnet}-${vpc}`, ["switch port", subnet, vpc]);
}

/** The router port of a VPC towards the router of a VPC that it is peered with: `<vpc>-<remote>`. */
export function peeringPortName(vpc: string, remote: string): Name {
  return portName(`${vpc}-${remote}`, ["peering", vpc, remote]);
}

/** The router port of a VPC from which its BFD sessions start, and the group of chassis that may host it. No other port has an `@` in its name. */
export function bfdPortName(vpc: string): string {
  return `bfd@${vpc}`;
}

/** The virtual port of a Vip without a type: the Vip's name. */
export function virtualPortName(vip: string): Name {
  return portName(vip, ["vip", vip]);
}

/** The virtual port of the IPv6 address of a Vip that has an IPv4 address too, which is the other port's. No other port has such a name. */
export function secondVirtualPortName(vip: string): string {
  return withDigest(vip, ["vip", vip, "v6"]);
}

/** The virtual port of an address of a subnet's `vips`. No other port has such a name; Kube-OVN's, without the digest, could be a pod's port's. */
export function subnetVipPortName(subnet: string, address: string): string {
  return withDigest(`${subnet}-vip-${address}`, ["subnet vip", subnet, address]);
}

/** The port of a Vip that has a type: as a pod of its name would have it, {@link podPortName}. The plain one is the pod's if there is one. */
export function vipPortName(vip: string, namespace: string, provider: string): Name {
  const plain = podPortName(vip, namespace, provider);
  return { plain, distinct: withDigest(plain, ["vip", vip]) };
}

/**
 * The name of a Port_Group or an Address_Set: every `-` a `.`, because in a match `-` would end it. It cannot begin with a digit (ovn-nb(5),
 * Address_Set `name`).
 */
function setName(text: string): string {
  const dotted = text.replaceAll("-", ".");
  return /^[a-z]/.test(dotted) ? dotted : `_${dotted}`;
}

/** The port group of a node's pods: `node.<node>`, every `-` a `.`. */
export function nodePortGroupName(node: string): Name {
  const plain = setName(`${NODE_PREFIX}${node}`);
  return { plain, distinct: withDigest(plain, ["node", node]) };
}

/** The address set of an IPPool with `enableAddressSet`: its name, every `-` a `.`. */
export function ipPoolAddressSetName(pool: string): Name {
  const plain = setName(pool);
  return { plain, distinct: withDigest(plain, ["ippool", pool]) };
}

/**
 * The security group, of no object, whose members may do nothing but what their other groups allow: everybody who names a
 * SecurityGroup. No SecurityGroup can have the name, because of its `_`.
 */
export const DENY_ALL_GROUP = "kubeovn_deny_all";

/**
 * The port group of a SecurityGroup: `ovn.sg.<group>`, every `-` a `.`. Where the name has a `.` of its own, a digest follows,
 * so that `a-b` and `a.b` are two groups (in Kube-OVN they are one), whichever of them exist: rules of others refer to it.
 */
export function securityGroupPortGroupName(group: string): string {
  const name = `ovn.sg.${group}`.replaceAll("-", ".");
  return group.includes(".") ? withDigest(name, ["sg", group]) : name;
}

/** That of its ports in a custom VPC, which are not in the former one. */
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
 * The port group of the switch ports towards the default VPC's router. What comes in by one of them has come through the router, so a node's
 * address as its source is a node's: no other switch lets such a packet out.
 */
export const UPLINKS_GROUP = "weft.uplinks";

/** The address set of all nodes' own addresses of one family. No IPPool's set has the name, because of its `_`. */
export function nodesAddressSet(family: 4 | 6): string {
  return `weft_nodes_ip${family}`;
}

/**
 * The address set of the ranges of one family of those subnets of the default VPC whose pods leave by their own node; `nat`: of those of them that have
 * `natOutgoing`.
 */
export function leavingAddressSet(how: "distributed" | "nat", family: 4 | 6): string {
  return `weft_${how}_ip${family}`;
}

const LOAD_BALANCER_GROUP_PREFIX = "weft/vpc/";

/** The group of a VPC's load balancers. The table has no `external_ids`: the prefix is what makes such a row ours. */
export function loadBalancerGroupName(vpc: string): string {
  return `${LOAD_BALANCER_GROUP_PREFIX}${vpc}`;
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

/** Whether a Service may be a rule's by its name. */
export function isRuleServiceName(name: string): boolean {
  return name.startsWith(ruleServiceName(""));
}

/** The EndpointSlice of the endpoints of one family that a SwitchLBRule names. */
export function ruleSliceName(rule: string, family: "IPv4" | "IPv6"): string {
  return `${ruleServiceName(rule)}-${family.toLowerCase()}`;
}

/** The load balancer for what clients send again, of a sticky Service's ports of one protocol: see `src/compile/service/service-repeats.ts`. */
export function repeatsName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/repeats`;
}

/** The load balancer of a Service that keeps to endpoints on the client's node, for one protocol and family. */
export function localName(service: string, protocol: "TCP" | "UDP" | "SCTP", v6: boolean): string {
  return `${loadBalancerName(service, protocol)}/local${v6 ? 6 : 4}`;
}

/** The load balancer that refuses what is sent to such a Service on nodes without an endpoint. */
export function refusalName(service: string): string {
  return `${service}/refuse`;
}

/** The load balancer of such a Service for what nodes translate from its node ports, for one protocol. */
export function nodePortsName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/node-ports`;
}

/** The load balancer that refuses, in the default VPC, what is sent to a Service of another VPC, for one protocol. */
export function foreignName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/of-other-vpc`;
}

/** The load balancer of a Service for clients in one zone, for one protocol and family. */
export function zonalName(service: string, protocol: "TCP" | "UDP" | "SCTP", v6: boolean, zone: string): string {
  return `${loadBalancerName(service, protocol)}/zone${v6 ? 6 : 4}/${zone}`;
}

/** The port that holds the addresses which a pod shares: of no pod, because of its `/`. See `src/compile/pod/shared-addresses.ts`. */
export function sharedPortName(port: string): string {
  return `${port}/shared`;
}

/** What a gateway node is watched by, a port with its switch and group: of no pod and no Subnet, because of its `/`. See `src/compile/gateway/gateway.ts`. */
export function gatewayName(node: string): string {
  return `gateway/${node}`;
}

/** The meter of a policy's logging, by its limit in packets a second. `policy`: see `Policy.id`. */
export function meterName(policy: string, rate: number): string {
  return `${policy}/${rate}`;
}

/** What an ACL is called in OVN's log. Several may have one name: no row is known by it. */
export function aclName(...parts: readonly string[]): string {
  return parts.join("/");
}

/**
 * The address that a pod sees as the client's when it reaches itself through a Service (ovn-nb(5), Load_Balancer
 * `hairpin_snat_ip`). It is the same for all, so that policies can let it in; nothing else has it.
 */
export const HAIRPIN_SOURCE = { v4: "169.254.169.5", v6: "fd69::5" } as const;

/**
 * Where nodes reach the pods of custom VPCs from, for kubelet's probes (`src/compile/vpc/vpc-probe.ts`): a network of the router's and the node's address, the
 * same in each VPC and on each node. No subnet may contain it.
 */
export const PROBE_NETWORK = {
  v4: { cidr: "169.254.169.8/30", router: "169.254.169.9", node: "169.254.169.10" },
  v6: { cidr: "fd69::8/126", router: "fd69::9", node: "fd69::a" },
} as const;

/** The MAC of a node on that network. Each VPC has a switch of its own, so it may be the same everywhere. */
export const PROBE_MAC = "0a:58:a9:fe:a9:0a";

/** The switch of a VPC from which its pods are probed. No subnet or port has a name with a `/` that begins so, nor the ports below. */
export function probeSwitchName(vpc: string): string {
  return `weft/probe/${vpc}`;
}

/** The port of nodes on that switch, and the `iface-id` of the interface that a node has for the VPC. */
export function probePortName(vpc: string): string {
  return `${probeSwitchName(vpc)}/node`;
}
