// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { parseSubnetAddresses } from "../../../src/net/subnet-addresses.ts";
import { tryAnnotations } from "../testing/annotations.ts";
import { type ApiServer, kubeBinaries, startApiServer } from "../testing/apiserver.ts";
import { tryDaemonToken } from "../testing/daemon-token.ts";

const CRDS = join(import.meta.dirname, "../../../crds");
const PLURALS: Readonly<Record<string, string>> = {
  Vpc: "vpcs",
  Subnet: "subnets",
  IP: "ips",
  IPPool: "ippools",
  Vip: "vips",
  OvnEip: "ovn-eips",
  OvnFip: "ovn-fips",
  OvnSnatRule: "ovn-snat-rules",
  OvnDnatRule: "ovn-dnat-rules",
  Vlan: "vlans",
  ProviderNetwork: "provider-networks",
  SecurityGroup: "security-groups",
  RouterLBRule: "router-lb-rules",
  SwitchLBRule: "switch-lb-rules",
  VpcDns: "vpc-dnses",
};

type Kind =
  | ("Vpc" | "Subnet" | "IP" | "IPPool" | "Vip" | "SecurityGroup" | "SwitchLBRule" | "VpcDns")
  | ("RouterLBRule" | "OvnEip" | "OvnFip" | "OvnSnatRule" | "OvnDnatRule" | "Vlan" | "ProviderNetwork");
type Fields = Readonly<Record<string, unknown>>;

t.test("every CRD with validation rules has cases here", async (t) => {
  const definitions = readdirSync(CRDS).filter((name) => name.endsWith(".yaml"));
  t.same(
    Object.values(PLURALS)
      .map((plural) => `${plural}.yaml`)
      .sort(),
    definitions.sort(),
    "add the kind to PLURALS, and what its rules take and refuse",
  );
});

let server: ApiServer;
let names = 0;

function path(kind: Kind, name = ""): string {
  return `/apis/kubeovn.io/v1/${PLURALS[kind]}${name === "" ? "" : `/${name}`}`;
}

function object(kind: Kind, spec: Fields, name = `t${++names}`): Fields {
  return { apiVersion: "kubeovn.io/v1", kind, metadata: { name }, spec };
}

/** Creates an object by a dry run; unknown fields are an error. */
function tryOut(kind: Kind, spec: Fields, name?: string) {
  return server.call("POST", `${path(kind)}?dryRun=All&fieldValidation=Strict`, object(kind, spec, name));
}

async function create(kind: Kind, spec: Fields): Promise<string> {
  const answer = await server.call("POST", path(kind), object(kind, spec));
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body.metadata.name;
}

function patch(kind: Kind, name: string, body: unknown, subresource = "") {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return server.call("PATCH", path(kind, name) + subresource, text, { "content-type": "application/merge-patch+json" });
}

function kubectl(...args: string[]) {
  return promisify(execFile)(join(server.bin, "kubectl"), ["--kubeconfig", server.kubeconfig, ...args]);
}

/** A rule of a security group that is for all of IPv4. */
const ANY4 = { ipVersion: "ipv4", priority: 10, remoteType: "address", remoteAddress: "0.0.0.0/0", policy: "allow" };

/** Policy routing of a subnet with an egress gateway. */
const TABLE = { gatewayType: "centralized", policyRoutingTableID: 1000, policyRoutingPriority: 1500 };

