// SPDX-License-Identifier: Apache-2.0

import { BlockList, isIPv6 } from "node:net";
import type {
  AdminPeer,
  AdminPort,
  AdminSubject,
  ApiLabelSelector,
  ApiNode,
  ApiPod,
  ApiProtocol,
  ClusterProtocol,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  OracleWorld,
} from "./api.ts";

/**
 * Reachability, derived from the texts of the specifications as simply as possible, without any code of
 * the product. Each function cites the text that it implements.
 */

/** One end of a connection: an address, and the pod or node that has it, if any. */
export interface Party {
  readonly address: string;
  /** A pod of the pod network. */
  readonly pod?: ApiPod;
  readonly node?: ApiNode;
}

/** The first packet of a connection. */
export interface PolicyConnection {
  readonly protocol: ApiProtocol | "ICMP";
  /** The destination port; unused for ICMP. */
  readonly port: number;
}

type Direction = "ingress" | "egress";

/**
 * Whether there is a path between two parties at all: pods of one VPC and of peered ones reach each other (Kube-OVN, "Custom VPC", "VPC peering");
 * nodes and external hosts reach only those of the default VPC, because the others have no gateway here.
 */
export function isConnected(
  from: Party,
  to: Party,
  vpcOf: (pod: ApiPod) => string,
  peered: readonly string[],
): boolean {
  const [a, b] = [from, to].map(({ pod }) =>
    pod === undefined || pod.spec.hostNetwork === true ? DEFAULT_VPC : vpcOf(pod),
  );
  return a === b || (a !== undefined && b !== undefined && peered.includes(a) && peered.includes(b));
}

const DEFAULT_VPC = "ovn-cluster";

/**
 * Whether the connection is allowed by the sender's egress policies and the receiver's ingress policies.
 * `undefined` if the specifications do not define it.
 */
export function isAllowed(
  world: OracleWorld,
  from: Party,
  to: Party,
  connection: PolicyConnection,
): boolean | undefined {
  const out = from.pod === undefined ? true : verdict(world, "egress", from.pod, to, connection);
  const into = to.pod === undefined ? true : verdict(world, "ingress", to.pod, from, connection);
  if (out === false || into === false) return false;
  return out && into;
}

/**
 * Policies are evaluated in this order: Admin tier, NetworkPolicy, Baseline tier; if none of them decides, the connection is allowed
 * (ClusterNetworkPolicySpec `tier`). `pod` is the side with the policies, `peer` the other one.
 */
function verdict(
  world: OracleWorld,
  direction: Direction,
  pod: ApiPod,
  peer: Party,
  connection: PolicyConnection,
): boolean | undefined {
  const receiver = direction === "ingress" ? pod : peer.pod;
  const ownNode = peer.node !== undefined && peer.node.metadata.name === pod.spec.nodeName;
  const admin = tierVerdict(adminPolicies(world, direction, "admin"), world, pod, peer, receiver, connection);
  // It is undefined whether cluster-wide policies apply to traffic between a pod and its own node.
  if (admin === "open" || (ownNode && admin === "deny")) return undefined;
  if (admin !== "undecided") return admin === "allow";

  const isolating = world.policies.filter(
    (policy): policy is NetworkPolicy => policy.kind === "NetworkPolicy" && isolates(policy, direction, pod),
  );
  if (isolating.length > 0) {
    // "Traffic to and from the node where a Pod is running is always allowed" (Network Policies, "The two sorts of pod isolation").
    return ownNode || isolating.some((policy) => allows(world, policy, direction, peer, receiver, connection));
  }
  const baseline = tierVerdict(adminPolicies(world, direction, "baseline"), world, pod, peer, receiver, connection);
  if (baseline === "open" || (ownNode && baseline === "deny")) return undefined;
  return baseline !== "deny";
}

// ---- networking.k8s.io/v1

/**
 * A pod is isolated in a direction if any policy of its namespace selects it and has that direction in `policyTypes`. Without
 * `policyTypes`, Ingress is always in it, and Egress if there are egress rules (NetworkPolicySpec `policyTypes`). Pods on the
 * host's network are not selected.
 */
function isolates({ metadata, spec }: NetworkPolicy, direction: Direction, pod: ApiPod): boolean {
  if (pod.spec.hostNetwork === true || pod.metadata.namespace !== metadata.namespace) return false;
  if (!selects(spec.podSelector, pod.metadata.labels)) return false;
  const given = spec.policyTypes ?? [];
  if (given.length > 0) return given.includes(direction === "ingress" ? "Ingress" : "Egress");
  return direction === "ingress" || (spec.egress ?? []).length > 0;
}

