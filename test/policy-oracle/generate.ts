// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import type { SecurityGroupIngressRule, SecurityGroupSpec } from "../../src/api/generated/securitygroup.ts";
import type {
  AdminNetworkPolicy,
  AdminPeer,
  AdminPort,
  AdminSubject,
  ApiLabelSelector,
  ApiNamespace,
  ApiNode,
  ApiPod,
  ApiPolicy,
  ApiProtocol,
  BaselineAdminNetworkPolicy,
  ClusterNetworkPolicy,
  ClusterPort,
  ClusterProtocol,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  OracleWorld,
} from "./api.ts";
import { POD_SUBNETS, SUBNET_ANNOTATION, type SubnetName } from "./cluster.ts";

/** Worlds for property tests, with few names, labels, ports and addresses, so that there are many conflicts. */

/** Names of namespaces; two of them are similar. */
export const NAMESPACE_NAMES = ["x", "y", "x-y"] as const;
const NODES = ["n1", "n2"] as const;
const VALUES = ["a", "b"] as const;
/** Numbers of ports that are tried and that rules name. */
export const PORTS = [80, 81, 90] as const;
const PORT_NAMES = ["web", "api"] as const;
const NAME_LABEL = "kubernetes.io/metadata.name";

/** Addresses that no pod has; the first two are in the cluster's ranges. */
export const STRANGERS = ["10.16.0.200", "fd00:10:16::c8", "192.0.2.1", "2001:db8::1"] as const;

/** Prefixes, each with prefixes contained in it. */
const BLOCKS: Readonly<Record<string, readonly string[]>> = {
  "0.0.0.0/0": ["10.0.0.0/8", "10.16.0.2/32", "172.18.0.0/16", "0.0.0.0/1"],
  "10.16.0.0/16": ["10.16.0.2/32", "10.16.0.0/30", "10.16.0.3/32"],
  "10.16.0.9/16": ["10.16.0.4/31"],
  "10.17.0.0/24": ["10.17.0.2/31"],
  "10.16.0.2/32": [],
  "172.18.0.0/16": ["172.18.0.11/32"],
  "192.0.2.0/24": ["192.0.2.1/32"],
  "::/0": ["fd00::/8", "fd00:10:16::2/128", "2001:db8::/32"],
  "fd00:10:16::/112": ["fd00:10:16::2/127", "fd00:10:16::4/128"],
  "fd00:10:17::2/128": [],
  "fd00:172:18::/64": ["fd00:172:18::12/128"],
};

const protocol = fc.constantFrom<ApiProtocol>("TCP", "UDP", "SCTP");
const value = fc.constantFrom(...VALUES);

function labels(keys: readonly string[]): fc.Arbitrary<Readonly<Record<string, string>>> {
  return fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 2, noNullPrototype: true });
}

