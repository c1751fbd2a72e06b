// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { conditionsIn } from "./compile/effects.ts";
import { addDnsConfig, addPod, addVpc, sampleFacts } from "./compile/testing/sample-facts.ts";
import { rig } from "./controller/testing/allocator-rig.ts";
import { projectNode } from "./facts/project-core.ts";
import { compileAll } from "./kinds/compile-all.ts";
import { DerivedFacts } from "./kinds/derived.ts";
import { feedsOf } from "./kinds/feeds.ts";
import { kindOf } from "./kinds/objects.ts";

/**
 * Walks every field of the specs in `crds/`: setting it changes what is made of the object (its rows, effects and addresses), or the object's condition names it as not supported. So nothing is taken and ignored in silence.
 */

type Spec = Readonly<Record<string, unknown>>;
interface Sample {
  /** What the rest of the spec must say for the field to mean something. */
  readonly base?: Spec;
  readonly value: unknown;
}
/** A sample; or why there is nothing to be seen of the field, whatever it says. */
type Samples = Readonly<Record<string, Sample | string>>;

const SELECTOR = [{ matchLabels: { gw: "yes" } }];
const CENTRAL = { gatewayType: "centralized" };
const NAT = { natOutgoing: true, natOutgoingPolicyRules: [{ action: "forward", match: { dstIPs: "10.9.0.0/16" } }] };
const EGRESS = { externalEgressGateway: "192.168.0.1", policyRoutingPriority: 1500, policyRoutingTableID: 1000 };
const ACL = { direction: "to-lport", action: "drop", match: "ip4", priority: 5 };

const SUBNET: Samples = {
  default: { base: { vpc: "team" }, value: true },
  vpc: { value: "other" },
  protocol: { value: "IPv4" },
  namespaces: { value: ["default"] },
  namespaceSelectors: { value: [{ matchLabels: { team: "a" } }] },
  cidrBlock: { value: "10.21.0.0/24" },
  gateway: { value: "10.20.0.9" },
  excludeIps: { value: ["10.20.0.2..10.20.0.9"] },
  provider: { value: "net.default.ovn" },
  gatewayType: { base: { gatewayNode: "weft-1" }, value: "centralized" },
  gatewayNode: { base: CENTRAL, value: "weft-1" },
  gatewayNodeSelectors: { base: CENTRAL, value: SELECTOR },
  natOutgoing: { value: true },
  "natOutgoingPolicyRules[].action": { base: NAT, value: "nat" },
  "natOutgoingPolicyRules[].match.srcIPs": { base: NAT, value: "10.20.0.0/28" },
  "natOutgoingPolicyRules[].match.dstIPs": { base: NAT, value: "10.9.0.0/28" },
  externalEgressGateway: { base: EGRESS, value: "192.168.0.2" },
  policyRoutingPriority: { base: EGRESS, value: 1501 },
  policyRoutingTableID: { base: EGRESS, value: 1001 },
  mtu: { value: 1300 },
  private: { value: true },
  allowSubnets: { base: { private: true }, value: ["10.9.0.0/16"] },
  allowEWTraffic: { base: { acls: [ACL] }, value: true },
  "acls[].direction": { base: { acls: [ACL] }, value: "from-lport" },
  "acls[].priority": { base: { acls: [ACL] }, value: 6 },
  "acls[].match": { base: { acls: [ACL] }, value: "ip6" },
  "acls[].action": { base: { acls: [ACL] }, value: "allow" },
  vlan: { value: "v1" },
  vips: { value: ["10.20.0.7"] },
  logicalGateway: { base: { vlan: "external" }, value: true },
  disableGatewayCheck: "no pod's start waits for its gateway to answer, whatever it says",
  disableInterConnection: "no subnet is advertised to other clusters",
  enableDHCP: { value: true },
  dhcpV4Options: { base: { enableDHCP: true }, value: "lease_time=60" },
  dhcpV6Options: { base: { enableDHCP: true, cidrBlock: "fd00:20::/112" }, value: "domain_search=lan" },
  enableIPv6RA: { base: { cidrBlock: "fd00:20::/112" }, value: true },
  ipv6RAConfigs: { base: { enableIPv6RA: true, cidrBlock: "fd00:20::/112" }, value: "max_interval=60,min_interval=5" },
  u2oInterconnection: { base: { vlan: "external" }, value: true },
  u2oInterconnectionIP: { base: { vlan: "external", u2oInterconnection: true }, value: "10.20.0.7" },
  "u2oFeatures.overlayOnlyRouting": { base: { vlan: "external", u2oInterconnection: true }, value: true },
  enableLb: { value: false },
  enableEcmp: { base: { ...CENTRAL, gatewayNode: "weft-1,weft-2" }, value: true },
  enableMulticastSnoop: { value: true },
  enableExternalLBAddress: { value: true },
  routeTable: { value: "t" },
  nodeNetwork: { value: "storage" },
};