/** Specs that work in Kube-OVN, in the shapes that its manual shows. */
const GOOD: readonly (readonly [Kind, string, Fields])[] = [
  ["Vpc", "an empty one", {}],
  ["Vpc", "one with namespaces and a default subnet", { namespaces: ["ns1"], defaultSubnet: "net1" }],
  [
    "Vpc",
    "peerings and routes",
    {
      vpcPeerings: [
        { remoteVpc: "vpc-2", localConnectIP: "169.254.0.1/30" },
        { remoteVpc: "vpc-3", localConnectIP: "169.254.0.5/30,fd00:169:254::1/126" },
      ],
      staticRoutes: [
        { cidr: "172.31.0.0/16", nextHopIP: "169.254.0.2", policy: "policyDst" },
        { cidr: "10.0.1.5", nextHopIP: "10.0.1.253", policy: "policySrc", routeTable: "rtb1" },
        { cidr: "::/0", nextHopIP: "fd00::1", policy: "", ecmpMode: "ecmp_symmetric_reply", bfdId: "" },
      ],
    },
  ],
  [
    "Vpc",
    "policies",
    {
      policyRoutes: [
        { action: "drop", match: "ip4.src==10.0.1.0/24 && ip4.dst==10.0.1.250", priority: 11 },
        { action: "reroute", match: "ip4.src==10.0.1.0/24", nextHopIP: "10.0.1.252", priority: 10 },
        { action: "reroute", match: "ip6", nextHopIP: "fd00::1,fd00::2,fd00::3", priority: 32767 },
        { action: "allow", match: "ip4", nextHopIP: "" },
      ],
    },
  ],
  ["Vpc", "external networks", { enableExternal: true, enableBfd: true, extraExternalSubnets: ["extra"] }],
  [
    "Vpc",
    "a BFD port",
    { bfdPort: { enabled: true, ip: "10.255.255.255, fd00::ff", nodeSelector: { matchLabels: { a: "b" } } } },
  ],
  ["Vpc", "what a Go client writes for no BFD port", { bfdPort: null, staticRoutes: null }],
  ["Subnet", "a CIDR alone", { cidrBlock: "10.0.0.0/16" }],
  ["Subnet", "host bits in the CIDR", { cidrBlock: "10.16.0.1/16", gateway: "10.16.0.1" }],
  ["Subnet", "a /31 and its gateway", { cidrBlock: "10.0.0.0/31", gateway: "10.0.0.1" }],
  ["Subnet", "a /127 and its gateway", { cidrBlock: "fd00::/127", gateway: "fd00::" }],
  ["Subnet", "the last address of IPv6", { cidrBlock: "fd00:201::/112", gateway: "fd00:201::ffff" }],
  ["Subnet", "a /127 and its gateway", { cidrBlock: "fd00::/127", gateway: "fd00::" }],
  ["Subnet", "the last address of an IPv6 CIDR as gateway", { cidrBlock: "fd00::/112", gateway: "fd00::ffff" }],
  [
    "Subnet",
    "dual stack",
    {
      cidrBlock: "10.16.0.0/16,fd00:10:16::/64",
      gateway: "10.16.0.1,fd00:10:16::1",
      excludeIps: [
        "10.16.0.1",
        "fd00:10:16::1",
        "fd00:10:16::a..fd00:10:16::1f",
        "fd00:10:16::1:0..fd00:10:16::2:0",
        "fd00::10.0.0.200..fd00::10.0.1.1",
        "fd00::..fd00::5",
      ],
      protocol: "Dual",
    },
  ],
  ["Subnet", "dual stack with the gateway of one family", { cidrBlock: "10.16.0.0/16,fd00::/64", gateway: "fd00::1" }],
  [
    "Subnet",
    "distributed, for namespaces, with ranges",
    {
      protocol: "IPv4",
      cidrBlock: "172.17.0.0/16",
      excludeIps: ["172.17.0.0..172.17.0.10", "172.17.9.200..172.17.10.3", "172.17.0.7"],
      gateway: "172.17.0.1",
      gatewayType: "distributed",
      natOutgoing: true,
      routeTable: "",
      namespaces: ["ns1", "ns2"],
      namespaceSelectors: [{ matchExpressions: [{ key: "team", operator: "In", values: ["a"] }] }],
    },
  ],
  [
    "Subnet",
    "centralized, by node and by selector",
    {
      cidrBlock: "10.166.0.0/16",
      default: false,
      gatewayType: "centralized",
      gatewayNode: "node1,node2:172.18.0.2",
      gatewayNodeSelectors: [{ matchLabels: { role: "gateway" } }],
      enableEcmp: true,
    },
  ],
  [
    "Subnet",
    "what a Go client writes for a subnet with little in it",
    {
      cidrBlock: "10.0.0.0/16",
      default: false,
      gatewayNode: "",
      gatewayType: "",
      natOutgoing: false,
      private: false,
      u2oFeatures: {},
    },
  ],
  ["Subnet", "private", { cidrBlock: "10.69.0.0/16", private: true, allowSubnets: ["10.16.0.0/16", "fd00::/64"] }],
  [
    "Subnet",
    "rules",
    {
      cidrBlock: "10.10.0.0/24",
      allowEWTraffic: false,
      acls: [
        { action: "drop", direction: "to-lport", match: "ip4.dst == 10.10.0.2 && ip", priority: 1002 },
        { action: "allow-related", direction: "from-lport", match: "ip4.src == 10.10.0.2 && ip", priority: 1002 },
      ],
    },
  ],
  [
    "Subnet",
    "an external egress gateway",
    {
      cidrBlock: "172.31.0.0/16",
      gatewayType: "centralized",
      natOutgoing: false,
      externalEgressGateway: "192.168.0.1",
      policyRoutingTableID: 1000,
      policyRoutingPriority: 1500,
    },
  ],
  [
    "Subnet",
    "an attachment of another plugin",
    { protocol: "IPv4", provider: "macvlan.default", cidrBlock: "172.17.0.0/16" },
  ],
  ["Subnet", "underlay", { cidrBlock: "172.17.0.0/16", gateway: "172.17.0.254", vlan: "vlan1", logicalGateway: true }],
  [
    "Subnet",
    "underlay joined with the overlay",
    {
      cidrBlock: "172.17.0.0/16",
      gateway: "172.17.0.1",
      vlan: "vlan1",
      u2oInterconnection: true,
      u2oInterconnectionIP: "172.17.0.20",
      u2oFeatures: { overlayOnlyRouting: true },
    },
  ],
  ["Subnet", "underlay without addresses", { vlan: "vlan1", protocol: "Mac", gateway: "", excludeIps: [] }],
  [
    "Subnet",
    "DHCP",
    {
      cidrBlock: "10.0.0.0/24,240e::a00/120",
      gateway: "10.0.0.1,240e::a01",
      enableDHCP: true,
      dhcpV4Options: "lease_time=3600,router=10.0.0.1,server_id=169.254.0.254,server_mac=00:00:00:2E:2F:B8",
      dhcpV6Options: "server_id=00:00:00:2E:2F:C5",
      enableIPv6RA: true,
      ipv6RAConfigs: "address_mode=dhcpv6_stateful,max_interval=30,min_interval=5,send_periodic=true",
      mtu: 1280,
    },
  ],
  [
    "Subnet",
    "NAT rules",
    {
      cidrBlock: "10.0.0.0/24",
      natOutgoing: true,
      natOutgoingPolicyRules: [
        { action: "forward", match: { srcIPs: "10.0.0.2,10.0.0.128/26", dstIPs: "114.114.114.114" } },
        { action: "nat", match: { srcIPs: "", dstIPs: "FD00::/8,fd01::1" } },
        { action: "nat", match: {} },
      ],
    },
  ],
  ["Subnet", "virtual addresses", { cidrBlock: "10.0.0.0/24,fd00::/112", vips: ["10.0.0.5", "fd00::5"] }],
  [
    "Subnet",
    "flags without effect",
    { cidrBlock: "10.0.0.0/24", logicalGateway: true, u2oInterconnection: true, mtu: 576 },
  ],
  [
    "IP",
    "a pod's",
    { podName: "a", namespace: "b", subnet: "ovn-default", v4IpAddress: "10.16.0.7", macAddress: "00:00:00:8A:5e:01" },
  ],
  [
    "IP",
    "what a Go client writes",
    {
      podName: "a",
      namespace: "",
      subnet: "join",
      attachSubnets: null,
      attachIps: null,
      attachMacs: null,
      nodeName: "",
      ipAddress: "100.64.0.2,fd00::2",
      v4IpAddress: "100.64.0.2",
      v6IpAddress: "fd00::2",
      macAddress: "",
      containerID: "",
      podType: "",
    },
  ],
  ["IP", "a reservation without addresses", { podName: "vm1", namespace: "b", subnet: "s", podType: "VirtualMachine" }],
  [
    "IPPool",
    "addresses, ranges and CIDRs of both families",
    {
      subnet: "ovn-default",
      ips: ["10.16.0.201", "10.16.0.210/30", "10.16.0.220..10.16.0.230", "FD00::A..fd00::1F", "fd00::/120"],
      namespaces: ["ns-1"],
    },
  ],
  [
    "IPPool",
    "an address set of one family",
    { subnet: "s", ips: ["fd00::5", "fd00::a..fd00::b"], enableAddressSet: true },
  ],
  ["IPPool", "the same address twice", { subnet: "s", ips: ["10.0.0.5", "10.0.0.5"] }],
  ["IPPool", "an empty one", { subnet: "s", ips: [] }],
  ["OvnEip", "any free address of the default external subnet", {}],
  ["OvnEip", "for NAT rules", { externalSubnet: "external", type: "nat", v4Ip: "172.18.200.10" }],
  [
    "OvnEip",
    "what a Go client writes",
    { externalSubnet: "external204", v4Ip: "", v6Ip: "", macAddress: "", type: "lsp" },
  ],
  ["Vlan", "frames without a tag", { provider: "external" }],
  [
    "ProviderNetwork",
    "nodes with an interface of their own",
    { defaultInterface: "eth1", customInterfaces: [{ interface: "eth2", nodes: ["n1"] }], excludeNodes: ["n2"] },
  ],
  ["ProviderNetwork", "nodes by their labels", { defaultInterface: "eth1", nodeSelector: { matchLabels: { a: "b" } } }],
  ["Vlan", "one of an old version", { vlanId: 7, providerInterfaceName: "external" }],
  ["OvnFip", "a pod's address", { ovnEip: "e", ipName: "web.default", type: "distributed" }],
  [
    "OvnFip",
    "what a Go client writes",
    { ovnEip: "e", ipType: "", ipName: "", vpc: "team", v4Ip: "10.0.1.5", v6Ip: "", type: "" },
  ],
  ["OvnSnatRule", "a subnet", { ovnEip: "e", vpcSubnet: "inner", ipName: "", vpc: "", v4IpCidr: "", v6IpCidr: "" }],
  ["OvnSnatRule", "an address and a range", { ovnEip: "e", vpc: "team", v4IpCidr: "10.0.1.5", v6IpCidr: "fd00::/64" }],
  [
    "OvnDnatRule",
    "a port of a Vip",
    { ovnEip: "e", ipType: "vip", ipName: "v", externalPort: "80", internalPort: "8080", protocol: "TCP" },
  ],
  [
    "SwitchLBRule",
    "pods by their labels",
    {
      vip: "10.16.0.50",
      namespace: "default",
      selector: ["app:web", "tier: front"],
      sessionAffinity: "ClientIP",
      ports: [
        { name: "http", port: 80, targetPort: 8080, protocol: "TCP" },
        { name: "dns", port: 53, targetPort: 53, protocol: "UDP" },
      ],
    },
  ],
  [
    "SwitchLBRule",
    "endpoints of both families",
    { vip: "10.16.0.50,fd00::50", endpoints: ["10.16.0.9", "fd00::9"], ports: [{ port: 80 }] },
  ],
  [
    "SwitchLBRule",
    "what a Go client writes",
    {
      vip: "1.1.1.1",
      namespace: "default",
      selector: null,
      endpoints: ["10.16.0.9"],
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
    },
  ],
  [
    "RouterLBRule",
    "what a Go client writes",
    {
      ovnEip: "e",
      vpc: "team",
      namespace: "default",
      selector: null,
      endpoints: ["10.16.0.9"],
      ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }],
    },
  ],
  ["VpcDns", "a VPC's", { vpc: "team", subnet: "team-pods", replicas: 2 }],
  ["VpcDns", "what a Go client writes", { replicas: 0, vpc: "team", subnet: "team-pods", corefile: "mine" }],
  ["Vip", "any free address", { subnet: "ovn-default", type: "" }],
  [
    "Vip",
    "a fixed address",
    { subnet: "ovn-default", v4ip: "10.16.0.121", v6ip: "fd00::79", macAddress: "00:00:00:53:6b:b6" },
  ],
  ["Vip", "one with a selector", { subnet: "ovn-default", namespace: "default", selector: ["app: aap1"] }],
  ["Vip", "a load balancer's", { subnet: "ovn-default", type: "switch_lb_vip" }],
  [
    "Vip",
    "what a Go client writes",
    {
      namespace: "",
      subnet: "s",
      type: "",
      v4ip: "",
      v6ip: "",
      macAddress: "",
      selector: null,
      attachSubnets: null,
    },
  ],
  [
    "SecurityGroup",
    "rules by address and by group",
    {
      allowSameGroupTraffic: true,
      ingressRules: [
        { ...ANY4, priority: 1, protocol: "icmp" },
        { ...ANY4, priority: 16384, protocol: "tcp", portRangeMin: 80, portRangeMax: 80, remoteAddress: "10.16.0.5" },
        { ...ANY4, remoteType: "securityGroup", remoteSecurityGroup: "web.front", policy: "drop" },
      ],
      egressRules: [
        { ...ANY4, ipVersion: "ipv6", remoteAddress: "::/0", protocol: "" },
        {
          ...ANY4,
          protocol: "udp",
          portRangeMin: 1,
          portRangeMax: 65535,
          localAddress: "10.16.0.5",
          sourcePortRangeMin: 1,
          sourcePortRangeMax: 65535,
          policy: "pass",
        },
      ],
    },
  ],
  [
    "SecurityGroup",
    "what a Go client writes",
    { tier: 1, ingressRules: [{ ...ANY4, portRangeMin: 0, localAddress: "", remoteSecurityGroup: "" }] },
  ],
  ["SecurityGroup", "an empty one", {}],
];

