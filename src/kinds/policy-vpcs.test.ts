// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import {
  addAdminPolicy,
  addEndpoints,
  addIp,
  addNetwork,
  addNetworkPolicy,
  addPod,
  addSecurityGroup,
  addService,
  addSubnet,
  addVpc,
  NETWORK_CONFIG,
  sampleFacts,
} from "../compile/testing/sample-facts.ts";
import type { FactStore } from "../facts/store.ts";
import { SecurityGroupIndex } from "../policy/security-group-index.ts";
import { Network } from "../reachability/network.ts";
import { compileAll } from "./compile-all.ts";

/** The address sets of the groups of pods and SecurityGroups. */
const PEERS = /\$((?:weft\.pods|weft\.sg|ovn\.sg)\.[\w.]+)_ip[46]/g;

/** `subject peer` for each two VPCs of which an ACL of ports in the one names ports in the other. */
function pairs(facts: FactStore): readonly string[] {
  const ports = new Map<string, string>();
  const members = new Map<string, string[]>();
  const groups = new Map<string, string>();
  const held = new Map<string, string>();
  const acls: { uuid: string; match: string }[] = [];
  for (const { rows, edges } of compileAll(facts).values()) {
    for (const { table, uuid, columns } of rows) {
      const { ls = "" } = (columns["external_ids"] ?? {}) as Readonly<Record<string, string>>;
      if (table === "Logical_Switch_Port") ports.set(uuid, facts.get("subnets", ls)?.vpc ?? "");
      if (table === "Port_Group") groups.set(uuid, String(columns["name"]));
      if (table === "ACL") acls.push({ uuid, match: String(columns["match"]) });
    }
    for (const { table, row, column, member } of edges) {
      if (table !== "Port_Group") continue;
      if (column === "acls") held.set(member, row);
      else members.set(row, [...(members.get(row) ?? []), member]);
    }
  }
  const vpcsOf = (group: string): string[] => (members.get(group) ?? []).flatMap((port) => ports.get(port) ?? []);
  const byName = new Map([...groups].map(([uuid, name]) => [name, vpcsOf(uuid)]));
  const found = acls.flatMap(({ uuid, match }) => {
    const named = [...match.matchAll(PEERS)].map(([, name = ""]) => name);
    const unknown = named.filter((name) => !byName.has(name));
    if (unknown.length > 0) throw new Error(`the ACL ${match} names ${unknown.join()}, which does not exist`);
    const peers = named.flatMap((name) => byName.get(name) ?? []);
    return vpcsOf(held.get(uuid) ?? "").flatMap((subject) => peers.map((peer) => `${subject} ${peer}`));
  });
  return [...new Set(found)].sort();
}

/** Two VPCs with the same addresses, and the pods `client`, `server` of each, which have the same addresses. */
function twoVpcs(): FactStore {
  const facts = sampleFacts();
  for (const vpc of ["red", "black"]) {
    addVpc(facts, vpc, {});
    addSubnet(facts, `${vpc}-pods`, { vpc, cidrBlock: "10.80.0.0/24,fd00:10:80::/112" });
    for (const [i, app] of ["client", "server"].entries()) put(facts, `${vpc}-${app}`, app, `${vpc}-pods`, i + 2);
  }
  return facts;
}

function put(
  facts: FactStore,
  name: string,
  app: string,
  subnet: string,
  host: number,
  net = "80",
  group?: string,
): void {
  const annotations = group === undefined ? {} : { "ovn.kubernetes.io/security_groups": group };
  addPod(facts, name, { node: "weft-1", labels: { app }, annotations });
  const of = { podName: name, namespace: "default", nodeName: "weft-1", subnet };
  addIp(facts, `${name}.default`, { ...of, v4: `10.${net}.0.${host}`, v6: `fd00:10:${net}::${host}` });
}

const FROM_CLIENTS = {
  podSelector: { matchLabels: { app: "server" } },
  policyTypes: ["Ingress", "Egress"],
  ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
  egress: [{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: "client" } } }] }],
} as const;

t.test("a policy does not allow a pod with an allowed pod's address in another VPC", async (t) => {
  const facts = twoVpcs();
  addNetworkPolicy(facts, "clients", FROM_CLIENTS);
  t.strictSame(pairs(facts), ["black black", "red red"]);
});