const ROUTE = { cidr: "172.31.0.0/16", nextHopIP: "10.0.1.254" };
const RULE = { priority: 5, match: "ip4", action: "reroute", nextHopIP: "10.0.1.254" };
const BFD = { enabled: true, ip: "10.255.255.255" };
const VPC: Samples = {
  defaultSubnet: { base: { namespaces: ["default"] }, value: "x-subnet" },
  namespaces: { base: { defaultSubnet: "x-subnet" }, value: ["default"] },
  "staticRoutes[].policy": { base: { staticRoutes: [ROUTE] }, value: "policySrc" },
  "staticRoutes[].cidr": { base: { staticRoutes: [ROUTE] }, value: "172.30.0.0/16" },
  "staticRoutes[].nextHopIP": { base: { staticRoutes: [ROUTE] }, value: "10.0.1.253" },
  "staticRoutes[].ecmpMode": { base: { staticRoutes: [ROUTE] }, value: "ecmp_symmetric_reply" },
  "staticRoutes[].bfdId": { base: { staticRoutes: [ROUTE] }, value: "4ba0d4e4-2d1c-4b7c-9d6f-0b0f5d4d8f3a" },
  "staticRoutes[].routeTable": { base: { staticRoutes: [ROUTE] }, value: "t" },
  "policyRoutes[].priority": { base: { policyRoutes: [RULE] }, value: 6 },
  "policyRoutes[].match": { base: { policyRoutes: [RULE] }, value: "ip4.src == 10.0.1.9" },
  "policyRoutes[].action": { base: { policyRoutes: [RULE] }, value: "drop" },
  "policyRoutes[].nextHopIP": { base: { policyRoutes: [RULE] }, value: "10.0.1.253" },
  "vpcPeerings[].remoteVpc": { value: "other" },
  "vpcPeerings[].localConnectIP": { value: "169.254.0.1/30" },
  enableExternal: { value: true },
  extraExternalSubnets: { base: { enableExternal: true }, value: ["ext"] },
  enableBfd: { value: true },
  "bfdPort.enabled": { base: { bfdPort: { ip: BFD.ip } }, value: true },
  "bfdPort.ip": { base: { bfdPort: BFD }, value: "10.255.255.254" },
  "bfdPort.nodeSelector": { base: { bfdPort: BFD }, value: SELECTOR[0] },
};

const POOL: Samples = {
  subnet: { value: "x-subnet" },
  ips: { value: ["10.16.0.100"] },
  namespaces: { value: ["default"] },
  enableAddressSet: { value: true },
};

const VIP: Samples = {
  namespace: { base: { v4ip: "10.16.0.70" }, value: "default" },
  subnet: { value: "x-subnet" },
  type: { value: "switch_lb_vip" },
  v4ip: { value: "10.16.0.77" },
  v6ip: { value: "fd00:10:16::77" },
  macAddress: { value: "02:00:00:00:00:77" },
  selector: { base: { namespace: "default" }, value: ["app: other"] },
  attachSubnets: { value: ["x-subnet"] },
};

const SWITCH_LB_RULE: Samples = {
  vip: { value: "10.16.0.78" },
  namespace: { value: "teams" },
  selector: { value: ["app: other"] },
  endpoints: { value: ["10.16.0.9"] },
  sessionAffinity: { value: "ClientIP" },
  "ports[].name": { value: "dns" },
  "ports[].port": { value: 81 },
  "ports[].targetPort": { value: 8081 },
  "ports[].protocol": { value: "UDP" },
};