const CIDR = { cidrBlock: "10.0.0.0/24" };
const DUAL = { cidrBlock: "10.0.0.0/24,fd00::/112" };

/** Specs that are refused, and what the error must contain: the field, the value, what is accepted. */
const BAD: readonly (readonly [Kind, Fields, ...string[]])[] = [
  ["Vpc", { policyRoutes: [{ action: "deny", match: "ip4" }] }, "spec.policyRoutes[0].action", '"deny"', '"reroute"'],
  ["Vpc", { policyRoutes: [{ action: "drop", priority: 32768 }] }, "policyRoutes[0].priority", "32767"],
  ["Vpc", { policyRoutes: [{ action: "drop", priority: -1 }] }, "policyRoutes[0].priority"],
  [
    "Vpc",
    { policyRoutes: [{ action: "reroute", match: "ip4" }] },
    "spec.policyRoutes[0]",
    "nextHopIP is missing",
    "10.0.1.252",
  ],
  ["Vpc", { policyRoutes: [{ action: "reroute", nextHopIP: "gw" }] }, 'nextHopIP "gw" is not an address'],
  [
    "Vpc",
    { policyRoutes: [{ action: "reroute", nextHopIP: "10.0.1.10,10.0.1.300" }] },
    '"10.0.1.10,10.0.1.300" is not an',
  ],
  [
    "Vpc",
    { policyRoutes: [{ action: "reroute", nextHopIP: "10.0.1.300" }] },
    'nextHopIP "10.0.1.300" is not an address',
  ],
  ["Vpc", { staticRoutes: [{ cidr: "10.0.0.0/8", nextHopIP: "10.0.1.300" }] }, 'nextHopIP "10.0.1.300" is not an'],
  ["Vpc", { staticRoutes: [{ cidr: "10.0.0.0/33", nextHopIP: "10.0.0.1" }] }, 'cidr "10.0.0.0/33"', "172.31.0.0/16"],
  [
    "Vpc",
    { staticRoutes: [{ cidr: "10.0.0.0/8", nextHopIP: "10.0.0.1,10.0.0.2" }] },
    'nextHopIP "10.0.0.1,10.0.0.2"',
    "one route for each",
  ],
  ["Vpc", { staticRoutes: [{ cidr: "10.0.0.0/8" }] }, "staticRoutes[0].nextHopIP", "Required"],
  ["Vpc", { staticRoutes: [{ cidr: "::/0", nextHopIP: "::1", policy: "dst" }] }, '"dst"', '"policyDst"'],
  [
    "Vpc",
    { vpcPeerings: [{ remoteVpc: "b", localConnectIP: "169.254.0.1" }] },
    'localConnectIP "169.254.0.1"',
    "169.254.0.1/30",
  ],
  ["Vpc", { bfdPort: { enabled: true } }, "spec.bfdPort.ip", "10.255.255.255"],
  ["Vpc", { bfdPort: { enabled: true, ip: "x" } }, 'ip "x" is not an address'],
  ["Subnet", {}, "spec.cidrBlock", "is missing", "10.16.0.0/16"],
  ["Subnet", { cidrBlock: "" }, "spec.cidrBlock", "is missing"],
  ["Subnet", { cidrBlock: "10.0.0.0" }, 'cidrBlock "10.0.0.0" is not a CIDR'],
  ["Subnet", { cidrBlock: "10.0.0.0/33" }, 'cidrBlock "10.0.0.0/33" is not a CIDR'],
  ["Subnet", { cidrBlock: "10.0.0.0/16,", vlan: "v" }, 'cidrBlock "10.0.0.0/16," is not a CIDR'],
  ["Subnet", { cidrBlock: "10.0.0.0/16, fd00::/64" }, "no space"],
  ["Subnet", { cidrBlock: "10.0.0.0/16\n" }, "has a line break in it"],
  ["Subnet", { cidrBlock: "10.0.0.0/16,10.1.0.0/16" }, "is not an IPv4 CIDR followed by an IPv6 one"],
  ["Subnet", { cidrBlock: "fd00::/64,10.1.0.0/16" }, "is not an IPv4 CIDR followed by an IPv6 one"],
  ["Subnet", { cidrBlock: "10.0.0.0/16,10.1.0.0/16,fd00::/64" }, "is not a CIDR"],
  ["Subnet", { cidrBlock: "FD00::/64" }, "upper-case letters: write fd00::/64"],
  ["Subnet", { cidrBlock: "10.0.0.1/32" }, "room for one address only", "/31"],
  [
    "Subnet",
    { cidrBlock: "10.0.0.0/31", gateway: "10.0.0.0" },
    "spec.gateway",
    "OVN drops that as a broadcast address",
  ],
  ["Subnet", { cidrBlock: "10.0.0.0/16,fd00::/128" }, "room for one address only"],
  ["Subnet", { cidrBlock: "127.0.0.1/8" }, 'cidrBlock "127.0.0.1/8"', "loopback"],
  ["Subnet", { cidrBlock: "169.254.9.0/24" }, "link-local"],
  ["Subnet", { cidrBlock: "224.0.0.0/3" }, "multicast"],
  ["Subnet", { cidrBlock: "0.0.0.0/8" }, "unspecified"],
  ["Subnet", { cidrBlock: "fe80::/64" }, "link-local"],
  ["Subnet", { cidrBlock: "fd69::/112" }, "reserved for probes (fd69::8/126)"],
  ["Subnet", { ...CIDR, gateway: "10.0.1.1" }, 'gateway "10.0.1.1" is not inside cidrBlock "10.0.0.0/24"'],
  ["Subnet", { ...CIDR, gateway: "fd00::1" }, 'gateway "fd00::1" is not inside'],
  ["Subnet", { ...DUAL, gateway: "10.0.0.1,fd01::1" }, 'gateway "10.0.0.1,fd01::1" is not inside'],
  [
    "Subnet",
    { ...DUAL, gateway: "10.0.0.1,10.0.0.2" },
    'gateway "10.0.0.1,10.0.0.2" is not an address',
    "one of each family",
  ],
  ["Subnet", { ...CIDR, gateway: "gw" }, 'gateway "gw" is not an address'],
  ["Subnet", { ...CIDR, gateway: "10.0.0.0" }, 'gateway "10.0.0.0" is the address of the network'],
  ["Subnet", { cidrBlock: "10.0.0.9/24", gateway: "10.0.0.0" }, "is the address of the network"],
  ["Subnet", { cidrBlock: "fd00::/64", gateway: "fd00::" }, "is the address of the network"],
  [
    "Subnet",
    { ...CIDR, gateway: "10.0.0.255" },
    'gateway "10.0.0.255" is the broadcast address of cidrBlock "10.0.0.0/24"',
  ],
  ["Subnet", { cidrBlock: "10.0.0.0/9,fd00::/64", gateway: "10.127.255.255,fd00::1" }, "is the broadcast address"],
  ["Subnet", { cidrBlock: "10.0.0.0/30", gateway: "10.0.0.3" }, "is the broadcast address"],
  ["Subnet", { cidrBlock: "fd00::/64", gateway: "FD00::1" }, "write fd00::1"],
  [
    "Subnet",
    { ...CIDR, excludeIps: ["10.0.0.2", "10.0.0.x"] },
    "spec.excludeIps[1]",
    '"10.0.0.x" is neither an address',
    "10.16.0.2..10.16.0.10",
  ],
  ["Subnet", { ...CIDR, excludeIps: ["10.0.0.9..10.0.0.2"] }, '"10.0.0.9..10.0.0.2" begins after its end'],
  ["Subnet", { ...CIDR, excludeIps: ["10.0.2.0..10.0.0.255"] }, "begins after its end"],
  ["Subnet", { ...CIDR, excludeIps: ["10.0.0.10..10.0.0.9"] }, "begins after its end"],
  ["Subnet", { ...CIDR, excludeIps: ["10.0.0.1..10.0.0.3..10.0.0.5"] }, "is neither an address"],
  ["Subnet", { ...CIDR, excludeIps: ["10.0.0.1-10.0.0.3"] }, "is neither an address"],
  ["Subnet", { ...CIDR, excludeIps: ["10.0.0.0/30"] }, "is neither an address"],
  ["Subnet", { ...DUAL, excludeIps: ["10.0.0.1..fd00::3"] }, "is neither an address"],
  ["Subnet", { ...DUAL, excludeIps: ["fd00::1f..fd00::a"] }, "begins after its end"],
  ["Subnet", { ...DUAL, excludeIps: ["FD00::1"] }, "write fd00::1"],
  ["Subnet", { ...DUAL, excludeIps: ["fd00::1..5"] }, '"fd00::1..5" is neither an address'],
  ["Subnet", { ...DUAL, excludeIps: [".."] }, '".." is neither an address'],
  ["Subnet", { ...DUAL, excludeIps: ["fd00::5..10.0.0.9"] }, '"fd00::5..10.0.0.9" is neither an address'],
  ["Subnet", { ...CIDR, excludeIps: [""] }, "is neither an address"],
  ["Subnet", { ...CIDR, gatewayType: "central" }, "spec.gatewayType", '"central"', '"centralized"'],
  ["Subnet", { ...CIDR, protocol: "ipv4" }, "spec.protocol", '"ipv4"', '"IPv4"'],
  [
    "Subnet",
    { ...CIDR, natOutgoing: true, externalEgressGateway: "192.168.0.1" },
    'externalEgressGateway "192.168.0.1" and natOutgoing exclude',
  ],
  [
    "Subnet",
    { ...CIDR, externalEgressGateway: "fd00::1" },
    'externalEgressGateway "fd00::1" does not fit cidrBlock "10.0.0.0/24"',
  ],
  ["Subnet", { ...CIDR, externalEgressGateway: "gw" }, 'externalEgressGateway "gw" is not an address'],
  [
    "Subnet",
    { ...CIDR, vlan: "v", logicalGateway: true, u2oInterconnection: true },
    "logicalGateway and u2oInterconnection exclude",
  ],
  ["Subnet", { ...CIDR, u2oFeatures: { overlayOnlyRouting: true } }, "overlayOnlyRouting needs a vlan"],
  [
    "Subnet",
    { ...CIDR, vlan: "v", u2oInterconnection: true, u2oInterconnectionIP: "10.0.1.1" },
    'u2oInterconnectionIP "10.0.1.1" is not inside',
  ],
  [
    "Subnet",
    { ...CIDR, vlan: "v", gateway: "10.0.0.1", u2oInterconnection: true, u2oInterconnectionIP: "10.0.0.1" },
    'u2oInterconnectionIP "10.0.0.1" is the gateway',
  ],
  ["Subnet", { ...DUAL, mtu: 1279 }, "spec.mtu", "less than 1280"],
  ["Subnet", { ...CIDR, mtu: 70000 }, "spec.mtu", "65535"],
  ["Subnet", { ...CIDR, mtu: -1 }, "spec.mtu"],
  ["Subnet", { ...CIDR, vips: ["10.0.1.5"] }, "spec.vips", "is not inside cidrBlock"],
  ["Subnet", { ...CIDR, allowSubnets: ["ovn-default"] }, '"ovn-default" is not a CIDR'],
  ["Subnet", { ...CIDR, acls: [{ direction: "in", action: "drop" }] }, "acls[0].direction", '"to-lport"'],
  ["Subnet", { ...CIDR, acls: [{ direction: "to-lport", action: "deny" }] }, "acls[0].action", '"drop"'],
  [
    "Subnet",
    { ...CIDR, natOutgoingPolicyRules: [{ action: "nat", match: { srcIPs: "10.0.0.0/8, 10.1.0.1" } }] },
    "natOutgoingPolicyRules[0].match.srcIPs",
    "no spaces",
  ],
  [
    "Subnet",
    { ...CIDR, natOutgoingPolicyRules: [{ action: "nat", match: { srcIPs: "10.0.0.1,fd00::1" } }] },
    "of one family",
  ],
  [
    "Subnet",
    { ...CIDR, natOutgoingPolicyRules: [{ action: "nat", match: { srcIPs: "10.0.0.1", dstIPs: "fd00::1" } }] },
    "different families",
  ],
  ["Subnet", { ...CIDR, natOutgoingPolicyRules: [{ action: "snat" }] }, '"snat"', '"nat"'],
  ["Subnet", { vlan: "v", gateway: "10.0.0.1" }, "MAC addresses only"],
  ["Subnet", { vlan: "v", excludeIps: ["10.0.0.1"] }, "MAC addresses only"],
  ["IP", { podName: "a" }, "spec.subnet", "is missing"],
  ["IP", { subnet: "s", v4IpAddress: "fd00::1" }, 'v4IpAddress "fd00::1" is not an IPv4 address'],
  ["IP", { subnet: "s", v4IpAddress: "10.16.0.7/16" }, "is not an IPv4 address such as 10.16.0.7"],
  ["IP", { subnet: "s", v6IpAddress: "10.16.0.7" }, "is not an IPv6 address"],
  ["IP", { subnet: "s", v6IpAddress: "FD00::1" }, "write fd00::1"],
  ["IP", { subnet: "s", macAddress: "0a:58:0a:10:00" }, 'macAddress "0a:58:0a:10:00"', "six bytes"],
  ["IP", { subnet: "s", macAddress: "01:58:0a:10:00:07" }, "the first of them even"],
  ["IP", { subnet: "s", podType: "Deployment" }, '"Deployment"', '"StatefulSet"'],
  ["IPPool", { subnet: "s" }, "spec.ips", "Required"],
  ["IPPool", { ips: [] }, "spec.subnet", "Required"],
  ["IPPool", { subnet: "", ips: [] }, "spec.subnet"],
  [
    "IPPool",
    { subnet: "s", ips: ["10.0.0.5", "10.0.0.300"] },
    "spec.ips[1]",
    '"10.0.0.300" is neither an address',
    "10.16.1.0/28",
  ],
  ["IPPool", { subnet: "s", ips: ["10.0.0.9..10.0.0.5"] }, "begins after its end"],
  ["IPPool", { subnet: "s", ips: ["fd00::B..FD00::a"] }, "begins after its end"],
  ["IPPool", { subnet: "s", ips: ["10.0.0.9..fd00::5"] }, "of one family"],
  [
    "IPPool",
    { subnet: "s", ips: ["10.0.0.9", "fd00::5"], enableAddressSet: true },
    "spec.ips",
    "one pool for each family",
  ],
  ["Subnet", { ...CIDR, provider: "net1/default" }, 'provider "net1/default" is neither ovn nor', "net1.default.ovn"],
  ["Subnet", { ...CIDR, vpc: "Team A" }, 'vpc "Team A" cannot be the name of a Vpc'],
  ["Vip", { subnet: "s", namespace: "a.b" }, 'namespace "a.b" cannot be the name of a namespace'],
  ["Vip", {}, "spec.subnet", "is missing"],
  ["SwitchLBRule", { ports: [{ port: 80 }] }, "spec.vip", "is missing"],
  ["RouterLBRule", { vpc: "v", ports: [{ port: 80 }] }, "spec.ovnEip", "is missing"],
  ["RouterLBRule", { ovnEip: "e", ports: [{ port: 80 }] }, "spec.vpc", "is missing"],
  ["RouterLBRule", { ovnEip: "e", vpc: "v" }, "spec.ports", "is missing"],
  [
    "RouterLBRule",
    { ovnEip: "e", vpc: "v", ports: [{ port: 80, protocol: "ICMP" }] },
    'protocol "ICMP" must be one of',
  ],
  ["RouterLBRule", { ovnEip: "e", vpc: "v", ports: [{ port: 80 }], endpoints: ["127.0.0.1"] }, "it is loopback"],
  ["VpcDns", { subnet: "s" }, "spec.vpc", "is missing"],
  ["VpcDns", { vpc: "v" }, "spec.subnet", "is missing"],
  ["VpcDns", { vpc: "v", subnet: "s", replicas: 4 }, "less than or equal to 3"],
  ["SwitchLBRule", { vip: "10.16.0.50" }, "spec.ports", "is missing"],
  ["SwitchLBRule", { vip: "10.16.0.500", ports: [{ port: 80 }] }, 'vip "10.16.0.500" is not an IP address'],
  ["SwitchLBRule", { vip: "10.0.0.1,10.0.0.2", ports: [{ port: 80 }] }, "more than one address of a family"],
  ["SwitchLBRule", { vip: "10.0.0.1", ports: [{ port: 0 }] }, "greater than or equal to 1"],
  ["SwitchLBRule", { vip: "10.0.0.1", ports: [{ name: "a" }] }, "spec.ports[0].port", "is missing"],
  ["SwitchLBRule", { vip: "10.0.0.1", ports: [{ port: 80 }, { port: 81 }] }, "must have a name"],
  [
    "SwitchLBRule",
    { vip: "10.0.0.1", ports: [{ port: 80, protocol: "ICMP" }] },
    'protocol "ICMP" must be one of: TCP, UDP, SCTP',
  ],
  [
    "SwitchLBRule",
    { vip: "10.0.0.1", ports: [{ port: 80 }], sessionAffinity: "Client" },
    'sessionAffinity "Client" must be one of: None, ClientIP',
  ],
  [
    "SwitchLBRule",
    { vip: "10.0.0.1", ports: [{ port: 80 }], selector: ["web"] },
    'selector entry "web" is not a label',
  ],
  [
    "SwitchLBRule",
    { vip: "10.0.0.1", ports: [{ port: 80 }], endpoints: ["web"] },
    'endpoint "web" is not an IP address',
  ],
  [
    "SwitchLBRule",
    { vip: "10.0.0.1", ports: [{ port: 80 }], endpoints: ["127.0.0.1"] },
    'endpoint "127.0.0.1" cannot be one: it is loopback',
  ],
  [
    "SwitchLBRule",
    { vip: "10.0.0.1", ports: [{ port: 80 }], endpoints: ["fe80::1"] },
    'endpoint "fe80::1" cannot be one',
  ],
  [
    "SwitchLBRule",
    {
      vip: "10.0.0.1",
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 80, protocol: "TCP" },
      ],
    },
    "each port and protocol may be given once",
  ],
  [
    "Subnet",
    { cidrBlock: "10.0.0.0/16", externalEgressGateway: "192.168.0.300" },
    'externalEgressGateway "192.168.0.300" is not an address',
  ],
  [
    "Subnet",
    { cidrBlock: "10.0.0.0/16", externalEgressGateway: "192.168.0.1", natOutgoing: true, ...TABLE },
    "externalEgressGateway",
    "natOutgoing exclude each other",
  ],
  [
    "Subnet",
    { cidrBlock: "10.0.0.0/16", externalEgressGateway: "192.168.0.1" },
    "externalEgressGateway needs a policyRoutingTableID of its own",
  ],
  [
    "Subnet",
    { cidrBlock: "10.0.0.0/16", externalEgressGateway: "192.168.0.1", ...TABLE, policyRoutingTableID: 254 },
    "253-255, 870-879 and 8700-8799",
  ],
  [
    "Subnet",
    { cidrBlock: "10.0.0.0/16", externalEgressGateway: "192.168.0.1", ...TABLE, policyRoutingPriority: 32_766 },
    "externalEgressGateway needs a policyRoutingPriority from 1 to 32765",
  ],
  [
    "Subnet",
    { cidrBlock: "10.0.0.0/16", externalEgressGateway: "fd00::1", ...TABLE },
    'externalEgressGateway "fd00::1" does not fit cidrBlock "10.0.0.0/16"',
  ],
  ["OvnEip", { v4Ip: "10.0.0" }, 'v4Ip "10.0.0" is not an IPv4 address'],
  ["OvnEip", { v6Ip: "FD00::1" }, "write fd00::1"],
  ["OvnEip", { macAddress: "00-00-00-53-6b-b6" }, "six bytes such as"],
  ["ProviderNetwork", {}, "Required value"],
  ["ProviderNetwork", { defaultInterface: "with a blank" }, "should match"],
  ["ProviderNetwork", { defaultInterface: "sixteen-letters-" }, "Too long"],
  ["Vlan", {}, "give the name of the network"],
  ["Vlan", { provider: "p", id: 4096 }, "4095"],
  ["OvnFip", { ipName: "a.b" }, "give the name of an OvnEip"],
  ["OvnFip", { ovnEip: "e" }, "give the name of an IP"],
  ["OvnFip", { ovnEip: "e", vpc: "v" }, "give the name of an IP"],
  ["OvnFip", { ovnEip: "e", ipName: "a.b", type: "x" }, 'type "x" must be one of: distributed, centralized'],
  ["OvnFip", { ovnEip: "e", ipName: "a.b", ipType: "ipv4" }, 'ipType "ipv4" must be one of: ip, vip'],
  ["OvnFip", { ovnEip: "e", vpc: "v", v4Ip: "fd00::1" }, 'v4Ip "fd00::1" is not an IPv4 address'],
  ["OvnSnatRule", { ovnEip: "e" }, "give the name of a Subnet"],
  ["OvnSnatRule", { ovnEip: "e", vpc: "v", v4IpCidr: "10.0.0.0/33" }, "neither an IPv4 CIDR"],
  ["OvnSnatRule", { ovnEip: "e", vpc: "v", v6IpCidr: "10.0.0.0/8" }, "neither an IPv6 CIDR"],
  [
    "OvnDnatRule",
    { ovnEip: "e", ipName: "a.b", externalPort: "0", internalPort: "80", protocol: "tcp" },
    'externalPort "0" is not a port number',
  ],
  [
    "OvnDnatRule",
    { ovnEip: "e", ipName: "a.b", externalPort: "80", internalPort: "http", protocol: "tcp" },
    'internalPort "http" is not a port number',
  ],
  [
    "OvnDnatRule",
    { ovnEip: "e", ipName: "a.b", externalPort: "80", internalPort: "80", protocol: "icmp" },
    'protocol "icmp" must be one of: tcp, udp, sctp',
  ],
  ["OvnDnatRule", { ovnEip: "e", ipName: "a.b", externalPort: "80", internalPort: "80" }, "give tcp, udp or sctp"],
  ["OvnEip", { type: "distributed" }, 'type "distributed" must be one of: nat, lrp, lsp'],
  ["Vip", { subnet: "s", v4ip: "10.0.0" }, 'v4ip "10.0.0" is not an IPv4 address'],
  ["Vip", { subnet: "s", v6ip: "FD00::1" }, "write fd00::1"],
  ["Vip", { subnet: "s", macAddress: "00-00-00-53-6b-b6" }, "six bytes such as"],
  [
    "SecurityGroup",
    { ingressRules: [{ ...ANY4, priority: 0 }] },
    "ingressRules[0].priority",
    "greater than or equal to 1",
  ],
  ["SecurityGroup", { egressRules: [{ ...ANY4, priority: 16385 }] }, "egressRules[0].priority", "16384"],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, ipVersion: "IPv4" }] }, "ingressRules[0].ipVersion", '"ipv6"'],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, remoteType: "cidr" }] }, "remoteType", '"address"'],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, policy: "deny" }] }, "policy", '"drop"'],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, protocol: "sctp" }] }, "protocol", '"udp"'],
  [
    "SecurityGroup",
    { ingressRules: [{ ...ANY4, remoteAddress: "10.0.0.0/33" }] },
    'remoteAddress "10.0.0.0/33" is not an address',
    "10.16.0.0/16",
  ],
  [
    "SecurityGroup",
    { ingressRules: [{ ...ANY4, remoteAddress: "10.0.0.1,10.0.0.2" }] },
    'remoteAddress "10.0.0.1,10.0.0.2" is not an address',
  ],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, remoteAddress: "fd00::/8" }] }, "of ipv4"],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, remoteAddress: "" }] }, "remoteAddress must say which"],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, remoteType: "securityGroup" }] }, "remoteSecurityGroup must name one"],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, localAddress: "10.0.0.256" }] }, 'localAddress "10.0.0.256"'],
  [
    "SecurityGroup",
    { ingressRules: [{ ...ANY4, protocol: "tcp" }] },
    "protocol tcp needs portRangeMin and portRangeMax",
  ],
  [
    "SecurityGroup",
    { ingressRules: [{ ...ANY4, protocol: "udp", portRangeMin: 90, portRangeMax: 80 }] },
    "not above the second",
  ],
  [
    "SecurityGroup",
    { ingressRules: [{ ...ANY4, protocol: "tcp", portRangeMin: 1, portRangeMax: 65536 }] },
    "portRangeMax",
    "65535",
  ],
  ["SecurityGroup", { ingressRules: [{ ...ANY4, sourcePortRangeMin: 9, sourcePortRangeMax: 8 }] }, "belong together"],
  ["SecurityGroup", { tier: 2 }, "spec.tier", "less than or equal to 1"],
  [
    "SecurityGroup",
    { tier: 1, egressRules: [{ ...ANY4, policy: "pass" }] },
    "spec.egressRules",
    "cannot pass the decision on",
  ],
];

