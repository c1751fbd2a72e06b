// SPDX-License-Identifier: Apache-2.0

/**
 * What the web page's server answers, under `/api/v1/`, as JSON. Types only, without imports: the browser program is built against this file alone.
 *
 * Every text in an answer may come from users (names, annotations, messages): it is text, never markup. Times are ms since the epoch. A list that may be
 * long is bounded, and says that there is more. An answer has only what its viewer may see: an object that is hidden from them is as one that does not exist,
 * and counts leave it out.
 *
 * | request | answer |
 * | --- | --- |
 * | `POST /api/v1/login` with {@link LoginRequest} | 200 {@link Me}, and a cookie; 401 |
 * | `DELETE /api/v1/login` | 204; the cookie is removed |
 * | `GET /api/v1/me` | {@link Me} |
 * | `GET /api/v1/overview` | {@link Overview} |
 * | `GET /api/v1/topology` | {@link Topology} |
 * | `GET /api/v1/subnets/NAME` | {@link SubnetDetail} |
 * | `GET /api/v1/subnets/NAME/addresses?prefix=CIDR&bits=N` | {@link AddressMap}; `prefix` is by default the whole of the subnet's first family, `bits` 8 more than its length |
 * | `GET /api/v1/vpcs/NAME` | {@link VpcDetail} |
 * | `GET /api/v1/pods?namespace=&subnet=&node=&query=&limit=&continue=` | {@link Page} of {@link PodRow}, by namespace and name |
 * | `GET /api/v1/pods/NAMESPACE/NAME` | {@link PodDetail} |
 * | `GET /api/v1/policies?namespace=&query=&limit=&continue=` | {@link Page} of {@link PolicyRow} |
 * | `GET /api/v1/policies/KIND/NAMESPACE/NAME`, `GET /api/v1/policies/KIND/NAME` | {@link PolicyDetail}; KIND as in {@link ShownPolicyKind} |
 * | `GET /api/v1/nodes` | {@link Page} of {@link NodeRow} |
 * | `GET /api/v1/nodes/NAME` | {@link NodeDetail} |
 * | `GET /api/v1/find?q=TEXT` | {@link FindAnswer} |
 * | `GET /api/v1/reach?from=NS/POD&to=NS/POD\|ADDRESS&protocol=tcp&port=80` | {@link ReachAnswer}; `port` is a number or the name of a port; without `protocol`: icmp |
 * | `POST /api/v1/plan?namespace=NS&remove=true` with a manifest, YAML or JSON, of policies of any {@link ShownPolicyKind} | {@link PlanAnswer}: if they were applied, or with `remove=true` deleted; nothing is |
 * | `GET /api/v1/flows?namespace=&dropped=true` | {@link FlowsAnswer} |
 * | `GET /api/v1/events?flows=true` | `text/event-stream`: see {@link StreamEvent}; of flows it tells where `flows=true` only |
 *
 * A request needs the cookie of a login, or `Authorization: Bearer TOKEN`. `POST` and `DELETE` need the header `X-Weft-Page: 1`, which a page of another site cannot send.
 */

/** The answer to a request that fails, with its HTTP status. */
export interface ApiError {
  readonly error: {
    readonly code: ApiErrorCode;
    /** What is wrong and what would be accepted; for people. */
    readonly message: string;
    /** For `busy` and `too-many-requests`: after how many seconds to try again. */
    readonly retryAfter?: number;
  };
}

/** Each with its HTTP status. */
export type ApiErrorCode =
  /** 400: a parameter or the body is malformed; the message names it. */
  | "invalid"
  /** 401: no token, or one that is not valid any more: log in again. */
  | "unauthenticated"
  /** 403: the account lacks a right; the message names it. */
  | "forbidden"
  /** 404: it does not exist, or the account may not see it. */
  | "not-found"
  /** 405 */
  | "method-not-allowed"
  /** 413 */
  | "too-large"
  /** 429 */
  | "too-many-requests"
  /** 503: as many requests of this sort are running as may run, or what it needs does not answer. */
  | "busy"
  /** 503: the controller has not read the cluster yet, or the API server does not answer for the account. */
  | "unavailable"
  /** 500 */
  | "internal";