const { vip: _, ...BALANCED } = SWITCH_LB_RULE;
const ROUTER_LB_RULE: Samples = { ...BALANCED, ovnEip: { value: "absent" }, vpc: { value: "other" } };

const VPC_DNS: Samples = {
  replicas: { value: 3 },
  vpc: { value: "other" },
  subnet: { value: "x-subnet" },
  corefile: { value: "mine" },
};

const OVN_EIP: Samples = {
  externalSubnet: { value: "x-subnet" },
  type: { value: "lrp" },
  v4Ip: { value: "10.16.0.78" },
  v6Ip: { value: "fd00:10:16::78" },
  macAddress: { value: "02:00:00:00:00:78" },
};

const VLAN: Samples = {
  id: { value: 7 },
  provider: { value: "elsewhere" },
  vlanId: { base: { provider: "external" }, value: 7 },
  providerInterfaceName: { base: { provider: "" }, value: "elsewhere" },
};

const PROVIDER_NETWORK: Samples = {
  defaultInterface: { value: "eth2" },
  "customInterfaces[].interface": { base: { customInterfaces: [{ nodes: ["weft-1"] }] }, value: "eth2" },
  "customInterfaces[].nodes": { base: { customInterfaces: [{ interface: "eth2" }] }, value: ["weft-1"] },
  nodeSelector: { value: { matchLabels: { gw: "yes" } } },
  excludeNodes: { value: ["weft-1"] },
  exchangeLinkName: { value: true },
  autoCreateVlanSubinterfaces: { base: { defaultInterface: "eth1.10" }, value: true },
  preserveVlanInterfaces: { value: true },
  vlanInterfaces: { value: ["eth1.10"] },
};

const FIP = { ovnEip: "e", ipName: "a.default" };
const LITERAL = { ovnEip: "e", vpc: "ovn-cluster", v4Ip: "10.16.0.90" };
const OVN_FIP: Samples = {
  ovnEip: { value: "absent" },
  ipType: { value: "vip" },
  ipName: { value: "web.default" },
  vpc: { base: { ...LITERAL, ipName: "" }, value: "other" },
  v4Ip: { base: { ...LITERAL, ipName: "" }, value: "10.16.0.91" },
  v6Ip: { base: { ...LITERAL, ipName: "" }, value: "fd00:10:16::91" },
  type: { value: "distributed" },
};

const OVN_SNAT_RULE: Samples = {
  ovnEip: { value: "absent" },
  vpcSubnet: { base: { vpcSubnet: "ovn-default" }, value: "x-subnet" },
  ipName: { base: { vpcSubnet: "" }, value: "web.default" },
  vpc: { base: { vpc: "ovn-cluster", v4IpCidr: "10.16.0.0/24" }, value: "other" },
  v4IpCidr: { base: { vpc: "ovn-cluster", v4IpCidr: "10.16.0.0/24" }, value: "10.16.1.0/24" },
  v6IpCidr: { base: { vpc: "ovn-cluster", v6IpCidr: "fd00:10:16::/120" }, value: "fd00:10:16::7" },
};

const PORT = { externalPort: "80", internalPort: "8080", protocol: "tcp" };
const OVN_DNAT_RULE: Samples = {
  ...Object.fromEntries(Object.entries(OVN_FIP).filter(([field]) => field !== "type")),
  externalPort: { value: "81" },
  internalPort: { value: "8081" },
  protocol: { value: "udp" },
};

const RECORD = "a record of the controller's own doing; the address is in v4IpAddress and v6IpAddress";
const IP: Samples = {
  podName: { base: { namespace: "default" }, value: "z" },
  namespace: { base: { podName: "z" }, value: "default" },
  podType: { base: { namespace: "default", podName: "gone" }, value: "StatefulSet" },
  subnet: { value: "x-subnet" },
  nodeName: RECORD,
  containerID: RECORD,
  v4IpAddress: { value: "10.16.0.88" },
  v6IpAddress: { value: "fd00:10:16::88" },
  ipAddress: RECORD,
  macAddress: { base: { podName: "z", namespace: "default" }, value: "02:00:00:00:00:88" },
  attachSubnets: RECORD,
  attachIps: RECORD,
  attachMacs: RECORD,
};