/** Changes: the object as created, a merge patch of its spec, and the text of the refusal (none: it is accepted). */
const CHANGES: readonly (readonly [Kind, Fields, Fields, ...string[]])[] = [
  ["Subnet", { ...CIDR, vpc: "a" }, { vpc: "b" }, "spec.vpc", 'vpc was "a" and cannot be changed'],
  ["Subnet", { ...CIDR, vpc: "a" }, { vpc: null }, 'vpc was "a"'],
  ["Subnet", CIDR, { vpc: "ovn-cluster" }],
  ["Subnet", { ...CIDR, vpc: "ovn-cluster" }, { vpc: null }, "spec.vpc", 'vpc was "ovn-cluster" and cannot be changed'],
  ["Subnet", { ...CIDR, vpc: "ovn-cluster" }, { vpc: "" }, "spec.vpc", 'vpc was "ovn-cluster" and cannot be changed'],
  ["Subnet", { ...CIDR, vlan: "v", vpc: "ovn-cluster" }, { vpc: "" }, "spec.vpc", 'vpc was "ovn-cluster"'],
  ["Subnet", { ...CIDR, vlan: "v", vpc: "ovn-cluster" }, { vpc: "b" }],
  ["Subnet", { ...CIDR, gateway: "10.0.0.1" }, { cidrBlock: "10.0.0.0/16", gateway: "10.0.0.2" }],
  ["Subnet", CIDR, { cidrBlock: "10.0.0.0/24,fd00::/112" }],
  ["Subnet", { vlan: "v" }, { cidrBlock: "10.0.0.0/24" }, "cannot be added to a subnet that was made without one"],
  ["Subnet", { ...CIDR, vlan: "v" }, { cidrBlock: "" }, 'cidrBlock was "10.0.0.0/24" and cannot be taken away'],
  ["IP", { subnet: "s" }, { podName: "a", namespace: "b", v4IpAddress: "10.0.0.5", macAddress: "00:00:00:00:00:02" }],
  ["IP", { subnet: "s", nodeName: "n1" }, { nodeName: "n2", containerID: "c", ipAddress: "10.0.0.5" }],
  ["IP", { subnet: "s" }, { subnet: "t" }, 'subnet was "s" and cannot be changed'],
  ["IP", { subnet: "s", podName: "a" }, { podName: "b" }, 'podName was "a"'],
  ["IP", { subnet: "s", namespace: "a" }, { namespace: "" }, 'namespace was "a"'],
  ["IP", { subnet: "s", podType: "StatefulSet" }, { podType: null }, 'podType was "StatefulSet"'],
  ["IP", { subnet: "s", v4IpAddress: "10.0.0.5" }, { v4IpAddress: "10.0.0.6" }, 'v4IpAddress was "10.0.0.5"'],
  ["IP", { subnet: "s", v6IpAddress: "fd00::5" }, { v6IpAddress: "fd00::6" }, 'v6IpAddress was "fd00::5"'],
  ["IP", { subnet: "s", macAddress: "00:00:00:00:00:02" }, { macAddress: "00:00:00:00:00:04" }, "macAddress was"],
  ["IPPool", { subnet: "s", ips: ["10.0.0.5"] }, { subnet: "t" }, 'subnet was "s" and cannot be changed'],
  ["IPPool", { subnet: "s", ips: ["10.0.0.5"] }, { ips: ["10.0.0.5..10.0.0.9"], namespaces: ["a"] }],
  ["VpcDns", { vpc: "v", subnet: "s" }, { vpc: "w" }, 'vpc was "v" and cannot be changed'],
  ["VpcDns", { vpc: "v", subnet: "s" }, { subnet: "t" }, 'subnet was "s" and cannot be changed'],
  ["VpcDns", { vpc: "v", subnet: "s" }, { replicas: 3, corefile: "mine" }],
  ["OvnEip", { externalSubnet: "s" }, { externalSubnet: "t" }, 'externalSubnet was "s" and cannot be changed'],
  ["OvnEip", {}, { externalSubnet: "external", v4Ip: "10.0.0.5", type: "nat" }],
  ["Vip", { subnet: "s" }, { subnet: "t" }, 'subnet was "s" and cannot be changed'],
  ["Vip", { subnet: "s", namespace: "a" }, { namespace: "b" }, 'namespace was "a"'],
  ["Vip", { subnet: "s", selector: ["a: b"] }, { namespace: "a", v4ip: "10.0.0.5", selector: ["a: c"] }],
];

