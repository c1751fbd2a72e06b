// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import pino from "pino";
import t from "tap";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { FactKind, FactTypes } from "../../facts/types.ts";
import { compileAll } from "../../kinds/compile-all.ts";
import { DerivedFacts } from "../../kinds/derived.ts";
import { EDGE_COLUMNS } from "../../kinds/edge-columns.ts";
import { feedsOf } from "../../kinds/feeds.ts";
import { KINDS } from "../../kinds/index.ts";
import { factStore } from "../../kinds/store.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { findOvsTools } from "../../ovsdb/testing/ovs-tools.ts";
import { TestFolder } from "../../ovsdb/testing/server.ts";
import { openNorthbound } from "../databases/northbound.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
interface Thing {
  readonly kind: FactKind;
  readonly object: {
    readonly metadata: { readonly name: string; readonly [key: string]: Json };
    readonly [key: string]: Json;
  };
}

/** The controller's records on objects. */
const IN_FORCE = (fields: object) => ({ annotations: { "weft.kubeovn.io/in-force": JSON.stringify(fields) } });

function thing(
  kind: FactKind,
  name: string,
  rest: { readonly [key: string]: Json },
  meta: { readonly [key: string]: Json } = {},
): Thing {
  const metadata = {
    name,
    uid: `uid-${kind}-${name}`,
    generation: 1,
    creationTimestamp: "2026-01-01T00:00:00Z",
    ...meta,
  };
  return { kind, object: { metadata, ...rest } };
}

const SELECTOR = {
  matchLabels: { app: "web" },
  matchExpressions: [{ key: "tier", operator: "In", values: ["a", "b"] }],
};
const LOGGED = {
  "ovn.kubernetes.io/enable_log": "true",
  "ovn.kubernetes.io/log_acl_actions": "allow,drop",
  "ovn.kubernetes.io/acl_log_meter_rate": "7",
  "ovn.kubernetes.io/network_policy_enforcement": "lax",
};
const RULE = {
  ipVersion: "ipv4",
  protocol: "tcp",
  priority: 7,
  remoteType: "address",
  remoteAddress: "10.16.0.0/16",
  remoteSecurityGroup: "db",
  portRangeMin: 1,
  portRangeMax: 9,
  localAddress: "10.16.0.2",
  sourcePortRangeMin: 1,
  sourcePortRangeMax: 9,
  policy: "allow",
};
const PORTS = [
  { portNumber: { protocol: "TCP", port: 80 } },
  { portRange: { protocol: "UDP", start: 1, end: 9 } },
  { namedPort: "http" },
];
const NS = { namespace: "default" };