const SG_RULE = {
  ipVersion: "ipv4",
  protocol: "tcp",
  priority: 5,
  remoteType: "address",
  remoteAddress: "10.9.0.0/16",
  policy: "allow",
  portRangeMin: 80,
  portRangeMax: 90,
};
const sgRules = (list: "ingressRules" | "egressRules"): Samples => {
  const base = { tier: 0, [list]: [SG_RULE] };
  const values = {
    ipVersion: "ipv6",
    protocol: "udp",
    priority: 6,
    remoteType: "securityGroup",
    remoteAddress: "10.8.0.0/16",
    portRangeMin: 81,
    portRangeMax: 91,
    localAddress: "10.16.0.0/24",
    policy: "drop",
  };
  const ports = { sourcePortRangeMin: 10, sourcePortRangeMax: 20 };
  return {
    ...Object.fromEntries(Object.entries(values).map(([field, value]) => [`${list}[].${field}`, { base, value }])),
    [`${list}[].remoteSecurityGroup`]: {
      base: { [list]: [{ ...SG_RULE, remoteType: "securityGroup" }] },
      value: "other",
    },
    [`${list}[].sourcePortRangeMin`]: { base: { [list]: [{ ...SG_RULE, ...ports }] }, value: 11 },
    [`${list}[].sourcePortRangeMax`]: { base: { [list]: [{ ...SG_RULE, ...ports }] }, value: 21 },
  };
};
const SECURITY_GROUP: Samples = {
  ...sgRules("ingressRules"),
  ...sgRules("egressRules"),
  allowSameGroupTraffic: { value: true },
  tier: { base: { ingressRules: [SG_RULE] }, value: 1 },
};

const KINDS = [
  { file: "subnets", kind: "subnetSpecs", base: { cidrBlock: "10.20.0.0/24" }, samples: SUBNET },
  { file: "vpcs", kind: "vpcs", base: {}, samples: VPC },
  {
    file: "ippools",
    kind: "ipPools",

    base: { subnet: "ovn-default", ips: ["10.16.0.50"] },
    samples: POOL,
  },
  { file: "vips", kind: "vips", base: { subnet: "ovn-default" }, samples: VIP },
  {
    file: "switch-lb-rules",
    kind: "switchLbRules",
    base: { vip: "10.16.0.77", selector: ["app: web"], ports: [{ port: 80 }] },
    samples: SWITCH_LB_RULE,
  },
  {
    file: "router-lb-rules",
    kind: "routerLbRules",
    base: { ovnEip: "e", vpc: "ovn-cluster", selector: ["app: web"], ports: [{ port: 80 }] },
    samples: ROUTER_LB_RULE,
  },
  { file: "vpc-dnses", kind: "vpcDnses", base: { vpc: "ovn-cluster", subnet: "ovn-default" }, samples: VPC_DNS },
  { file: "ovn-eips", kind: "ovnEips", base: { externalSubnet: "ovn-default" }, samples: OVN_EIP },
  { file: "vlans", kind: "vlans", base: { provider: "external" }, samples: VLAN },
  {
    file: "provider-networks",
    kind: "providerNetworks",
    base: { defaultInterface: "eth1" },
    samples: PROVIDER_NETWORK,
  },
  { file: "ovn-fips", kind: "ovnFips", base: FIP, samples: OVN_FIP },
  { file: "ovn-snat-rules", kind: "ovnSnatRules", base: { ovnEip: "e" }, samples: OVN_SNAT_RULE },
  { file: "ovn-dnat-rules", kind: "ovnDnatRules", base: { ...FIP, ...PORT }, samples: OVN_DNAT_RULE },
  {
    file: "ips",
    kind: "ips",

    base: { subnet: "ovn-default", v4IpAddress: "10.16.0.60", macAddress: "02:00:00:00:00:60" },
    samples: IP,
  },
  { file: "security-groups", kind: "securityGroups", base: {}, samples: SECURITY_GROUP },
] as const;