/** Body of `POST /api/v1/login`, `application/json`. */
export interface LoginRequest {
  /** A bearer token for the cluster's API server: of a ServiceAccount, or of the cluster's identity provider. */
  readonly token: string;
}

/** The account, and what it may see. */
export interface Me {
  /** `system:serviceaccount:kube-system:weft-ui`. */
  readonly user: string;
  /** It sees everything: all namespaces, nodes, subnets and VPCs. */
  readonly clusterWide: boolean;
  readonly sees: {
    /** `list pods` in all namespaces. */
    readonly allNamespaces: boolean;
    /** `list nodes`. */
    readonly nodes: boolean;
    /** `list subnets.kubeovn.io` and `list vpcs.kubeovn.io`; without it only the networks that its own pods are in, with the numbers of its own pods. */
    readonly networks: boolean;
  };
  /** The namespaces in which it may `list pods`, sorted. */
  readonly namespaces: readonly string[];
  readonly actions: {
    /** Any namespace is visible, so that plans have something to say. */
    readonly plan: boolean;
    /** Connections are sampled, and the controller can read them. */
    readonly flows: boolean;
  };
  /** When the login ends. */
  readonly expires: number;
  /** Weft's version. */
  readonly version: string;
}

/** An object of Kubernetes. */
export interface ObjectName {
  /** As in Kubernetes: `Pod`, `Node`, `Subnet`, `Vpc`, `NetworkPolicy`, … Others than those with a view of their own occur in problems and Events. */
  readonly kind: string;
  /** Absent for objects of the cluster. */
  readonly namespace?: string;
  readonly name: string;
}

/** How something is. `unknown`: nothing has been reported yet. */
export type Health = "ok" | "warning" | "error" | "unknown";

/** Something that needs a hand. */
export interface ShownProblem {
  readonly severity: "error" | "warning";
  readonly about: ObjectName;
  /** Where it is known from. */
  readonly source: "condition" | "event" | "address" | "part" | "fill";
  /** One CamelCase word. */
  readonly reason: string;
  /** What is wrong, and what to do about it. */
  readonly message: string;
  readonly since?: number;
}

/** A condition in an object's status. */
export interface ConditionRow {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly since?: number;
}

/** An Event about an object, the last ones first. */
export interface EventRow {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly last: number;
  readonly count: number;
}

/** Part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** How many match in all. */
  readonly total: number;
  /** For the parameter `continue` of the next request; absent on the last page. */
  readonly continue?: string;
}

/** What an administrator looks at first. */
export interface Overview {
  /** The worst first; at most 200. */
  readonly problems: readonly ShownProblem[];
  /** How many there are besides. */
  readonly moreProblems: number;
  /** Of what the viewer may see. */
  readonly counts: {
    readonly namespaces: number;
    readonly pods: number;
    /** Those that wait for an address. */
    readonly podsWaiting: number;
    readonly policies: number;
    readonly services: number;
    /** Absent where the account does not see them. */
    readonly nodes?: number;
    readonly nodesReady?: number;
    readonly subnets: number;
    readonly vpcs: number;
  };
  /** Weft's own workloads; empty where the account does not see nodes. */
  readonly parts: readonly Part[];
  readonly leader: {
    /** The leading controller; absent if none leads. */
    readonly name?: string;
    /** Why none does. */
    readonly problem?: string;
  };
  /** The controller that answers, and whether it is the leader; no name where the account does not see nodes. All replicas answer from the same objects. */
  readonly answeredBy: { readonly name: string; readonly leading: boolean };
  /** The fullest subnets, at most 10. */
  readonly fullest: readonly SubnetRow[];
  /** Why Events are missing, if they are. */
  readonly eventsProblem?: string;
  /** What the mesh probes find. Absent where no prober is installed, and where the account does not see nodes. */
  readonly probes?: {
    /** Nodes from which a probe keeps failing; each has problems above. Absent if Events cannot be read. */
    readonly failingNodes?: number;
  };
}