/** A cluster in which every field that reaches OVN has a value; user input replaces one or some of these. */
const CLUSTER: readonly Thing[] = [
  thing("vpcs", "ovn-cluster", { spec: {} }),
  thing(
    "vpcs",
    "team",
    {
      spec: {
        namespaces: ["team"],
        defaultSubnet: "inner",
        staticRoutes: [{ cidr: "10.9.0.0/16", nextHopIP: "10.30.0.9", policy: "policySrc", routeTable: "rt" }],
        policyRoutes: [
          { priority: 9, match: "ip4.src == 10.30.0.0/24 && tcp", action: "reroute", nextHopIP: "10.30.0.7,10.30.0.8" },
          { priority: 8, match: "ip4", action: "drop" },
        ],
      },
    },
    IN_FORCE({
      staticRoutes: [{ cidr: "10.9.0.0/16", nextHopIP: "10.30.0.9" }],
      policyRoutes: [{ priority: 8, match: "ip4", action: "drop" }],
    }),
  ),
  thing("serviceCidrs", "more", { spec: { cidrs: ["10.97.0.0/24", "fd97::/112"] } }),
  thing("nodes", "n1", {
    status: {
      addresses: [
        { type: "InternalIP", address: "172.18.0.2" },
        { type: "InternalIP", address: "fd18::2" },
        { type: "Hostname", address: "n1" },
      ],
    },
  }),
  thing("namespaces", "default", {}, { annotations: { "ovn.kubernetes.io/logical_switch": "ovn-default" } }),
  thing("subnetSpecs", "join", {
    spec: { cidrBlock: "100.64.0.0/16,fd64::/112", vpc: "ovn-cluster", provider: "ovn" },
  }),
  thing(
    "subnetSpecs",
    "ovn-default",
    {
      spec: {
        default: true,
        vpc: "ovn-cluster",
        provider: "ovn",
        protocol: "Dual",
        cidrBlock: "10.16.0.0/16,fd16::/112",
        gateway: "10.16.0.1,fd16::1",
        excludeIps: ["10.16.0.1", "10.16.0.5..10.16.0.9"],
        gatewayType: "centralized",
        gatewayNode: "n1",
        natOutgoing: true,
        private: true,
        allowSubnets: ["10.17.0.0/16"],
        allowEWTraffic: true,
        enableEcmp: true,
        enableDHCP: true,
        mtu: 1400,
        dhcpV4Options: 'dns_server={8.8.8.8,1.1.1.1},domain_name="a.b"',
        dhcpV6Options: "dns_server=fd00::1",
        enableIPv6RA: true,
        ipv6RAConfigs: "address_mode=slaac,mtu=1400",
        acls: [{ direction: "to-lport", priority: 7, match: "ip4.src == 10.0.0.1 && tcp.dst == 80", action: "allow" }],
        namespaces: ["default"],
        namespaceSelectors: [SELECTOR],
        vlan: "",
        enableLb: true,
        routeTable: "rt",
      },
    },
    { annotations: { "weft.kubeovn.io/in-force": "10.16.0.0/16,fd16::/112 10.16.0.1,fd16::1" } },
  ),
  thing("subnetSpecs", "inner", { spec: { vpc: "team", cidrBlock: "10.30.0.0/24", provider: "ovn" } }),
  thing("subnetSpecs", "second", { spec: { provider: "net.default.ovn", cidrBlock: "10.31.0.0/24" } }),
  thing(
    "ipPools",
    "pool",
    {
      spec: {
        subnet: "ovn-default",
        ips: ["10.16.1.0/24", "10.16.2.1..10.16.2.9", "10.16.3.3"],
        namespaces: ["default"],
        enableAddressSet: true,
      },
    },
    IN_FORCE({ ips: ["10.16.1.0/24"] }),
  ),
  thing(
    "vips",
    "shared",
    {
      spec: {
        subnet: "ovn-default",
        namespace: "default",
        type: "",
        v4ip: "10.16.0.100",
        v6ip: "fd16::100",
        macAddress: "0a:00:00:00:00:01",
        selector: ["app: web"],
      },
      status: { v4ip: "10.16.0.100", mac: "0a:00:00:00:00:01" },
    },
    IN_FORCE({ selector: ["app: web"] }),
  ),
  thing("vips", "lb", {
    spec: {
      subnet: "ovn-default",
      namespace: "default",
      type: "switch_lb_vip",
      v4ip: "10.16.0.101",
      macAddress: "0a:00:00:00:00:02",
    },
    status: { v4ip: "10.16.0.101" },
  }),
  thing("ovnEips", "asked", { spec: { externalSubnet: "second", type: "lrp", v4Ip: "10.31.0.9" } }),
  thing("ovnEips", "given", {
    spec: { externalSubnet: "second", type: "nat", v4Ip: "10.31.0.10", macAddress: "0a:00:00:00:00:0e" },
    status: { v4Ip: "10.31.0.10", v6Ip: "", macAddress: "0a:00:00:00:00:0e", type: "nat" },
  }),
  thing("vlans", "v", { spec: { id: 7, provider: "external", vlanId: 7, providerInterfaceName: "external" } }),
  thing("providerNetworks", "net", {
    spec: {
      defaultInterface: "eth1",
      customInterfaces: [{ interface: "eth2", nodes: ["n1"] }],
      nodeSelector: SELECTOR,
      excludeNodes: ["n2"],
      exchangeLinkName: true,
      autoCreateVlanSubinterfaces: true,
      preserveVlanInterfaces: true,
      vlanInterfaces: ["eth1.10"],
    },
  }),
  thing("ovnFips", "fip", {
    spec: {
      ovnEip: "given",
      ipType: "ip",
      ipName: "web.default",
      vpc: "team",
      v4Ip: "10.30.0.2",
      v6Ip: "fd30::2",
      type: "distributed",
    },
  }),
  thing("ovnSnatRules", "snat", {
    spec: {
      ovnEip: "given",
      vpcSubnet: "inner",
      ipName: "web.default",
      vpc: "team",
      v4IpCidr: "10.30.0.0/24",
      v6IpCidr: "fd30::/64",
    },
  }),
  thing("ovnDnatRules", "dnat", {
    spec: {
      ovnEip: "given",
      ipType: "ip",
      ipName: "web.default",
      vpc: "team",
      v4Ip: "10.30.0.2",
      v6Ip: "fd30::2",
      externalPort: "80",
      internalPort: "8080",
      protocol: "tcp",
    },
  }),
  thing("ips", "node-n1", {
    spec: {
      podName: "n1",
      nodeName: "n1",
      subnet: "join",
      v4IpAddress: "100.64.0.2",
      v6IpAddress: "fd64::2",
      macAddress: "0a:00:00:00:00:03",
    },
  }),
  thing("ips", "web.default", {
    spec: {
      podName: "web",
      namespace: "default",
      nodeName: "n1",
      subnet: "ovn-default",
      ipAddress: "10.16.0.2",
      v4IpAddress: "10.16.0.2",
      v6IpAddress: "fd16::2",
      macAddress: "0a:00:00:00:00:04",
      podType: "",
    },
  }),
  thing("ips", "web.default.net.default.ovn", {
    spec: {
      podName: "web",
      namespace: "default",
      nodeName: "n1",
      subnet: "second",
      v4IpAddress: "10.31.0.2",
      macAddress: "0a:00:00:00:00:05",
    },
  }),
  thing("attachments", "net", { spec: { config: '{"type":"kube-ovn","provider":"net.default.ovn"}' } }, NS),
  thing(
    "pods",
    "web",
    {
      spec: { nodeName: "n1", containers: [{ ports: [{ name: "http", containerPort: 80, protocol: "TCP" }] }] },
      status: { phase: "Running" },
    },
    {
      ...NS,
      labels: { app: "web", tier: "a" },
      annotations: {
        "ovn.kubernetes.io/port_security": "true",
        "ovn.kubernetes.io/port_vips": "10.16.0.200,10.16.0.0/28",
        "ovn.kubernetes.io/security_groups": "web,db",
        "ovn.kubernetes.io/layer2_forward": "true",
        "ovn.kubernetes.io/aaps": "shared",
        "ovn.kubernetes.io/vip": "",
        "ovn.kubernetes.io/ip_address": "10.16.0.2",
        "net.default.ovn.kubernetes.io/security_groups": "web",
        "net.default.ovn.kubernetes.io/port_security": "true",
        "k8s.v1.cni.cncf.io/networks": "net",
      },
    },
  ),
  thing("securityGroups", "web", {
    spec: {
      tier: 0,
      allowSameGroupTraffic: true,
      ingressRules: [RULE, { ...RULE, remoteType: "securityGroup" }],
      egressRules: [RULE],
    },
  }),
  thing(
    "networkPolicies",
    "np",
    {
      spec: {
        podSelector: SELECTOR,
        policyTypes: ["Ingress", "Egress"],
        ingress: [
          {
            from: [
              { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
              { podSelector: SELECTOR, namespaceSelector: SELECTOR },
            ],
            ports: [
              { protocol: "TCP", port: 80, endPort: 90 },
              { protocol: "UDP", port: "http" },
            ],
          },
        ],
        egress: [{ to: [{ podSelector: {} }], ports: [{ port: 53 }] }],
      },
    },
    { ...NS, annotations: { ...LOGGED, "ovn.kubernetes.io/network_policy_for": "ovn,default/net" } },
  ),
  ...(["adminNetworkPolicies", "baselineAdminNetworkPolicies"] as const).map((kind) =>
    thing(
      kind,
      "default",
      {
        spec: {
          priority: 7,
          subject: { pods: { namespaceSelector: SELECTOR, podSelector: SELECTOR } },
          ingress: [
            {
              name: "from all",
              action: "Allow",
              from: [{ namespaces: SELECTOR }, { pods: { namespaceSelector: SELECTOR, podSelector: SELECTOR } }],
              ports: PORTS,
            },
          ],
          egress: [
            {
              name: "to 😀",
              action: "Deny",
              to: [{ networks: ["10.0.0.0/8"] }, { nodes: SELECTOR }, { domainNames: ["*.example.com"] }],
              ports: PORTS,
            },
          ],
        },
      },
      { annotations: LOGGED },
    ),
  ),
  thing(
    "clusterNetworkPolicies",
    "cnp",
    {
      spec: {
        tier: "Admin",
        priority: 7,
        subject: { namespaces: SELECTOR },
        ingress: [
          {
            name: "x",
            action: "Pass",
            from: [{ namespaces: SELECTOR }],
            protocols: [{ tcp: { destinationPort: { number: 80 } } }, { destinationNamedPort: "http" }],
          },
        ],
        egress: [
          {
            name: "y",
            action: "Accept",
            to: [{ domainNames: ["a.example"] }, { networks: ["fd00::/8"] }],
            protocols: [{ udp: { destinationPort: { range: { start: 1, end: 9 } } } }],
          },
        ],
      },
    },
    { annotations: LOGGED },
  ),
  thing(
    "nameResolvers",
    "r",
    {
      spec: { name: "a.example." },
      status: {
        resolvedNames: [{ dnsName: "a.example.", resolvedAddresses: [{ ip: "192.0.2.1" }, { ip: "2001:db8::1" }] }],
      },
    },
    { labels: { anp: "cnp" } },
  ),
  thing(
    "services",
    "web",
    {
      spec: {
        type: "ClusterIP",
        clusterIP: "10.96.0.9",
        clusterIPs: ["10.96.0.9", "fd96::9"],
        sessionAffinity: "ClientIP",
        ports: [
          { name: "http", protocol: "TCP", port: 80 },
          { name: "dns", protocol: "UDP", port: 53 },
        ],
      },
    },
    { ...NS, annotations: { "ovn.kubernetes.io/vpc": "ovn-cluster" } },
  ),
  thing(
    "endpointSlices",
    "web-1",
    {
      ports: [{ name: "http", protocol: "TCP", port: 8080 }],
      endpoints: [{ addresses: ["10.16.0.2"], conditions: { ready: true } }],
    },
    { ...NS, labels: { "kubernetes.io/service-name": "web" } },
  ),
  thing(
    "switchLbRules",
    "web",
    {
      spec: {
        vip: "10.16.0.120,fd16::120",
        namespace: "default",
        selector: ["app: web"],
        endpoints: ["10.16.0.2", "fd16::2"],
        sessionAffinity: "ClientIP",
        ports: [
          { name: "http", port: 80, targetPort: 8080, protocol: "TCP" },
          { name: "dns", port: 53, protocol: "UDP" },
        ],
      },
    },
    { annotations: { "ovn.kubernetes.io/service_health_check": "false" } },
  ),
  thing(
    "services",
    "slr-web",
    {
      spec: {
        clusterIP: "None",
        selector: {},
        ipFamilies: ["IPv4", "IPv6"],
        ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 8080 }],
      },
    },
    {
      ...NS,
      annotations: {
        "ovn.kubernetes.io/switch_lb_vip": "10.16.0.120,fd16::120",
        "ovn.kubernetes.io/vpc": "ovn-cluster",
      },
      ownerReferences: [
        { apiVersion: "kubeovn.io/v1", kind: "SwitchLBRule", name: "web", uid: "uid-switchLbRules-web" },
      ],
    },
  ),
  thing(
    "endpointSlices",
    "slr-web-ipv4",
    {
      ports: [{ name: "http", protocol: "TCP", port: 8080 }],
      endpoints: [{ addresses: ["10.16.0.2"], conditions: { ready: true } }],
    },
    { ...NS, labels: { "kubernetes.io/service-name": "slr-web" } },
  ),
  thing("routerLbRules", "web", {
    spec: {
      ovnEip: "e",
      vpc: "team",
      namespace: "default",
      selector: ["app: web"],
      endpoints: ["10.16.0.2"],
      sessionAffinity: "ClientIP",
      ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }],
    },
  }),
  thing(
    "externalGatewayConfigs",
    "ovn-external-gw-config",
    {
      data: {
        "enable-external-gw": "true",
        type: "centralized",
        "external-gw-nodes": "gw",
        "nic-ip": "172.30.0.5/24",
        "nic-mac": "02:00:00:00:00:55",
      },
    },
    { namespace: "kube-system" },
  ),
  thing("vpcDnses", "team", { spec: { vpc: "team", subnet: "inner", corefile: "c", replicas: 2 } }),
  thing(
    "vpcDnsConfigs",
    "vpc-dns-config",
    {
      data: {
        "coredns-vip": "10.96.0.3",
        "coredns-image": "coredns",
        "enable-vpc-dns": "true",
        "nad-name": "net",
        "nad-provider": "net.default.ovn",
        "k8s-service-host": "10.96.0.1",
        "k8s-service-port": "443",
      },
    },
    { namespace: "kube-system" },
  ),
  thing(
    "dnsDeployments",
    "vpc-dns-team",
    {
      spec: {
        replicas: 2,
        template: {
          metadata: { annotations: { "k8s.v1.cni.cncf.io/networks": "default/net" } },
          spec: { containers: [{ name: "coredns", image: "coredns" }] },
        },
      },
    },
    {
      namespace: "kube-system",
      ownerReferences: [{ apiVersion: "kubeovn.io/v1", kind: "VpcDns", name: "team", uid: "uid-vpcDnses-team" }],
    },
  ),
  thing("statefulSets", "web", { spec: { replicas: 2, ordinals: { start: 1 } } }, NS),
  thing("virtualMachines", "web", { spec: { running: true } }, NS),
  thing("migrations", "web", { spec: { vmiName: "web" }, status: { phase: "Running" } }, NS),
];

