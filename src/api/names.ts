/**
 * Names that Kubernetes objects and OVN rows carry. They are Kube-OVN's, because kubectl-ko, dashboards, collectors and
 * a take-over of a running cluster look for them (`pkg/util/const.go`, `pkg/ovs/util.go`). All functions are pure; none
 * checks its arguments, which are names that the API server has accepted.
 */
import { createHash } from "node:crypto";
import { OVN_PROVIDER } from "./annotations.ts";

/** API group and version of every kind of ours. */
export const API_VERSION = "kubeovn.io/v1";
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

/** `source.component` of every Event that the controller writes. The daemon's Events carry its node's name there. */
export const CONTROLLER_COMPONENT = "kube-ovn-controller";
/** Type of the condition of a Node that an InternalIP of it is not used. Its status is True; where all are used, there is no such condition. */
export const ADDRESS_CONDITION = "WeftInternalIPNotUsed";
/** Component that the daemon's Events come from: the DaemonSet's name. */
export const DAEMON_COMPONENT = "kube-ovn-cni";

/**
 * The logical switch port of one interface of a pod, and with it the `IP` object of that interface and the `iface-id`
 * of the OVS port: `<pod>.<ns>` or `<pod>.<ns>.<provider>`. `owner` is the pod's name, or the virtual machine's where
 * the pod belongs to one.
 */
export function podPortName(owner: string, namespace: string, provider: string = OVN_PROVIDER): string {
  return provider === OVN_PROVIDER ? `${owner}.${namespace}` : `${owner}.${namespace}.${provider}`;
}

const NODE_PREFIX = "node-";

/** The logical switch port of a node on the join switch, and its `IP` object: `node-<node>`. */
export function nodePortName(node: string): string {
  return `${NODE_PREFIX}${node}`;
}

/** The `IP` object of a subnet's underlay-to-overlay router port: `u2o-interconnection.<vpc>.<subnet>`. */
export function u2oIpName(vpc: string, subnet: string): string {
  return `u2o-interconnection.${vpc}.${subnet}`;
}

/** The `IP` object of a subnet's multicast querier: `mcast-querier.<subnet>`. */
export function multicastQuerierName(subnet: string): string {
  return `mcast-querier.${subnet}`;
}

/** The router port towards a switch: `<vpc>-<subnet>`. */
export function routerPortName(vpc: string, subnet: string): string {
  return `${vpc}-${subnet}`;
}

/** The switch port towards a router: `<subnet>-<vpc>`. */
export function routerSwitchPortName(subnet: string, vpc: string): string {
  return `${subnet}-${vpc}`;
}

/** The switch port towards a provider's network: `localnet.<subnet>`. */
export function localnetPortName(subnet: string): string {
  return `localnet.${subnet}`;
}

/**
 * The port group of a node's pods: `node.<node>`, every `-` a `.`, because a group's name is used in matches, where
 * `-` would end it (ovn-nb(5) Port_Group `name`). Two nodes whose names differ only there share a group, as in Kube-OVN.
 */
export function nodePortGroupName(node: string): string {
  return nodePortName(node).replaceAll("-", ".");
}

/** The port group of a distributed subnet's pods on a node: `<subnet>.<node>`, every `-` a `.`. */
export function subnetPortGroupName(subnet: string, node: string): string {
  return `${subnet}.${node}`.replaceAll("-", ".");
}

/** The address set of an IPPool with `enableAddressSet`: its name, every `-` a `.`. */
export function ipPoolAddressSetName(pool: string): string {
  return pool.replaceAll("-", ".");
}

/**
 * The security group, of no object, whose members may do nothing but what their other groups allow: everybody who names a
 * SecurityGroup. No SecurityGroup can have the name, because of its `_`.
 */
export const DENY_ALL_GROUP = "kubeovn_deny_all";

/**
 * The port group of a SecurityGroup: `ovn.sg.<group>`, every `-` a `.`. Where the name has a `.` of its own, a digest follows,
 * so that `a-b` and `a.b` are two groups (in Kube-OVN they are one).
 */
export function securityGroupPortGroupName(group: string): string {
  const name = `ovn.sg.${group}`.replaceAll("-", ".");
  return group.includes(".") ? `${name}_${createHash("sha1").update(group).digest("hex").slice(0, 8)}` : name;
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

/** The load balancer for what clients send again, of a sticky Service's ports of one protocol: see `src/compile/service.ts`. */
export function repeatsName(service: string, protocol: "TCP" | "UDP" | "SCTP"): string {
  return `${loadBalancerName(service, protocol)}/repeats`;
}

/**
 * The address that a pod sees as the client's when it reaches itself through a Service (ovn-nb(5), Load_Balancer
 * `hairpin_snat_ip`). It is the same for all, so that policies can let it in; nothing else has it.
 */
export const HAIRPIN_SOURCE = { v4: "169.254.169.5", v6: "fd69::5" } as const;