/** A workload of Weft. */
export interface Part {
  readonly kind: "Deployment" | "DaemonSet";
  readonly name: string;
  readonly wanted: number;
  readonly ready: number;
}

/** The addresses of one family of a subnet. Numbers above 2^53 are rounded. */
export interface Fill {
  readonly family: "IPv4" | "IPv6";
  readonly cidr: string;
  /** The gateway, which pods' default route leads to; "" for none. */
  readonly gateway: string;
  /** Used by objects that exist. */
  readonly used: number;
  /** For the viewer's own pods among them. */
  readonly own: number;
  /** That can still be given. Absent where the account does not see networks. */
  readonly free?: number;
  /** Those that are never given: `excludeIps`, the gateway. Absent as well. */
  readonly excluded?: number;
}

/** A subnet in lists. */
export interface SubnetRow {
  readonly name: string;
  readonly vpc: string;
  readonly provider: string;
  readonly isDefault: boolean;
  readonly fill: readonly Fill[];
  readonly state: Health;
  /** Why it is not `ok`. */
  readonly problem?: string;
}

/** A subnet. */
export interface SubnetDetail extends SubnetRow {
  readonly gatewayType: "distributed" | "centralized";
  readonly gatewayNodes: readonly { readonly name: string; readonly problem?: string }[];
  readonly natOutgoing: boolean;
  readonly private: boolean;
  readonly allowSubnets: readonly string[];
  readonly vlan: string;
  /** Unparsed. */
  readonly excludeIps: readonly string[];
  /** The visible ones that it is bound to. */
  readonly namespaces: readonly string[];
  /** The viewer's pods in it. */
  readonly pods: number;
  readonly conditions: readonly ConditionRow[];
  readonly events: readonly EventRow[];
}

/** A VPC. */
export interface VpcDetail {
  readonly name: string;
  readonly isDefault: boolean;
  readonly subnets: readonly SubnetRow[];
  readonly peerings: readonly { readonly vpc: string; readonly local: readonly string[] }[];
  readonly staticRoutes: readonly {
    readonly cidr: string;
    readonly nextHop: string;
    readonly policy: "policyDst" | "policySrc";
  }[];
  readonly policyRoutes: readonly {
    readonly priority: number;
    readonly match: string;
    readonly action: "allow" | "drop" | "reroute";
    readonly nextHops: readonly string[];
  }[];
  readonly state: Health;
  readonly problem?: string;
  readonly conditions: readonly ConditionRow[];
  readonly events: readonly EventRow[];
}

/** VPCs, subnets, gateways and nodes as a graph. Without self-loops; each edge's ends are among the nodes. */
export interface Topology {
  /** At most 5,000; see `more`. */
  readonly nodes: readonly TopologyNode[];
  readonly edges: readonly TopologyEdge[];
  /** The number of nodes that are left out. */
  readonly more: number;
}

/** A node of the graph; `id` is unique: `vpc/ovn-cluster`. */
export type TopologyNode = TopologyNodeBase &
  (
    | { readonly kind: "vpc"; readonly isDefault: boolean }
    | { readonly kind: "subnet"; readonly fill: readonly Fill[]; readonly pods: number; readonly isDefault: boolean }
    /** A node of the cluster. */
    | { readonly kind: "node"; readonly addresses: readonly string[]; readonly pods: number }
    /** A VpcNatGateway, or a subnet's external router. */
    | { readonly kind: "gateway"; readonly what: "VpcNatGateway" | "external" }
    /** A Vlan of a ProviderNetwork. */
    | { readonly kind: "vlan"; readonly provider: string; readonly vlanId: number }
  );