t.test("there is an object of every kind into which malformed input is put", async (t) => {
  const missing = KINDS.flatMap(({ facts }) => (CLUSTER.some(({ kind }) => kind === facts) ? [] : facts));
  t.same(missing, [], "add one to CLUSTER");
});

/** Fields that the API server validates in every version: names, labels, and the names of ports and nodes. */
const VALIDATED =
  /^(metadata\.(?!annotations)|spec\.(nodeName|containers)|status\.phase|.*\.(name|port|endPort|containerPort)$)/;

/** The controller's own annotations, as another client may have written them. */
const RECORDS = [
  String.raw`10.16.0.0/16 10.16.0.1 {"excludeIps":["\u0000"],"namespaceSelectors":[{"matchLabels":{"\ud800":"x"}}]}`,
  String.raw`{"selector":["\u0000: \ud800"],"ips":["\u0000"],"staticRoutes":[{"cidr":"\u0000"}],"policyRoutes":[{"match":"\u0000"}]}`,
  '10.16.0.0/16 10.16.0.1 {"excludeIps":[1],"namespaceSelectors":[null,{"matchLabels":null}]}',
  '{"selector":[1],"ips":[null],"staticRoutes":[null,{"cidr":1,"nextHopIP":2}],"policyRoutes":[null,{"match":1,"action":"reroute","nextHopIP":3}]}',
  '{"staticRoutes":[{"cidr":1}],"policyRoutes":[{"action":"drop","match":7}]}',
  "{}",
  "null",
];