function selector(keys: readonly string[], values: fc.Arbitrary<string> = value): fc.Arbitrary<ApiLabelSelector> {
  const key = fc.constantFrom(...keys);
  const listed = fc.record({
    key,
    operator: fc.constantFrom("In" as const, "NotIn" as const),
    values: fc.uniqueArray(values, { minLength: 1, maxLength: 2 }),
  });
  const bare = fc.record({ key, operator: fc.constantFrom("Exists" as const, "DoesNotExist" as const) });
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    {
      weight: 3,
      arbitrary: fc.record({ matchLabels: fc.dictionary(key, values, { maxKeys: 2, noNullPrototype: true }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ matchExpressions: fc.array(fc.oneof(listed, bare), { minLength: 1, maxLength: 2 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        matchLabels: fc.dictionary(key, values, { maxKeys: 1, noNullPrototype: true }),
        matchExpressions: fc.array(fc.oneof(listed, bare), { maxLength: 1 }),
      }),
    },
  );
}

/** Selectors of pods. */
const podSelector = selector(["app", "tier"]);
/** Selectors of namespaces, by their labels or by the label with their name. */
const namespaceSelector = fc.oneof(
  { weight: 4, arbitrary: selector(["team", "env"]) },
  { weight: 1, arbitrary: selector([NAME_LABEL], fc.constantFrom(...NAMESPACE_NAMES)) },
);

/** A namespace with a given name. */
export function namespace(name: string): fc.Arbitrary<ApiNamespace> {
  return labels(["team", "env"]).map((own) => ({ metadata: { name, labels: { ...own, [NAME_LABEL]: name } } }));
}

const containers = fc
  .uniqueArray(
    fc.record({ name: fc.constantFrom(...PORT_NAMES), containerPort: fc.constantFrom(...PORTS), protocol }),
    {
      selector: ({ name }) => name,
      maxLength: 2,
    },
  )
  .chain((ports) => fc.constantFrom([{ ports }], [...ports.map((port) => ({ ports: [port] })), {}]));

/** More than a world has pods. */
const PLACES = 6;

/** The pod with this index in the world, from which its address follows. */
export function pod(index: number): fc.Arbitrary<ApiPod> {
  return fc
    .record({
      namespace: fc.constantFrom(...NAMESPACE_NAMES),
      labels: labels(["app", "tier"]),
      nodeName: fc.constantFrom(...NODES),
      containers,
      subnet: fc.constantFrom<SubnetName[]>(
        "ovn-default",
        "ovn-default",
        "second",
        "twin",
        "twin",
        "triplet",
        "beside",
      ),
      families: fc.constantFrom<("v4" | "v6")[][]>(["v4", "v6"], ["v4", "v6"], ["v4"], ["v6"]),
      // As its node, whatever its labels are.
      hostNetwork: fc.constantFrom(false, false, false, false, false, false, true),
    })
    .map(({ namespace, labels, nodeName, containers, subnet: subnetName, families, hostNetwork }) => {
      const subnet = POD_SUBNETS[subnetName];
      // No other pod of the VPC has it, because no pod gets an address that another one's port may still have. In other VPCs
      // pods with the next indexes have it.
      const place = subnet.vpc === "red" ? index + 1 : subnet.vpc === "black" ? index + 2 : index;
      const host = 2 + (place % PLACES) + PLACES * NAMESPACE_NAMES.indexOf(namespace);
      const annotations = { [SUBNET_ANNOTATION]: subnetName };
      return {
        metadata: { name: `p${index}`, namespace, labels, ...(subnet.vpc !== "ovn-cluster" && { annotations }) },
        spec: { nodeName, containers, ...(hostNetwork && { hostNetwork }) },
        status: {
          podIPs: families.map((family) => ({
            ip: family === "v4" ? `${subnet.v4}.${host}` : `${subnet.v6}:${host.toString(16)}`,
          })),
        },
      };
    });
}

/** The nodes of every world. */
export const nodes: fc.Arbitrary<readonly ApiNode[]> = fc
  .tuple(...NODES.map(() => labels(["zone", "role"])))
  .map((all) =>
    NODES.map((name, i) => ({
      metadata: { name, labels: all[i] ?? {} },
      status: {
        addresses: [
          { type: "Hostname", address: name },
          { type: "InternalIP", address: `172.18.0.1${i + 1}` },
          { type: "InternalIP", address: `fd00:172:18::1${i + 1}` },
        ],
      },
    })),
  );

const ipBlock = fc
  .constantFrom(...Object.keys(BLOCKS))
  .chain((cidr) =>
    fc
      .option(fc.subarray([...(BLOCKS[cidr] ?? [])]), { nil: undefined })
      .map((except) => ({ cidr, ...(except !== undefined && { except }) })),
  );

const peer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record({ podSelector }),
  fc.record({ namespaceSelector }),
  fc.record({ podSelector, namespaceSelector }),
  fc.record({ ipBlock }),
);

const port: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol }),
  fc.record(
    { protocol, port: fc.constantFrom<(number | string)[]>(...PORTS, ...PORT_NAMES) },
    { requiredKeys: ["port"] },
  ),
  fc
    .tuple(protocol, fc.integer({ min: 79, max: 91 }), fc.integer({ min: 0, max: 12 }))
    .map(([protocol, port, more]) => ({ protocol, port, endPort: port + more })),
);

const peers = fc.array(peer, { maxLength: 3 });
const ports = fc.array(port, { maxLength: 3 });

/** The NetworkPolicy with this index in the world. */
export function networkPolicy(index: number): fc.Arbitrary<NetworkPolicy> {
  const spec = fc.record(
    {
      podSelector,
      policyTypes: fc.subarray<"Ingress" | "Egress">(["Ingress", "Egress"]),
      ingress: fc.array(fc.record({ from: peers, ports }, { requiredKeys: [] }), { maxLength: 2 }),
      egress: fc.array(fc.record({ to: peers, ports }, { requiredKeys: [] }), { maxLength: 2 }),
    },
    { requiredKeys: ["podSelector"] },
  );
  return fc
    .tuple(fc.constantFrom(...NAMESPACE_NAMES), spec)
    .map(([namespace, spec]) => ({ kind: "NetworkPolicy", metadata: { name: `np${index}`, namespace }, spec }));
}

/** A list of the defined elements. */
export function each<T>(minimum: number, maximum: number, of: (index: number) => fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc
    .integer({ min: minimum, max: maximum })
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, i) => of(i))));
}