t.test("pods of VPCs that are peered are peers, while the peering is active", async (t) => {
  const facts = twoVpcs();
  addNetworkPolicy(facts, "clients", FROM_CLIENTS);
  const link = (remoteVpc: string, localConnectIP: string) => ({ vpcPeerings: [{ remoteVpc, localConnectIP }] });
  addVpc(facts, "blue", link("red", "169.254.0.1/30"));
  addSubnet(facts, "blue-pods", { vpc: "blue", cidrBlock: "10.81.0.0/24,fd00:10:81::/112" });
  put(facts, "blue-client", "client", "blue-pods", 2, "81");
  t.strictSame(pairs(facts), ["black black", "red red"], "red does not name blue");
  addVpc(facts, "red", link("blue", "169.254.0.2/30"));
  t.strictSame(pairs(facts), ["black black", "red blue", "red red"]);
  put(facts, "blue-server", "server", "blue-pods", 3, "81");
  t.strictSame(pairs(facts), ["black black", "blue blue", "blue red", "red blue", "red red"]);
  addVpc(facts, "blue", link("red", "169.254.0.5/30"));
  t.strictSame(pairs(facts), ["black black", "blue blue", "red red"], "the addresses do not match");
});

t.test("the default VPC has peers of its own and of VPCs that are peered with it", async (t) => {
  const facts = twoVpcs();
  addNetworkPolicy(facts, "clients", FROM_CLIENTS);
  put(facts, "main-client", "client", "ovn-default", 9, "16");
  put(facts, "main-server", "server", "ovn-default", 10, "16");
  const plain = pairs(facts);
  t.strictSame(plain, ["black black", "ovn-cluster ovn-cluster", "red red"]);
  addVpc(facts, "red", { vpcPeerings: [{ remoteVpc: "ovn-cluster", localConnectIP: "169.254.0.1/30" }] });
  addVpc(facts, "ovn-cluster", { vpcPeerings: [{ remoteVpc: "red", localConnectIP: "169.254.0.2/30" }] });
  t.strictSame(pairs(facts), [...plain, "ovn-cluster red", "red ovn-cluster"].sort());
});

t.test("each interface of a pod is in groups of its own VPC", async (t) => {
  const facts = twoVpcs();
  addNetworkPolicy(facts, "clients", FROM_CLIENTS);
  addNetwork(facts, "blacknet", NETWORK_CONFIG.ovn("blacknet"));
  addVpc(facts, "both", {});
  addSubnet(facts, "both-pods", { vpc: "both", cidrBlock: "10.80.0.0/24", provider: "blacknet.default.ovn" });
  const annotations = { "k8s.v1.cni.cncf.io/networks": "blacknet" };
  for (const app of ["client", "server"]) {
    const name = `red-${app}`;
    addPod(facts, name, { node: "weft-1", labels: { app }, annotations });
    const of = { podName: name, namespace: "default", nodeName: "weft-1", subnet: "both-pods" };
    addIp(facts, `${name}.default.blacknet.default.ovn`, { ...of, v4: `10.80.0.${app === "client" ? 2 : 3}`, v6: "" });
  }
  t.strictSame(pairs(facts), ["black black", "both both", "red red"]);
});

t.test("named ports and administrators' policies do not cross VPCs", async (t) => {
  const facts = twoVpcs();
  addNetworkPolicy(facts, "named", {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: "http" }] }],
    egress: [{ ports: [{ port: "http" }] }, { to: [{ ipBlock: { cidr: "10.80.0.0/16" } }], ports: [{ port: "http" }] }],
  });
  for (const vpc of ["red", "black"]) {
    const name = `${vpc}-http`;
    addPod(facts, name, { node: "weft-1", ports: { http: 8080 } });
    const of = { podName: name, namespace: "default", nodeName: "weft-1", subnet: `${vpc}-pods` };
    addIp(facts, `${name}.default`, { ...of, v4: "10.80.0.9", v6: "fd00:10:80::9" });
  }
  const subject = { namespaces: {} };
  const rules = {
    ingress: [{ action: "Deny", from: [{ namespaces: {} }] }],
    egress: [{ action: "Allow", to: [{ pods: { namespaceSelector: {}, podSelector: {} } }] }],
  };
  addAdminPolicy(facts, "anp", "all", { priority: 7, subject, ...rules });
  addAdminPolicy(facts, "banp", "default", { subject, ...rules });
  const cluster = { ingress: rules.ingress, egress: [{ ...rules.egress[0], action: "Accept" }] };
  addAdminPolicy(facts, "cnp", "all", { priority: 8, tier: "Admin", subject, ...cluster });
  t.strictSame(pairs(facts), ["black black", "ovn-cluster ovn-cluster", "red red"]);
});