/** Valid and invalid texts of users and programs. */
const text = fc.oneof(
  fc.constantFrom(
    "\0",
    "a\0b",
    "\ud83d",
    "x\ude00y",
    "",
    " ",
    "\n",
    "\u202e",
    '"',
    "\\",
    "{",
    "}",
    "{}",
    "//",
    "/*",
    "$x",
    "@x",
    "^x",
    "||",
    "😀".repeat(70),
  ),
  fc.constantFrom(
    "10.0.1.300",
    "fd00::g",
    "10.16.0.7",
    "fd16::7",
    "10.16.0.7,10.16.0.7",
    "10.0.0.0/33",
    "10.40.0.0/24",
    "::ffff:1.2.3.4",
    "01:00:5e:00:00:01",
  ),
  fc.constantFrom(
    "true",
    "True",
    "-1",
    "1e309",
    "0x10",
    "4294967296",
    "9".repeat(40),
    "null",
    "a,b,,c",
    "ovn",
    "x.ovn",
    "\0.ovn",
    "team",
    "a".repeat(400),
  ),
  fc.constantFrom(
    "ip4 // x",
    "ip4.src == {10.0.0.1, 10.0.0.1}",
    'inport == "\\ud800"',
    "ip4) || (ip6",
    `${"(".repeat(99)}ip${")".repeat(99)}`,
  ),
  fc.constantFrom(...RECORDS),
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.string({ unit: "grapheme-composite", maxLength: 100 }),
);
const number = fc.oneof(
  fc.constantFrom(-1, 0, 1, 1.5, 32768, 65536, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e308),
  fc.integer(),
);