/** A world with NetworkPolicies. */
export const networkPolicyWorlds: fc.Arbitrary<OracleWorld> = fc.record({
  namespaces: fc.tuple(...NAMESPACE_NAMES.map(namespace)),
  nodes,
  pods: each(2, 5, pod),
  policies: each(1, 4, networkPolicy),
});

// ---- policy.networking.k8s.io

const subject: fc.Arbitrary<AdminSubject> = fc.oneof(
  fc.record({ namespaces: namespaceSelector }),
  fc.record({ pods: fc.record({ namespaceSelector, podSelector }) }),
);

const nodeSelector = selector(["zone", "role"]);
const outside: fc.Arbitrary<AdminPeer> = fc.oneof(
  fc.record({ nodes: nodeSelector }),
  fc.record({ networks: fc.uniqueArray(fc.constantFrom(...Object.keys(BLOCKS)), { minLength: 1, maxLength: 2 }) }),
);

const adminPort: fc.Arbitrary<AdminPort> = fc.oneof(
  fc.record({ portNumber: fc.record({ protocol, port: fc.constantFrom(...PORTS) }) }),
  fc
    .tuple(protocol, fc.integer({ min: 79, max: 90 }), fc.integer({ min: 1, max: 12 }))
    .map(([protocol, start, more]) => ({ portRange: { protocol, start, end: start + more } })),
  fc.record({ namedPort: fc.constantFrom(...PORT_NAMES) }),
);

const clusterPort: fc.Arbitrary<ClusterPort> = fc.oneof(
  fc.constantFrom(...PORTS).map((number) => ({ number })),
  fc
    .tuple(fc.integer({ min: 79, max: 90 }), fc.integer({ min: 1, max: 12 }))
    .map(([start, more]) => ({ range: { start, end: start + more } })),
);

const clusterProtocol: fc.Arbitrary<ClusterProtocol> = fc.oneof(
  clusterPort.map((destinationPort) => ({ tcp: { destinationPort } })),
  clusterPort.map((destinationPort) => ({ udp: { destinationPort } })),
  clusterPort.map((destinationPort) => ({ sctp: { destinationPort } })),
  fc.constantFrom(...PORT_NAMES).map((destinationNamedPort) => ({ destinationNamedPort })),
);

/** The rules of a policy: the API refuses port names together with peers that have none. */
function rules<Action extends string, Port extends object>(
  actions: readonly Action[],
  port: fc.Arbitrary<Port>,
  field: "ports" | "protocols",
  isNamed: (port: Port) => boolean,
) {
  const ports = fc.option(fc.array(port, { minLength: 1, maxLength: 2 }), { nil: undefined });
  const common = fc
    .record({ action: fc.constantFrom(...actions), ports })
    .map(({ action, ports }) => ({ action, ...(ports && { [field]: ports }) }));
  const from = fc.array(subject, { minLength: 1, maxLength: 2 });
  const to = fc.array(fc.oneof({ weight: 2, arbitrary: subject }, { weight: 1, arbitrary: outside }), {
    minLength: 1,
    maxLength: 3,
  });
  const isOutside = (peer: AdminPeer): boolean => peer.nodes !== undefined || peer.networks !== undefined;
  const ingress = fc.tuple(common, from).map(([rule, from]) => ({ ...rule, from }));
  const egress = fc
    .tuple(common, to)
    .map(([rule, to]) => ({ ...rule, to }))
    .filter(
      (rule) =>
        !((rule as { [key: string]: unknown })[field] as Port[] | undefined)?.some(isNamed) || !rule.to.some(isOutside),
    );
  const lists = { ingress: fc.array(ingress, { maxLength: 3 }), egress: fc.array(egress, { maxLength: 3 }) };
  return fc.record({ subject, ...lists }, { requiredKeys: ["subject"] });
}

/** Priorities in Kube-OVN's range, and outside; few, so that some are equal. */
const priority = fc.constantFrom(0, 1, 2, 50, 99, 100, 101, 1000);

/** The AdminNetworkPolicy with this index in the world. */
function adminNetworkPolicy(index: number): fc.Arbitrary<AdminNetworkPolicy> {
  return fc
    .tuple(
      priority,
      rules(["Allow", "Deny", "Pass"], adminPort, "ports", ({ namedPort }) => namedPort !== undefined),
    )
    .map(([priority, spec]) => ({
      kind: "AdminNetworkPolicy",
      metadata: { name: `anp${index}` },
      spec: { ...spec, priority },
    }));
}