/** Policies are additive: a connection is allowed if any rule of any of them matches both peer and port. */
function allows(
  world: OracleWorld,
  { metadata, spec }: NetworkPolicy,
  direction: Direction,
  peer: Party,
  receiver: ApiPod | undefined,
  connection: PolicyConnection,
): boolean {
  const rules =
    direction === "ingress"
      ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
      : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
  return rules.some(({ peers = [], ports = [] }) => {
    // "If this field is empty or missing, this rule matches all sources" (`from`, `to`), and the same for `ports`.
    const isPeer = peers.length === 0 || peers.some((one) => isPeerOf(world, metadata.namespace, one, peer));
    const isPort = ports.length === 0 || ports.some((one) => isPortOf(one, receiver, connection));
    return isPeer && isPort;
  });
}

/** NetworkPolicyPeer: with both selectors, the pods in the namespaces; with one podSelector, those of the policy's namespace. */
function isPeerOf(world: OracleWorld, own: string, peer: NetworkPolicyPeer, party: Party): boolean {
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock;
    return isIn(party.address, cidr) && !except.some((hole) => isIn(party.address, hole));
  }
  const { pod } = party;
  if (pod === undefined || pod.spec.hostNetwork === true) return false;
  const namespaceFits =
    peer.namespaceSelector === undefined
      ? pod.metadata.namespace === own
      : selects(peer.namespaceSelector, labelsOfNamespace(world, pod));
  return namespaceFits && selects(peer.podSelector ?? {}, pod.metadata.labels);
}

/** NetworkPolicyPort: TCP by default; no port means all; a name is a container port of the receiving pod. */
function isPortOf(
  { protocol = "TCP", port, endPort }: NetworkPolicyPort,
  receiver: ApiPod | undefined,
  it: PolicyConnection,
): boolean {
  if (it.protocol !== protocol) return false;
  if (port === undefined) return true;
  if (typeof port === "string") return isNamed(receiver, port, it, protocol);
  return it.port >= port && it.port <= (endPort ?? port);
}

// ---- policy.networking.k8s.io

/** A rule of any cluster-wide kind. */
interface AdminRule {
  readonly action: "Allow" | "Accept" | "Deny" | "Pass";
  readonly peers: readonly AdminPeer[];
  readonly isPort: (receiver: ApiPod | undefined, connection: PolicyConnection) => boolean;
}

/** A policy of any of these kinds: its rules of one direction, in their order. */
interface AdminPolicy {
  readonly priority: number;
  readonly subject: AdminSubject;
  readonly rules: readonly AdminRule[];
}

function adminPolicies(world: OracleWorld, direction: Direction, tier: "admin" | "baseline"): readonly AdminPolicy[] {
  const found: AdminPolicy[] = [];
  for (const policy of world.policies) {
    if (policy.kind === "NetworkPolicy") continue;
    const { subject } = policy.spec;
    if (policy.kind === "ClusterNetworkPolicy") {
      const { priority, ingress = [], egress = [] } = policy.spec;
      if (policy.spec.tier !== (tier === "admin" ? "Admin" : "Baseline")) continue;
      const rules = (direction === "ingress" ? ingress : egress).map((rule): AdminRule => {
        // "If unspecified, protocol-specific attributes will not be used to match traffic."
        const { action, protocols } = rule;
        const isPort: AdminRule["isPort"] = (receiver, it) =>
          protocols === undefined || protocols.some((one) => isClusterProtocol(one, receiver, it));
        return { action, peers: "from" in rule ? rule.from : rule.to, isPort };
      });
      found.push({ priority, subject, rules });
    } else {
      if ((policy.kind === "AdminNetworkPolicy") !== (tier === "admin")) continue;
      const { ingress = [], egress = [] } = policy.spec;
      const rules = (direction === "ingress" ? ingress : egress).map((rule): AdminRule => {
        // "If Ports is not set then the rule does not filter traffic via port."
        const { action, ports } = rule;
        const isPort: AdminRule["isPort"] = (receiver, it) =>
          ports === undefined || ports.some((one) => isAdminPort(one, receiver, it));
        return { action, peers: "from" in rule ? rule.from : rule.to, isPort };
      });
      found.push({ priority: policy.kind === "AdminNetworkPolicy" ? policy.spec.priority : 0, subject, rules });
    }
  }
  return found;
}

/**
 * "Policies with lower priority values have higher precedence"; within one, "a rule that appears at the top"; the first rule that
 * matches decides, and `Pass` skips the rest of the tier. Of several policies with one priority "the implementation can apply any of
 * the matching policies": if these differ the result is `open`.
 */
function tierVerdict(
  policies: readonly AdminPolicy[],
  world: OracleWorld,
  pod: ApiPod,
  peer: Party,
  receiver: ApiPod | undefined,
  connection: PolicyConnection,
): "allow" | "deny" | "undecided" | "open" {
  for (const priority of [...new Set(policies.map((policy) => policy.priority))].sort((a, b) => a - b)) {
    const outcomes = new Set<"allow" | "deny" | "undecided">();
    for (const policy of policies) {
      if (policy.priority !== priority || !isSubject(world, policy.subject, pod)) continue;
      const first = policy.rules.find(
        ({ peers, isPort }) => isPort(receiver, connection) && peers.some((one) => isAdminPeer(world, one, peer)),
      );
      if (first === undefined) continue;
      outcomes.add(first.action === "Pass" ? "undecided" : first.action === "Deny" ? "deny" : "allow");
    }
    const [outcome] = outcomes;
    if (outcome !== undefined) return outcomes.size > 1 ? "open" : outcome;
  }
  return "undecided";
}