/** Paths of the texts and numbers in an object that a user may write freely. */
function leaves(value: Json, path = ""): readonly string[] {
  if (typeof value === "string" || typeof value === "number") return VALIDATED.test(path) ? [] : [path];
  if (typeof value !== "object" || value === null) return [];
  const at = path === "" ? "" : `${path}.`;
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, at + key.replaceAll(".", "\u2024")));
}

function put(value: Json, path: readonly string[], leaf: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return leaf;
  const name = key.replaceAll("\u2024", ".");
  if (Array.isArray(value)) return value.map((inner, i) => (String(i) === name ? put(inner, rest, leaf) : inner));
  const object = value as { readonly [key: string]: Json };
  return { ...object, [name]: put(object[name] ?? null, rest, leaf) };
}

const PLACES = CLUSTER.flatMap(({ object }, i) => leaves(object).map((path) => ({ i, path })));

/** The value at a place of the valid cluster. */
function standing({ i, path }: { readonly i: number; readonly path: string }): Json {
  const step = (at: Json, key: string): Json =>
    (at as { readonly [key: string]: Json })[key.replaceAll("\u2024", ".")] ?? null;
  return path.split(".").reduce(step, CLUSTER[i]?.object ?? null);
}

/** The malformed values for a place. */
function worst(path: string): readonly string[] {
  return /\/(?:in-force|accepted)$/.test(path) ? ["a\0\ud83d", ...RECORDS] : ["a\0\ud83d"];
}