/** The one BaselineAdminNetworkPolicy that there may be. */
const baselineAdminNetworkPolicy: fc.Arbitrary<BaselineAdminNetworkPolicy> = rules(
  ["Allow", "Deny"],
  adminPort,
  "ports",
  ({ namedPort }) => namedPort !== undefined,
).map((spec) => ({ kind: "BaselineAdminNetworkPolicy", metadata: { name: "default" }, spec }));

/** The ClusterNetworkPolicy with this index in the world. */
function clusterNetworkPolicy(index: number): fc.Arbitrary<ClusterNetworkPolicy> {
  const isNamed = ({ destinationNamedPort }: ClusterProtocol): boolean => destinationNamedPort !== undefined;
  return fc
    .tuple(
      fc.constantFrom("Admin" as const, "Baseline" as const),
      priority,
      rules(["Accept", "Deny", "Pass"], clusterProtocol, "protocols", isNamed),
    )
    .map(([tier, priority, spec]) => ({
      kind: "ClusterNetworkPolicy",
      metadata: { name: `cnp${index}` },
      spec: { ...spec, tier, priority },
    }));
}

/** A policy of any kind with this index in the world; the baseline has index 0. */
export function anyPolicy(index: number): fc.Arbitrary<ApiPolicy> {
  const others = [networkPolicy(index), adminNetworkPolicy(index), clusterNetworkPolicy(index)];
  return index === 0 ? fc.oneof(...others, baselineAdminNetworkPolicy) : fc.oneof(...others);
}

/** A world with NetworkPolicies and cluster-wide ones of one API version, because no order is defined between versions. */
export const anyPolicyWorlds: fc.Arbitrary<OracleWorld> = fc
  .constantFrom<ApiPolicy["kind"][]>("AdminNetworkPolicy", "ClusterNetworkPolicy")
  .chain((kind) => {
    const policy = (index: number): fc.Arbitrary<ApiPolicy> => {
      if (kind === "ClusterNetworkPolicy") return fc.oneof(networkPolicy(index), clusterNetworkPolicy(index));
      const others = [networkPolicy(index), adminNetworkPolicy(index)];
      return index === 0 ? fc.oneof(...others, baselineAdminNetworkPolicy) : fc.oneof(...others);
    };
    return fc.record({
      namespaces: fc.tuple(...NAMESPACE_NAMES.map(namespace)),
      nodes,
      pods: each(2, 5, pod),
      policies: each(1, 5, policy),
    });
  });

// ---- kubeovn.io

/** A SecurityGroup, by its name. */
export interface SecurityGroup {
  readonly name: string;
  readonly spec: SecurityGroupSpec;
}

const SECURITY_GROUPS = ["sg-a", "sg-b"] as const;

const securityGroupRule: fc.Arbitrary<SecurityGroupIngressRule> = fc
  .record({
    ipVersion: fc.constantFrom("ipv4" as const, "ipv6" as const),
    protocol: fc.constantFrom("all" as const, "icmp" as const, "tcp" as const, "udp" as const),
    priority: fc.constantFrom(1, 2, 16384),
    remote: fc.constantFrom(undefined, ...SECURITY_GROUPS),
    ports: fc.tuple(fc.constantFrom(...PORTS), fc.integer({ min: 0, max: 10 })),
    policy: fc.constantFrom("allow" as const, "allow" as const, "drop" as const, "pass" as const),
  })
  .map(({ ipVersion, protocol, priority, remote, ports: [first, more], policy }) => ({
    ...{ ipVersion, protocol, priority, policy },
    ...(remote === undefined
      ? { remoteType: "address" as const, remoteAddress: ipVersion === "ipv4" ? "10.16.0.0/16" : "::/0" }
      : { remoteType: "securityGroup" as const, remoteSecurityGroup: remote }),
    ...((protocol === "tcp" || protocol === "udp") && { portRangeMin: first, portRangeMax: first + more }),
  }));

/** The SecurityGroup with this index. */
export function securityGroup(index: number): fc.Arbitrary<SecurityGroup> {
  const rules = fc.array(securityGroupRule, { maxLength: 3 });
  return fc
    .record({
      ingressRules: rules,
      egressRules: rules,
      allowSameGroupTraffic: fc.boolean(),
      tier: fc.constantFrom(0, 1),
    })
    .map((spec) => ({ name: SECURITY_GROUPS[index] ?? "", spec }));
}

/** A pod that may name security groups. */
export function securedPod(index: number): fc.Arbitrary<ApiPod> {
  return fc.tuple(pod(index), fc.subarray([...SECURITY_GROUPS])).map(([pod, groups]) => {
    if (groups.length === 0) return pod;
    const annotations = { ...pod.metadata.annotations, "ovn.kubernetes.io/security_groups": groups.join(",") };
    return { ...pod, metadata: { ...pod.metadata, annotations } };
  });
}