const binaries = kubeBinaries();

t.test("the CRDs on a real API server", { skip: "missing" in binaries ? binaries.missing : false }, async (t) => {
  if ("missing" in binaries) return;
  server = await startApiServer(binaries.folder);
  t.teardown(() => server.stop());
  await kubectl("apply", "--server-side", "-f", CRDS);
  await kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS);

  t.test("manifests that work in Kube-OVN are accepted", async (t) => {
    for (const [kind, what, spec] of GOOD) {
      const answer = await tryOut(kind, spec);
      t.equal(answer.status, 201, `${kind}: ${what}: ${answer.body.message}`);
    }
  });

  t.test("invalid objects are refused with the value and the accepted ones", async (t) => {
    for (const [kind, spec, ...says] of BAD) {
      const answer = await tryOut(kind, spec);
      t.equal(answer.status, 422, `${kind} ${JSON.stringify(spec)}`);
      for (const part of says) t.match(answer.body.message, part, `${kind} ${JSON.stringify(spec)}: ${part}`);
      t.notMatch(
        answer.body.message,
        /no such key|failed rule|evaluat|out of range|runtime/,
        `${kind} ${JSON.stringify(spec)}`,
      );
    }
  });

  t.test(
    "the API server refuses the same addresses of a subnet as the controller, and gateways of a family that the subnet does not have",
    async (t) => {
      const blocks = ["10.20.0.0", "127.0.0.0", "0.0.0.0", "169.254.1.0", "224.0.0.0"].flatMap((base) =>
        [0, 24, 30, 31, 32].map((length) => `${base}/${length}`),
      );
      const blocks6 = ["fd00::", "fe80::", "::", "ff02::", "fd69::8"].flatMap((base) =>
        [0, 64, 126, 127, 128].map((length) => `${base}/${length}`),
      );
      const gateways = [
        "",
        "10.20.0.0",
        "10.20.0.1",
        "10.20.0.3",
        "10.20.0.255",
        "10.21.0.1",
        "fd00::",
        "fd00::3",
        "x",
      ];
      const specs = [
        ...blocks,
        ...blocks6,
        "10.20.0.0/30,fd00::/126",
        "10.20.0.0",
        "10.20.0.0/24,10.21.0.0/24",
      ].flatMap((cidrBlock) => gateways.map((gateway) => ({ cidrBlock, gateway })));
      const excluded = ["10.20.0.2", "10.20.0.9..10.20.0.2", "fd00::2..fd00::1", "10.20.0.2..fd00::1", "x"].map(
        (range) => ({
          cidrBlock: "10.20.0.0/24",
          excludeIps: [range],
        }),
      );
      let refused = 0;
      for (const spec of [...specs, ...excluded]) {
        const answer = await tryOut("Subnet", spec);
        const gateway = "gateway" in spec ? spec.gateway : "";
        const lacking = /^\d/.test(gateway)
          ? !spec.cidrBlock.includes(".")
          : gateway.includes(":") && !spec.cidrBlock.includes(":");
        const ok = parseSubnetAddresses(spec).ok && !lacking;
        if (!ok) refused++;
        t.equal(answer.status, ok ? 201 : 422, `${JSON.stringify(spec)}: ${answer.body.message}`);
      }
      t.ok(refused > 100 && refused < specs.length, `${refused} are refused`);
    },
  );

  t.test("a subnet and its VPC cannot have the same name", async (t) => {
    const answer = await tryOut("Subnet", { ...CIDR, vpc: "same" }, "same");
    t.equal(answer.status, 422);
    t.match(answer.body.message, 'spec.vpc "same" is also the name of the subnet');
  });

  t.test("an unknown field is refused with fieldValidation=Strict", async (t) => {
    const answer = await tryOut("Subnet", { ...CIDR, cidr: "10.0.0.0/24" });
    t.equal(answer.status, 400);
    t.match(answer.body.message, 'unknown field "spec.cidr"');
  });

  t.test("immutable fields cannot be changed, others can", async (t) => {
    for (const [kind, spec, change, ...says] of CHANGES) {
      const name = await create(kind, spec);
      const answer = await patch(kind, name, { spec: change });
      const what = `${kind} ${JSON.stringify(spec)} ${JSON.stringify(change)} ${answer.body.message}`;
      t.equal(answer.status, says.length === 0 ? 200 : 422, what);
      for (const part of says) t.match(answer.body.message, part, what);
    }
  });

  t.test("an OvnEip gets its addresses once, in its status and then in its spec, and keeps them", async (t) => {
    const name = await create("OvnEip", { externalSubnet: "s" });
    const given = { status: { v4Ip: "10.0.0.5", macAddress: "00:00:00:00:00:02", type: "nat" } };
    t.equal((await patch("OvnEip", name, given, "/status")).status, 200);
    const others = { v4Ip: "10.0.0.7", macAddress: "00:00:00:00:00:02" };
    t.equal((await patch("OvnEip", name, { spec: others })).status, 422, "nothing else may be filled in");
    const filled = { v4Ip: "10.0.0.5", v6Ip: "", macAddress: "00:00:00:00:00:02", type: "nat" };
    t.equal((await patch("OvnEip", name, { spec: filled })).status, 200);
    for (const change of [{ v4Ip: "10.0.0.6" }, { v4Ip: null }, { macAddress: "" }, { type: "lrp" }]) {
      const moved = await patch("OvnEip", name, { spec: change });
      t.equal(moved.status, 422, JSON.stringify(change));
      t.match(moved.body.message, "cannot be changed once the addresses have been given");
    }
  });

  t.test("a Vip gets its addresses once, and keeps them", async (t) => {
    const name = await create("Vip", { subnet: "s", selector: ["a: b"] });
    const given = {
      spec: { v4ip: "10.0.0.5", macAddress: "00:00:00:00:00:02" },
      status: { v4ip: "10.0.0.5", mac: "00:00:00:00:00:02", type: "" },
    };
    t.equal(
      (await patch("Vip", name, given)).status,
      200,
      "spec and status are written together: there is no status subresource",
    );
    t.equal((await patch("Vip", name, { spec: { selector: ["a: c"], namespace: "a" } })).status, 200);
    const moved = await patch("Vip", name, { spec: { v4ip: "10.0.0.6" } });
    t.equal(moved.status, 422);
    t.match(moved.body.message, "cannot be changed once the addresses have been given");
  });

  t.test("defaults are Kube-OVN's and no more", async (t) => {
    const pool = await server.call("GET", path("IPPool", await create("IPPool", { subnet: "s", ips: [] })));
    t.strictSame(pool.body.spec, { subnet: "s", ips: [], enableAddressSet: false });
    const vpc = await server.call("GET", path("Vpc", await create("Vpc", { bfdPort: {} })));
    t.strictSame(vpc.body.spec, { bfdPort: { enabled: false } });
    const subnet = await server.call("GET", path("Subnet", await create("Subnet", CIDR)));
    t.strictSame(subnet.body.spec, CIDR);
    const rules = { ingressRules: [ANY4] };
    const group = await server.call("GET", path("SecurityGroup", await create("SecurityGroup", rules)));
    t.strictSame(group.body.spec, rules);
  });

  t.test("counts beyond 2^53 stay exact, in objects and in columns", async (t) => {
    const name = await create("Subnet", { cidrBlock: "fd00::/64" });
    const free = "18446744073709551613";
    const status = { v4availableIPs: 0, v6availableIPs: free, v6usingIPs: 1, v6availableIPrange: "fd00::2-fd00::ffff" };
    t.equal((await patch("Subnet", name, { status }, "/status")).status, 200);
    const stored = await server.call("GET", path("Subnet", name));
    t.equal(stored.body.status.v6availableIPs, free);
    t.match((await kubectl("get", "subnet", name)).stdout, new RegExp(`fd00::/64 .* 0 +1 +${free} *\n`));
    const wrong = await patch("Subnet", name, { status: { v6usingIPs: "many" } }, "/status");
    t.equal(wrong.status, 422);
  });

  t.test("an object that Kube-OVN wrote can still be changed in other fields", async (t) => {
    // A number of 2^63 or more is stored rounded and is not an integer any more: our schema would refuse it in a new object.
    const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/subnets.kubeovn.io";
    const ours = (await server.call("GET", crd)).body.spec;
    const lax = (key: string, value: unknown): unknown =>
      key === "x-kubernetes-validations" ? undefined : key === "v6availableIPs" ? { type: "number" } : value;
    const theirs = JSON.parse(JSON.stringify(ours, lax));
    const change = (spec: unknown) =>
      server.call("PATCH", crd, { spec }, { "content-type": "application/merge-patch+json" });
    t.equal((await change(theirs)).status, 200);
    const name = `t${++names}`;
    const old = { cidrBlock: "fd00::/64", gateway: "fd00::", mtu: 1000 };
    // The API server uses a new schema a moment after it has accepted it.
    for (let tries = 0; ; tries++) {
      const made = await server.call("POST", path("Subnet"), object("Subnet", old, name));
      if (made.status === 201) break;
      if (tries === 100) throw new Error(made.text);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    t.equal((await patch("Subnet", name, '{"status":{"v6availableIPs":18446744073709551613}}', "/status")).status, 200);
    t.equal((await change(ours)).status, 200);
    for (let tries = 0; tries < 100 && (await tryOut("Subnet", old)).status !== 422; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    t.equal(
      (await patch("Subnet", name, { metadata: { finalizers: ["kubeovn.io/kube-ovn-controller"] } })).status,
      200,
    );
    t.equal((await patch("Subnet", name, { status: { v6usingIPs: 3 } }, "/status")).status, 200);
    t.equal((await patch("Subnet", name, { metadata: { finalizers: null } })).status, 200);
  });

  t.test("the largest lists are accepted, and are within the API server's budget for rules", async (t) => {
    const hex = (value: number): string => value.toString(16);
    const ranges = Array.from(
      { length: 4096 },
      (_, i) => `fd00:1:2:3:4:5:${hex(i + 1)}:0a..fd00:1:2:3:4:5:${hex(i + 1)}:00ff`,
    );
    const subnet = await tryOut("Subnet", { cidrBlock: "fd00:1:2:3::/64", excludeIps: ranges });
    t.equal(subnet.status, 201, subnet.body.message);
    const pool = await tryOut("IPPool", { subnet: "s", ips: ranges });
    t.equal(pool.status, 201, pool.body.message);
    const v4 = Array.from({ length: 4096 }, (_, i) => `100.100.${i >> 8}.${i & 255}..100.111.${i >> 8}.${i & 255}`);
    t.equal((await tryOut("Subnet", { cidrBlock: "100.96.0.0/11", excludeIps: v4 })).status, 201);
    const more = await tryOut("IPPool", { subnet: "s", ips: [...v4, "100.100.0.1"] });
    t.match(more.body.message, "4096");
  });

  t.test("malformed annotations are refused by the API server, by the same rules as in the controller", (t) =>
    tryAnnotations(t, server),
  );

  t.test("the token of a node's daemon may change what the daemon needs of its own node, and nothing else", (t) =>
    tryDaemonToken(t, server, async (objects) => {
      const file = join(t.testdir({ "objects.yaml": objects }), "objects.yaml");
      await kubectl("apply", "-f", file);
    }),
  );

  t.test("names, short names and columns are Kube-OVN's", async (t) => {
    const columns: Readonly<Record<string, string>> = {
      vpc: "NAME ENABLEEXTERNAL ENABLEBFD STANDBY SUBNETS EXTRAEXTERNALSUBNETS NAMESPACES DEFAULTSUBNET AGE",
      subnet:
        "NAME PROVIDER VPC VLAN PROTOCOL CIDR PRIVATE NAT DEFAULT GATEWAYTYPE V4USED V4AVAILABLE V6USED V6AVAILABLE EXCLUDEIPS U2OINTERCONNECTIONIP",
      ip: "NAME V4IP V6IP MAC NODE SUBNET",
      ippool: "NAME SUBNET ENABLEADDRESSSET IPS V4USED V4AVAILABLE V6USED V6AVAILABLE",
      vip: "NAME NAMESPACE V4IP V6IP MAC SUBNET TYPE",
      oeip: "NAME V4IP V6IP MAC TYPE NAT READY EXTERNALSUBNET",
      ofip: "NAME VPC TYPE V4EIP V6EIP V4IP V6IP READY IPTYPE IPNAME",
      osnat: "NAME VPC V4EIP V6EIP V4IPCIDR V6IPCIDR READY",
      odnat: "NAME VPC EIP PROTOCOL V4EIP V6EIP V4IP V6IP INTERNALPORT EXTERNALPORT IPNAME READY",
      vlan: "NAME ID PROVIDER CONFLICT",
      pn: "NAME DEFAULTINTERFACE READY",
      sg: "NAME AGE",
      slr: "NAME VIP PORT(S) SERVICE AGE",
      "vpc-dns": "NAME ACTIVE VPC SUBNET COREFILE",
    };
    await create("SecurityGroup", {});
    await create("Vlan", { provider: "external" });
    await create("ProviderNetwork", { defaultInterface: "eth1" });
    await create("OvnFip", { ovnEip: "e", ipName: "a.b" });
    await create("OvnSnatRule", { ovnEip: "e", vpcSubnet: "s" });
    const port = { externalPort: "80", internalPort: "80", protocol: "tcp" };
    await create("OvnDnatRule", { ovnEip: "e", ipName: "a.b", ...port });
    await create("SwitchLBRule", { vip: "10.0.0.1", ports: [{ port: 80 }] });
    for (const [short, line] of Object.entries(columns)) {
      const { stdout } = await kubectl("get", short);
      t.equal(stdout.split("\n")[0]?.trim().split(/\s+/).join(" "), line);
    }
    t.match((await kubectl("explain", "subnet.spec.excludeIps")).stdout, "inclusive ranges");
  });
});