interface Edit {
  readonly i: number;
  readonly path: string;
  readonly leaf: Json;
}

/** Objects on which all others depend: with an error in them the others do not reach the database. */
const GROUND: ReadonlySet<FactKind> = new Set(["vpcs", "subnetSpecs", "nodes", "ips"]);

/** Edits that put malformed values into each place: of objects that others depend on one by one, of the rest one of each object at a time. */
function* sweeps(): Iterable<readonly Edit[]> {
  const all = PLACES.map((place) =>
    (typeof standing(place) === "number" ? [1e308] : worst(place.path)).map((leaf) => ({ ...place, leaf })),
  );
  const { ground = [], rest = [] } = Object.groupBy(all.flat(), ({ i }) =>
    GROUND.has(CLUSTER[i]?.kind ?? "vpcs") ? "ground" : "rest",
  );
  for (const one of ground) yield [one];
  const objects = Object.values(Object.groupBy(rest, ({ i }) => String(i)));
  const most = Math.max(...objects.map((edits) => edits?.length ?? 0));
  for (let n = 0; n < most; n++) yield objects.flatMap((edits) => edits?.[n] ?? []);
}

/** A place, and a user's value of the type in the API. */

const edit: fc.Arbitrary<Edit> = fc.constantFrom(...PLACES).chain((place): fc.Arbitrary<Edit> => {
  const now = standing(place);
  if (typeof now === "number") return number.map((leaf) => ({ ...place, leaf }));
  const texts = fc.oneof(
    text,
    text.map((more) => `${now}${more}`),
    text.map((more) => `${more}${now}`),
  );
  return texts.map((leaf) => ({ ...place, leaf }));
});

const SETTINGS: ClusterFact = {
  key: "cluster",
  router: "ovn-cluster",
  defaultSubnet: "ovn-default",
  joinSubnet: "join",
  serviceCidr: { v4: "10.96.0.0/12" },
  nodeRanges: ["172.18.0.0/16", "fd00:172:18::/64"],
};