/** What all nodes of the graph have. */
export interface TopologyNodeBase {
  readonly id: string;
  readonly name: string;
  readonly state: Health;
  readonly problem?: string;
}

/** An edge of the graph. */
export interface TopologyEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: /** A subnet's VPC. */
    | "member"
    /** Two VPCs; once for each pair. */
    | "peering"
    /** A subnet whose packets leave by this node or gateway. */
    | "gateway"
    /** A subnet on a Vlan. */
    | "vlan"
    /** A node that the default VPC's join subnet connects. */
    | "join";
  /** For people: the addresses of a peering. */
  readonly label?: string;
}

/** One part of a subnet's addresses, divided into equal cells. */
export interface AddressMap {
  readonly subnet: string;
  readonly family: "IPv4" | "IPv6";
  /** What is divided: a CIDR in the subnet's. */
  readonly prefix: string;
  /** The prefix length of each cell: at most 10 more than that of `prefix`. */
  readonly bits: number;
  /** The number of cells, `2 ** (bits - length of prefix)`. */
  readonly cells: number;
  /** Addresses in each cell; rounded above 2^53. */
  readonly cellSize: number;
  /** The cells that are not entirely free, by index. */
  readonly filled: readonly AddressCell[];
  /** Where a cell is one address: the addresses that are not free. */
  readonly addresses?: readonly AddressRow[];
}

/** A cell: numbers of addresses; the rest is free. */
export interface AddressCell {
  readonly index: number;
  /** The first address, or the CIDR. */
  readonly prefix: string;
  readonly used: number;
  /** Held for an object that does not exist now: a user's reservation, a StatefulSet's pod. */
  readonly reserved: number;
  readonly excluded: number;
}

/** An address that is not free. */
export interface AddressRow {
  readonly index: number;
  readonly address: string;
  readonly state: "used" | "reserved" | "excluded" | "gateway";
  /** Who has it; absent if the account may not see that. */
  readonly holder?: ObjectName;
  readonly mac?: string;
  readonly node?: string;
}

/** A pod in lists. */
export interface PodRow {
  readonly namespace: string;
  readonly name: string;
  /** Of its primary interface. */
  readonly addresses: readonly string[];
  readonly subnet?: string;
  readonly node?: string;
  /** `waiting`: it has no address yet; `down`: it has one, and its port is not up; `ended`: its containers have terminated. */
  readonly state: "up" | "down" | "waiting" | "ended";
  readonly problem?: string;
}

/** A pod. */
export interface PodDetail extends PodRow {
  readonly vpc?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly interfaces: readonly ShownInterface[];
  /** The policies that apply to it. */
  readonly policies: readonly { readonly direction: "ingress" | "egress"; readonly policy: PolicyName }[];
  readonly securityGroups: readonly string[];
  /** The groups that policies' selectors put it into, told in words. */
  readonly groups: readonly string[];
  /** The Services that send to it. */
  readonly services: readonly ObjectName[];
  /** Named ports of its containers. */
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly number: number }[];
  readonly qos?: { readonly policy?: string; readonly ingressMbit?: number; readonly egressMbit?: number };
  readonly problems: readonly ShownProblem[];
  readonly events: readonly EventRow[];
}

/** An interface of a pod. */
export interface ShownInterface {
  /** `ovn` for the primary one. */
  readonly provider: string;
  readonly subnet: string;
  readonly addresses: readonly string[];
  readonly mac: string;
  /** Name of its logical switch port. */
  readonly port: string;
  readonly up: boolean;
}

/** The kinds of policies. */
export type ShownPolicyKind =
  | "NetworkPolicy"
  | "AdminNetworkPolicy"
  | "BaselineAdminNetworkPolicy"
  | "ClusterNetworkPolicy"
  | "SecurityGroup";

/** A policy. */
export interface PolicyName {
  readonly kind: ShownPolicyKind;
  /** NetworkPolicies only. */
  readonly namespace?: string;
  readonly name: string;
}