/** "Note that host-networked pods are not included in subject selection"; nor in peers. */
function isSubject(world: OracleWorld, { namespaces, pods }: AdminSubject, pod: ApiPod): boolean {
  if (pod.spec.hostNetwork === true) return false;
  if (namespaces !== undefined) return selects(namespaces, labelsOfNamespace(world, pod));
  if (pods === undefined) return false;
  return (
    selects(pods.namespaceSelector, labelsOfNamespace(world, pod)) && selects(pods.podSelector, pod.metadata.labels)
  );
}

/**
 * `nodes` matches the IPs in the node's `status.addresses`, and here also the node's addresses in the pod network, because it sends
 * from these; `networks` matches any address, including those of pods.
 */
function isAdminPeer(world: OracleWorld, peer: AdminPeer, party: Party): boolean {
  if (peer.networks !== undefined) return peer.networks.some((cidr) => isIn(party.address, cidr));
  if (peer.nodes !== undefined) {
    const { nodes } = peer;
    return world.nodes.some(
      ({ metadata, status }) =>
        selects(nodes, metadata.labels) &&
        (party.node?.metadata.name === metadata.name ||
          status.addresses.some(({ address }) => address === party.address)),
    );
  }
  return party.pod !== undefined && isSubject(world, peer, party.pod);
}

function isAdminPort(
  { portNumber, portRange, namedPort }: AdminPort,
  receiver: ApiPod | undefined,
  it: PolicyConnection,
): boolean {
  if (portNumber !== undefined) return it.protocol === portNumber.protocol && it.port === portNumber.port;
  if (portRange !== undefined) {
    const { protocol = "TCP", start, end } = portRange;
    return it.protocol === protocol && it.port >= start && it.port <= end;
  }
  return namedPort !== undefined && isNamed(receiver, namedPort, it);
}

function isClusterProtocol(one: ClusterProtocol, receiver: ApiPod | undefined, it: PolicyConnection): boolean {
  if (one.destinationNamedPort !== undefined) return isNamed(receiver, one.destinationNamedPort, it);
  const protocols = [
    ["TCP", one.tcp],
    ["UDP", one.udp],
    ["SCTP", one.sctp],
  ] as const;
  return protocols.some(([protocol, match]) => {
    if (match === undefined || it.protocol !== protocol) return false;
    const { number, range } = match.destinationPort ?? {};
    if (number !== undefined) return it.port === number;
    return range === undefined || (it.port >= range.start && it.port <= range.end);
  });
}

// ---- shared functions

/** Whether one of the pod's container ports has this name, this number and this protocol (any one if not given). */
function isNamed(pod: ApiPod | undefined, name: string, it: PolicyConnection, protocol?: ApiProtocol): boolean {
  const ports = (pod?.spec.containers ?? []).flatMap((container) => container.ports ?? []);
  return ports.some((port) => {
    const own = port.protocol ?? "TCP";
    return (
      port.name === name &&
      port.containerPort === it.port &&
      own === it.protocol &&
      (protocol === undefined || own === protocol)
    );
  });
}

function labelsOfNamespace(world: OracleWorld, pod: ApiPod): Readonly<Record<string, string>> {
  return world.namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace)?.metadata.labels ?? {};
}

/** meta/v1 LabelSelector: "the result of matchLabels and matchExpressions are ANDed. An empty label selector matches all objects." */
function selects(selector: ApiLabelSelector, labels: Readonly<Record<string, string>>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value = labels[key];
    if (operator === "In" && (value === undefined || !values.includes(value))) return false;
    // An object without the label is selected by NotIn.
    if (operator === "NotIn" && value !== undefined && values.includes(value)) return false;
    if (operator === "Exists" && value === undefined) return false;
    if (operator === "DoesNotExist" && value !== undefined) return false;
  }
  return true;
}

/** CIDR → its addresses. There are few, and each is asked for thousands of times. */
const BLOCKS = new Map<string, BlockList>();

function isIn(address: string, cidr: string): boolean {
  const [network = "", length] = cidr.split("/");
  const family = isIPv6(network) ? "ipv6" : "ipv4";
  if ((family === "ipv6") !== isIPv6(address)) return false;
  let list = BLOCKS.get(cidr);
  if (list === undefined) {
    list = new BlockList();
    list.addSubnet(network, Number(length), family);
    BLOCKS.set(cidr, list);
  }
  return list.check(address, family);
}