function compile(things: readonly Thing[]) {
  const facts = factStore();
  facts.set("cluster", "cluster", SETTINGS);
  const feeds = feedsOf({ router: "ovn-cluster", joinSubnet: "join", enableLb: true });
  for (const { kind, object } of things) {
    const { namespace, name } = object.metadata;
    const key = typeof namespace === "string" ? `${namespace}/${name}` : name;
    const project = feeds[kind]?.project as ((object: unknown) => FactTypes[FactKind] | undefined) | undefined;
    if (project === undefined) throw new Error(`nothing projects ${kind}`);
    facts.set(kind, key, project(object));
  }
  new DerivedFacts(facts).start();
  return [...compileAll(facts).values()];
}

t.test(
  "nothing that a user can write makes a transaction that the database refuses, or anything throw",
  { skip, timeout: 280_000 },
  async (t) => {
    if (typeof tools === "string") return;
    const folder = await TestFolder.make(tools);
    const server = await folder.standalone(OVN_NB);
    const northbound = openNorthbound([server.remote], pino({ level: "silent" }), 60_000);
    t.teardown(async () => {
      await northbound.close();
      await folder.close();
    });
    await northbound.whenReady();
    await northbound.lock.whenHeld();
    const sizes: number[] = [];
    const check = async (edits: readonly Edit[]): Promise<void> => {
      const things = CLUSTER.map(({ kind, object }, i) => {
        const own = edits.filter((one) => one.i === i);
        const made = own.reduce<Json>((at, { path, leaf }) => put(at, path.split("."), leaf), object);
        return { kind, object: made as unknown as Thing["object"] };
      });
      const fragments = compile(things);
      const rows = new Map(fragments.flatMap((fragment) => fragment.rows).map((row) => [row.uuid, row]));
      const inserts = [...rows.values()].map(({ table, uuid, columns }) => ({ table, uuid, columns }));
      const sets = new Map<
        string,
        { table: string; row: string; column: string; insert: string[]; delete: string[] }
      >();
      for (const { table, row, column, member } of fragments.flatMap((fragment) => fragment.edges)) {
        const isReference = EDGE_COLUMNS.get(table)?.some((one) => one.column === column) === true;
        if (!rows.has(row) || (isReference && table !== "Address_Set" && !rows.has(member))) continue;
        const key = `${row} ${column}`;
        const set = sets.get(key) ?? { table, row, column, insert: [], delete: [] };
        if (!set.insert.includes(member)) set.insert.push(member);
        sets.set(key, set);
      }
      const plan = { inserts, updates: [], mutations: [...sets.values()], deletes: [] };
      const outcome = await northbound.commit(plan as never);
      if (outcome.kind !== "committed") throw "error" in outcome ? outcome.error : new Error(outcome.kind);
      const gone = {
        inserts: [],
        updates: [],
        mutations: [],
        deletes: inserts.map(({ table, uuid }) => ({ table, uuid })),
      };
      const cleared = await northbound.commit(gone as never);
      if (cleared.kind !== "committed") throw "error" in cleared ? cleared.error : new Error(cleared.kind);
      for (const effect of fragments.flatMap((fragment) => fragment.effects)) JSON.stringify(effect);
      sizes.push(inserts.length);
    };
    await check([]);
    const whole = sizes[0] ?? 0;
    t.ok(whole > 80, `the cluster has ${whole} rows`);
    // Each place with malformed values, and then random places.
    for (const edits of sweeps()) {
      const where = edits.map(({ i, path }) => `${CLUSTER[i]?.kind} ${path}`).join(", ");
      await check(edits).catch((error: unknown) => t.fail(`${where}: ${error}`));
    }
    const runs = Number(process.env["WEFT_FUZZ_RUNS"] ?? 30);
    await fc.assert(fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), check), {
      seed: 10,
      numRuns: runs,
    });
    const full = sizes.filter((size) => size > whole / 2).length;
    t.ok(full > sizes.length / 2, `${full} of ${sizes.length} clusters still have most of their rows`);
  },
);