/** A policy in lists. */
export interface PolicyRow extends PolicyName {
  /** How many of the viewer's pods it applies to. */
  readonly pods: number;
  readonly ingressRules: number;
  readonly egressRules: number;
  /** `ingress`, `egress`: what it isolates its pods in. */
  readonly isolates: readonly ("ingress" | "egress")[];
  /** AdminNetworkPolicies only. */
  readonly priority?: number;
  readonly state: Health;
  readonly problem?: string;
}

/** A policy. */
export interface PolicyDetail extends PolicyRow {
  readonly rules: readonly ShownRule[];
  /** The first 200 of its pods. */
  readonly members: readonly { readonly namespace: string; readonly name: string }[];
  /** As YAML, to edit and plan; NetworkPolicies only. */
  readonly manifest?: string;
  readonly events: readonly EventRow[];
}

/** A rule of a policy, in words. */
export interface ShownRule {
  readonly direction: "ingress" | "egress";
  /** `spec.ingress[0]`. */
  readonly path: string;
  readonly action: "allow" | "deny" | "pass";
  readonly text: string;
}

/** A node in lists. */
export interface NodeRow {
  readonly name: string;
  readonly ready: boolean;
  readonly state: Health;
  readonly problem?: string;
  readonly internal: readonly string[];
  /** On the join subnet. */
  readonly join: readonly string[];
  readonly chassis: string;
  /** The viewer's pods on it. */
  readonly pods: number;
  readonly zone?: string;
}

/** A node. */
export interface NodeDetail extends NodeRow {
  readonly tunnelAddresses: readonly string[];
  /** The subnets whose packets leave by it. */
  readonly gatewayOf: readonly string[];
  /** A node that it reports it does not reach through its tunnels. */
  readonly unreachable?: string;
  readonly problems: readonly ShownProblem[];
  readonly events: readonly EventRow[];
}

/** What has a name or address. */
export interface FindAnswer {
  /** The best first; at most 50. */
  readonly hits: readonly FindHit[];
  readonly more: boolean;
}

/** An object that was found. */
export interface FindHit extends ObjectName {
  /** What matches: the name, or one of its addresses. */
  readonly by: "name" | "address" | "holds-address" | "contains-address";
  /** For people: an address and a subnet. */
  readonly detail: string;
}

/** Whether one end reaches the other, and why. */
export interface ReachAnswer {
  readonly from: string;
  readonly to: string;
  /** `TCP/80`. */
  readonly port: string;
  /** `partly`: some of the paths (an IP family, a backend) only. */
  readonly verdict: "allowed" | "denied" | "partly" | "uncertain";
  /** Why there is no path to follow. */
  readonly problem?: string;
  /** One for each family, and for each backend of a Service; of more than 50 backends the first. */
  readonly paths: readonly ReachPath[];
  /** What the answer does not include. */
  readonly warnings: readonly string[];
}

/** A packet's path: the tracer's steps, with what decides at each. */
export interface ReachPath {
  readonly family: "IPv4" | "IPv6";
  readonly source: string;
  readonly destination: string;
  readonly port: string;
  /** `leaves`: it leaves the cluster's networks; `uncertain`: nothing drops it, but a node or a tunnel is not known to work. */
  readonly verdict: "delivered" | "leaves" | "uncertain" | "dropped";
  /** The translation of a Service on the path. */
  readonly service?: string;
  readonly steps: readonly ReachStep[];
  readonly droppedBy?: string;
  /** How to allow it, as text. */
  readonly remedy?: string;
  /** What decides about it: policies and routes, in order. */
  readonly decisions: readonly ReachDecision[];
}

/** A step of the path, in Kubernetes' words. */
export interface ReachStep {
  readonly at: string;
  readonly what: string;
  readonly verdict: "passes" | "dropped" | "unknown" | "outside";
}