const FEEDS = feedsOf({ router: "ovn-cluster", joinSubnet: "join" });

/** All that is made of one object beside a sample cluster: what is compiled, given and refused, what nodes read, and its conditions. */
function observe(kind: (typeof KINDS)[number]["kind"], spec: Spec): { made: string; notSupported: string } {
  const facts = sampleFacts();
  const conditions: string[] = [];
  const texts: string[] = [];
  for (const name of ["weft-1", "weft-2"]) {
    const node = facts.get("nodes", name);
    const labels = { gw: name === "weft-2" ? "yes" : "no", "ovn.kubernetes.io/external-gw": "true" };
    if (node)
      facts.set("nodes", name, {
        ...projectNode({
          metadata: { name, uid: node.uid, labels, annotations: { "ovn.kubernetes.io/chassis": `chassis-${name}` } },
        }),
        internal: node.internal,
      });
  }
  addVpc(facts, "other", {});
  addVpc(facts, "team", { namespaces: ["teams"] });
  const set = (of: keyof typeof FEEDS, name: string, wanted: Spec, status?: object): void => {
    const object = {
      metadata: { name, uid: `uid-${name}`, generation: 1, creationTimestamp: name },
      spec: wanted,
      status,
    };
    const fact = FEEDS[of]?.project(object as never) as never;
    facts.set(of, name, fact);
  };
  set("subnetSpecs", "x-subnet", { cidrBlock: "10.50.0.0/24", ...(kind === "vpcs" && { vpc: "x" }) });
  set("securityGroups", "other", {});
  addDnsConfig(facts);
  // What NAT rules stand on: a subnet of a Vlan, a gateway node, the default VPC's port, and an address.
  if (kind !== "vlans") set("vlans", "external", { provider: "external" });
  set("subnetSpecs", "external", { cidrBlock: "172.30.0.0/24", vlan: kind === "vlans" ? "x" : "external" });
  if (kind.startsWith("ovn") || kind === "routerLbRules") {
    const address = (last: number) => ({ v4Ip: `172.30.0.${last}`, macAddress: `02:00:00:00:01:${last}` });
    set("vpcs", "ovn-cluster", { enableExternal: true });
    set("ovnEips", "ovn-cluster-external", { type: "lrp" }, address(10));
    set("ovnEips", "e", {}, address(11));
  }
  const given =
    kind === "vips"
      ? { mac: "02:00:00:00:00:01" }
      : kind === "ovnEips"
        ? { v4Ip: "10.16.0.90", macAddress: "02:00:00:00:00:01" }
        : undefined;
  if (kind === "subnetSpecs" && spec["u2oInterconnection"] === true && spec["u2oInterconnectionIP"] === undefined) {
    const name = "u2o-interconnection.ovn-cluster.x";
    const of = { podName: name, namespace: "default", subnet: "x", v4IpAddress: "10.20.0.5" };
    set("ips", name, { ...of, macAddress: "02:00:00:00:02:05" });
  }
  const own = kind === "ips" ? "z.default" : "x";
  set(kind, own, spec, given);
  if (kind === "vips" || kind === "ovnEips") set(kind, "x-new", spec);
  const annotations = { "ovn.kubernetes.io/aaps": "x" };
  addPod(facts, "web", { node: "weft-1", labels: { app: "web" }, annotations });
  addPod(facts, "z", { node: "weft-1" });
  addPod(facts, "member", { node: "weft-1", annotations: { "ovn.kubernetes.io/security_groups": "x" } });
  addPod(facts, "inside", { node: "weft-1", annotations: { "ovn.kubernetes.io/logical_switch": "x" } });
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  const { allocator, records, said } = rig(facts);
  allocator.start();
  for (const [unit, fragment] of compileAll(facts)) {
    for (const { name, notes = [] } of conditionsIn(fragment.effects)) {
      if (name !== "x") continue;
      for (const { reason, message } of notes) if (reason === "NotSupported") conditions.push(message);
    }
    const others = fragment.effects
      .filter(({ kind }) => kind !== "condition")
      .map((effect) => ({ ...effect, condition: undefined }));
    const effects = conditionsIn(fragment.effects).map((effect) => {
      const { notes: all = [], ...rest } = effect;
      const notes = all.filter(({ reason }) => reason !== "NotSupported");
      const [first] = notes;
      const message = effect.message.replace(/(; )?these fields are not supported and have no effect: .*$/, "");
      return {
        ...rest,
        notes,
        message,
        reason: effect.reason === "NotSupported" ? (first?.reason ?? "Ready") : effect.reason,
      };
    });
    texts.push(JSON.stringify([unit, fragment.rows, fragment.edges, others, effects]));
  }
  texts.push(
    JSON.stringify([...records].map(([name, { lease }]) => [name, lease])),
    JSON.stringify(said),
    JSON.stringify(facts.all("verdicts")),
  );
  return { made: texts.join("\n"), notSupported: conditions.join() };
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** The paths of all fields; selectors of labels are one field each. */
function leaves(schema: Schema, path: string): readonly string[] {
  if (schema.items?.properties !== undefined && schema.items.properties["matchLabels"] === undefined)
    return leaves(schema.items, `${path}[]`);
  if (schema.properties === undefined || schema.properties["matchLabels"] !== undefined) return [path];
  return Object.entries(schema.properties).flatMap(([name, inner]) =>
    leaves(inner, path === "" ? name : `${path}.${name}`),
  );
}

function withField(spec: Spec, path: string, value: unknown): Spec {
  const [first = "", ...rest] = path.split(".");
  const name = first.replace("[]", "");
  if (rest.length === 0) return { ...spec, [name]: value };
  const inner = spec[name];
  if (!first.endsWith("[]")) return { ...spec, [name]: withField((inner ?? {}) as Spec, rest.join("."), value) };
  const [entry = {}, ...others] = (inner ?? []) as readonly Spec[];
  return { ...spec, [name]: [withField(entry, rest.join("."), value), ...others] };
}

t.test("the fields of every definition are looked at here", async (t) => {
  const definitions = readdirSync(join(import.meta.dirname, "../crds")).filter((name) => name.endsWith(".yaml"));
  const files = KINDS.map(({ file }) => `${file}.yaml`);
  t.same(files.sort(), definitions.sort(), "add an entry to KINDS of this file, with a sample of each field");
});

for (const { file, kind, base, samples } of KINDS) {
  t.test(`each field of ${file} is acted on, or named in the condition as not supported`, async (t) => {
    const crd = parse(readFileSync(join(import.meta.dirname, `../crds/${file}.yaml`), "utf8"));
    const paths = leaves(crd.spec.versions[0].schema.openAPIV3Schema.properties.spec, "");
    t.ok(paths.length > 0);
    t.same(
      Object.keys(samples).filter((path) => !paths.includes(path)),
      [],
      "no sample is of a field that is gone",
    );
    const listed = kindOf(kind)?.notSupported ?? [];
    const named = new Set<string>();
    for (const path of paths) {
      const sample = samples[path];
      if (sample === undefined) {
        t.fail(`${path}: there is no sample of it here; add one`);
        continue;
      }
      if (typeof sample === "string") continue;
      const without = { ...base, ...sample.base };
      const before = observe(kind, without);
      const after = observe(kind, withField(without, path, sample.value));
      const acted = before.made !== after.made;
      const entry = listed.find((one) => path === one || path.startsWith(`${one}.`) || path.startsWith(`${one}[]`));
      if (entry !== undefined) named.add(entry);
      const said = after.notSupported.includes(`spec.${entry}`) && !before.notSupported.includes(`spec.${entry}`);
      if (entry === undefined) t.ok(acted, `${path}: nothing is made of it, and its condition does not say so`);
      else {
        t.ok(said, `${path}: the condition says that it is not supported`);
        t.notOk(acted, `${path}: something is made of it, but its kind says that it is not supported`);
      }
    }
    t.same(
      listed.filter((entry) => !named.has(entry)),
      [],
      "no field is listed that is gone",
    );
  });
}