t.test("members of a SecurityGroup trust members in their own VPC and in peered ones only", async (t) => {
  const facts = twoVpcs();
  const groups = new SecurityGroupIndex(facts);
  groups.start();
  facts.derive((change) => groups.noteFact(change));
  const link = (remoteVpc: string, localConnectIP: string) => ({ vpcPeerings: [{ remoteVpc, localConnectIP }] });
  addVpc(facts, "blue", link("red", "169.254.0.1/30"));
  addSubnet(facts, "blue-pods", { vpc: "blue", cidrBlock: "10.81.0.0/24,fd00:10:81::/112" });
  addSubnet(facts, "free", { cidrBlock: "10.80.0.0/24,fd00:10:80::/112" });
  const allow = {
    policy: "allow",
    priority: 1,
    protocol: "all",
    ipVersion: "ipv4",
    remoteType: "securityGroup",
  } as const;
  addSecurityGroup(facts, "web", {
    allowSameGroupTraffic: true,
    ingressRules: [{ ...allow, remoteSecurityGroup: "db" }],
  });
  addSecurityGroup(facts, "db", { egressRules: [{ ...allow, remoteSecurityGroup: "web" }] });
  for (const [subnet, net] of [
    ["red-pods", "80"],
    ["black-pods", "80"],
    ["blue-pods", "81"],
    ["free", "80"],
  ] as const) {
    for (const [i, group] of ["web", "db"].entries()) put(facts, `${subnet}-${group}`, "x", subnet, 20 + i, net, group);
  }
  const apart = ["black black", "blue blue", "ovn-cluster ovn-cluster", "red red"];
  t.strictSame(pairs(facts), apart);
  addVpc(facts, "red", link("blue", "169.254.0.2/30"));
  t.strictSame(pairs(facts), [...apart, "blue red", "red blue"].sort());
  for (const group of ["web", "db"]) put(facts, `black-pods-${group}`, "x", "red-pods", 30, "80", group);
  const there = facts.all("securityGroupVpcs").map(({ vpcs }) => vpcs);
  t.strictSame(
    there,
    [
      ["blue", "red"],
      ["blue", "red"],
    ],
    "black has no members any more",
  );
});

t.test("a rule for a Service's address applies to endpoints of Services of the port's own VPC only", async (t) => {
  const facts = sampleFacts();
  const groups = new SecurityGroupIndex(facts);
  groups.start();
  facts.derive((change) => groups.noteFact(change));
  addVpc(facts, "red", {});
  const acls = {
    action: "allow-related",
    direction: "from-lport",
    priority: 1002,
    match: "ip4.dst == 10.96.0.0/16",
  } as const;
  for (const [subnet, vpc] of [
    ["red-pods", "red"],
    ["main-pods", "ovn-cluster"],
  ] as const)
    addSubnet(facts, subnet, { vpc, cidrBlock: "10.80.0.0/24", acls: [acls] });
  addSecurityGroup(facts, "web", {
    egressRules: [
      {
        policy: "allow",
        priority: 1,
        protocol: "all",
        ipVersion: "ipv4",
        remoteType: "address",
        remoteAddress: "10.96.0.0/16",
      },
    ],
  });
  for (const [i, vpc] of ["", "red"].entries()) {
    const name = `s${i}`;
    const annotations = vpc === "" ? {} : { "ovn.kubernetes.io/vpc": vpc };
    addService(facts, name, { clusterIP: `10.96.0.1${i}`, ports: [{ port: 80, protocol: "TCP" }] }, { annotations });
    addEndpoints(facts, name, `${name}-1`, {
      ports: [{ port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: [`10.80.0.10${i}`], conditions: { ready: true } }],
    });
  }
  put(facts, "red-web", "x", "red-pods", 20, "80", "web");
  put(facts, "main-web", "x", "main-pods", 20, "80", "web");
  const compiled = compileAll(facts);
  const network = new Network(facts, compiled.values());
  const endpoints = (port: string): readonly string[] => {
    const groups = network.ports.get(port)?.groups ?? [];
    const own = [...network.acls.all.values()].filter(({ group }) => group !== undefined && groups.includes(group));
    return own.flatMap(({ match }) => match.match(/10\.80\.0\.10\d/g) ?? []);
  };
  t.strictSame(endpoints("red-web.default"), ["10.80.0.101"]);
  t.strictSame(endpoints("main-web.default"), ["10.80.0.100"]);
  const ofSubnet = (name: string): readonly string[] =>
    (compiled.get(`subnet:${name}`)?.rows ?? []).flatMap(
      ({ columns }) => String(columns["match"]).match(/10\.80\.0\.10\d/g) ?? [],
    );
  t.strictSame(ofSubnet("red-pods"), ["10.80.0.101"]);
  t.strictSame(ofSubnet("main-pods"), ["10.80.0.100"]);
});