/** A decision on the path. */
export interface ReachDecision {
  readonly what: "egress" | "ingress" | "route";
  readonly at: string;
  readonly verdict: "allowed" | "denied";
  readonly because: string;
  /** Policies that apply there, as labels: `NetworkPolicy shop/web`. */
  readonly policies: readonly string[];
  /** Rules that would allow it but for one condition; at most 5. */
  readonly nearest: readonly string[];
  /** The ACL that decides, as in the northbound database; for those who see networks. */
  readonly acl?: {
    readonly uuid: string;
    readonly direction: string;
    readonly tier: number;
    readonly priority: number;
    readonly action: string;
    readonly match: string;
  };
}

/** Who would gain or lose reach. */
export interface PlanAnswer {
  /** Losses first; at most 500. */
  readonly changes: readonly PlanChange[];
  readonly more: number;
  /** Pairs of pods that gain something, that lose something, and all; of the viewer's pods. */
  readonly totals: { readonly gaining: number; readonly losing: number; readonly pairs: number };
  /** What is not accepted or not enforced as written, and what was not checked. */
  readonly notes: readonly string[];
}

/** A change for pods of one class towards pods of another. */
export interface PlanChange {
  readonly change: "gains" | "loses";
  /** The first pods' names and a number of more, or `outside`, or `other namespaces`. */
  readonly from: string;
  readonly to: string;
  readonly pairs: number;
  /** What is gained or lost: `TCP/80`. */
  readonly what: string;
  /** What is allowed afterwards. */
  readonly open: string;
  readonly because?: string;
}

/** Who talked to whom. */
export interface FlowsAnswer {
  /** Whether connections are sampled, and the controller can read them. */
  readonly enabled: boolean;
  /** The latest first; at most 500. */
  readonly flows: readonly FlowRow[];
  /** How many match besides. */
  readonly more: number;
  /** What is missing: nodes that could not be read. */
  readonly warnings: readonly string[];
}

/** Connections of one kind: between two ends, to one port, as one rule decided. Those that differ only in what the account may not see are one row. */
export interface FlowRow {
  readonly from: FlowRowEnd;
  readonly to: FlowRowEnd;
  readonly protocol: string;
  readonly port?: number;
  readonly verdict: "allowed" | "dropped" | "unknown";
  readonly at?: "egress" | "ingress";
  /** A label: `NetworkPolicy shop/web`; absent where the rule is gone, or of a policy that the account may not see. */
  readonly policy?: string;
  readonly rule?: string;
  readonly first: number;
  readonly last: number;
  readonly packets: number;
}

/** One end of a flow. */
export interface FlowRowEnd {
  /** "" where it is hidden. */
  readonly address: string;
  readonly holders: readonly ObjectName[];
  /** It is in the cluster, and the account may not see what it is. */
  readonly hidden?: true;
}

/**
 * Server-sent events of `/api/v1/events`; each has the name `type` and as data the JSON of {@link StreamEvent}. `change` and `reset` have an `id`, by which a client that
 * comes back (`Last-Event-ID`) goes on. A comment line comes every 15 s.
 */
export type StreamEvent =
  /** Objects that have changed: what shows them is to be requested again. At most one a second; at most 50 names, of more the kinds only. */
  | {
      readonly type: "change";
      readonly kinds: readonly ChangedKind[];
      readonly objects: readonly ObjectName[];
      readonly more: boolean;
    }
  /** Changes may have been missed: everything is to be requested again. The first event of a connection without a known `Last-Event-ID`. */
  | { readonly type: "reset"; readonly reason: "connected" | "missed" | "restarted" }
  /** The server closes the connection. For `slow` and `limit` try again later; after `expired` log in again. */
  | { readonly type: "end"; readonly reason: "slow" | "expired" | "stopping" | "limit" };

/** What has changed. */
export type ChangedKind =
  | "pods"
  | "policies"
  | "subnets"
  | "vpcs"
  | "nodes"
  | "services"
  | "addresses"
  | "namespaces"
  | "flows";