t.test("a pod of a custom VPC with a node's address is not taken for a node", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "red", { vpcPeerings: [{ remoteVpc: "ovn-cluster", localConnectIP: "169.254.0.1/30" }] });
  addVpc(facts, "ovn-cluster", { vpcPeerings: [{ remoteVpc: "red", localConnectIP: "169.254.0.2/30" }] });
  addSubnet(facts, "nodes-too", { vpc: "red", cidrBlock: "172.18.0.0/24" });
  addNetworkPolicy(facts, "closed", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  addPod(facts, "red", { node: "weft-1" });
  const of = { podName: "red", namespace: "default", nodeName: "weft-1", subnet: "nodes-too" };
  addIp(facts, "red.default", { ...of, v4: "172.18.0.200", v6: "" });
  const network = new Network(facts, compileAll(facts).values());
  const port = network.ports.get("red.default");
  if (port === undefined) throw new Error("the pod has no port");
  const trusting = [...network.acls.all.values()].filter(
    ({ group, match }) => group !== undefined && port.groups.includes(group) && match.includes("172.18."),
  );
  t.strictSame(trusting, [], "on its way out");
  const dropped = network.routerPolicies("ovn-cluster").filter(({ action }) => action === "drop");
  t.match(
    dropped
      .map(({ match }) => match)
      .filter((match) => match.includes("inport"))
      .sort(),
    [/\$weft_nodes_ip4\}$/, /\$weft_nodes_ip6\}$/],
    "on its way into the default VPC",
  );
});

t.test(
  "rows of policies grow with the VPCs in which they have subjects, not with their pods or with other VPCs",
  async (t) => {
    const rows = (vpcs: number, pods: number, others: number): number => {
      const facts = sampleFacts();
      for (let i = 0; i < 3; i++)
        addNetworkPolicy(facts, `p${i}`, { ...FROM_CLIENTS, podSelector: { matchLabels: { app: `s${i}` } } });
      for (let vpc = 0; vpc < vpcs + others; vpc++) {
        addVpc(facts, `v${vpc}`, {});
        addSubnet(facts, `v${vpc}-pods`, { vpc: `v${vpc}`, cidrBlock: "10.80.0.0/24,fd00:10:80::/112" });
        for (let i = 0; i < 3 * pods; i++)
          put(facts, `v${vpc}-${i}`, vpc < vpcs ? `s${i % 3}` : "client", `v${vpc}-pods`, i + 2);
      }
      return [...compileAll(facts)]
        .filter(([unit]) => /^(group|networkpolicy):/.test(unit))
        .flatMap(([, { rows }]) => rows).length;
    };
    const [none, one] = [rows(0, 1, 0), rows(1, 1, 0)];
    t.comment(`rows of 3 policies: ${none} without custom VPCs, ${one} with subjects in one`);
    t.equal(rows(4, 1, 0), none + 4 * (one - none), "four VPCs");
    t.equal(rows(1, 4, 0), one, "more pods");
    t.equal(rows(1, 1, 4), one, "VPCs without subjects");
  },
);

t.test("the router of a BFD port is not the gateway of a switch", async (t) => {
  const facts = twoVpcs();
  const bfdPort = { enabled: true, ip: "10.255.255.1" };
  for (const name of ["red", "ovn-cluster"]) addVpc(facts, name, { bfdPort });
  const network = new Network(facts, compileAll(facts).values());
  t.equal(network.uplink("join")?.router, "ovn-cluster");
  t.equal(network.uplink("weft/probe/red")?.router, "red");
});
