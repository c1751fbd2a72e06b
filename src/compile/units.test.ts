// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { NODE } from "../api/annotations.ts";
import { equalsGolden } from "../collections/testing/golden.ts";
import { notPlain } from "../collections/testing/not-plain.ts";
import type { DesiredRow } from "../desired/fragment.ts";
import { rowUuid, stableMac } from "../desired/identity.ts";
import type { AnyUnitKind } from "../desired/unit-kind.ts";
import { judgeAnnotations, NAMESPACE_RULES } from "../facts/annotation-rules.ts";
import { deriverOf } from "../facts/derivation.ts";
import { projectNode, projectPod } from "../facts/project-core.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import type { FactReader, FactStore } from "../facts/store.ts";
import { addressHolders } from "../kinds/address-holders.ts";
import { ipPoolUnit, projectIpPool } from "../kinds/ippool.ts";
import { factStore } from "../kinds/store.ts";
import { rootsOf, UNIT_KINDS } from "../kinds/units.ts";
import { projectVip } from "../kinds/vip.ts";
import { vipUnit } from "../kinds/vip-unit.ts";
import { formatFragment } from "../reconcile/plan-text.ts";
import { conditionsIn, type WeftEffect } from "./effects.ts";
import { gatewayUnit } from "./gateway/gateway.ts";
import { groupUnit } from "./group.ts";
import { namespaceUnit } from "./namespace.ts";
import { nodeUnit } from "./node/node.ts";
import { nodeGroupId, securityGroupId } from "./owner-ids.ts";
import { podUnit } from "./pod/pod.ts";
import { policyUnit } from "./policy.ts";
import { SAMPLING, samplingUnit } from "./sampling.ts";
import { subnetUnit } from "./subnet/subnet.ts";
import {
  addAdminPolicy,
  addIp,
  addNetwork,
  addNetworkPolicy,
  addNode,
  addPod,
  addSubnet,
  addVpc,
  followed,
  NETWORK_CONFIG,
  SAMPLE_CLUSTER,
  sampleFacts,
  settleSubnets,
} from "./testing/sample-facts.ts";
import { vpcUnit } from "./vpc/vpc.ts";

/** The names of rows of all units, so that references in golden files are readable. */
function namesOf(facts: FactStore): (uuid: string) => string | undefined {
  const names = new Map<string, string>();
  const everything: [AnyUnitKind<FactReader, WeftEffect>, string[]][] = [
    [vpcUnit, facts.all("vpcs").map((fact) => fact.key)],
    [subnetUnit, facts.all("subnets").map((fact) => fact.key)],
    [nodeUnit, facts.all("nodes").map((fact) => fact.key)],
    [podUnit, facts.all("pods").map((fact) => fact.key)],
  ];
  for (const [kind, keys] of everything) {
    for (const key of keys) {
      const input: unknown = kind.read(facts, key);
      if (input === undefined) continue;
      for (const row of kind.compile(input).rows) names.set(row.uuid, `${row.table} ${row.label}`);
    }
  }
  return (uuid) => names.get(uuid);
}

/** Compares a unit's fragment with `units.golden/<name>.txt`; WEFT_GOLDEN=write regenerates the file. */
function golden(t: Test, name: string, kind: AnyUnitKind<FactReader, WeftEffect>, facts: FactStore, key: string): void {
  const input: unknown = kind.read(facts, key);
  t.equal(notPlain(input), undefined, "the input can be compared with a later one");
  const text = input === undefined ? "(no unit)\n" : formatFragment(kind.compile(input), namesOf(facts));
  equalsGolden(t, new URL(`./units.golden/${name}.txt`, import.meta.url), text);
}

t.test("the default VPC is a router with default routes to the join gateway", async (t) => {
  golden(t, "vpc-default", vpcUnit, sampleFacts(), "ovn-cluster");
});

/** The uuid of a row of table BFD of another client. */
const BFD = "4ba0d4e4-2d1c-4b7c-9d6f-0b0f5d4d8f3a";

t.test("a custom VPC has the routes and policies of its spec, equal ones once", async (t) => {
  const facts = sampleFacts();
  const route = { cidr: "0.0.0.0/0", nextHopIP: "10.0.1.254", policy: "policyDst" } as const;
  addVpc(facts, "team-a", {
    staticRoutes: [
      route,
      route,
      { cidr: "10.0.1.0/24", nextHopIP: "10.0.1.253", policy: "policySrc", routeTable: "rt" },
      { cidr: "172.31.0.0/16", nextHopIP: "10.0.1.8", ecmpMode: "ecmp_symmetric_reply", bfdId: BFD },
      { cidr: "172.31.0.0/16", nextHopIP: "10.0.1.9", ecmpMode: "ecmp_symmetric_reply" },
    ],
    bfdPort: { enabled: true, ip: "10.255.255.255,fd00:ffff::1" },
    policyRoutes: [
      { priority: 10, match: "ip4.src == 10.0.1.5", action: "reroute", nextHopIP: "10.0.1.252,10.0.1.251" },
      { priority: 11, match: "ip4.src == 10.0.1.6", action: "drop" },
    ],
  });
  addSubnet(facts, "a1", { vpc: "team-a", cidrBlock: "10.0.1.0/24", excludeIps: ["10.0.1.8..10.0.1.254"] });
  const session = {
    key: "team-a-a1/10.0.1.8",
    uuid: BFD,
    port: "team-a-a1",
    address: "10.0.1.8",
    status: "up",
    foreign: true,
  } as const;
  facts.set("bfdSessions", session.key, session);
  const nodes = ["weft-2", "weft-1"].map((name) => ({ name, chassis: `chassis-${name}` }));
  facts.set("bfdPorts", "team-a", { key: "team-a", nodes });
  golden(t, "vpc-custom", vpcUnit, facts, "team-a");
});

t.test("parts of a VPC's spec that cannot be applied are in its condition, and the rest in its rows", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "team-a", {
    staticRoutes: [{ cidr: "0.0.0.0/0", nextHopIP: "10.0.1.300" }],
    policyRoutes: [
      { priority: 10, match: "ip4.src == 10.0.1.5 // web", action: "reroute", nextHopIP: "10.0.1.252,10.0.1.252" },
      { priority: 11, match: "ip4.src == 10.0.1", action: "drop" },
    ],
  });
  golden(t, "vpc-mistakes", vpcUnit, facts, "team-a");
});

t.test("peered VPCs have a port each that names the other's", async (t) => {
  const facts = sampleFacts();
  for (const [vpc, remoteVpc, number] of [
    ["team-a", "team-b", 1],
    ["team-b", "team-a", 2],
  ] as const) {
    addVpc(facts, vpc, {
      vpcPeerings: [{ remoteVpc, localConnectIP: `169.254.0.${number}/30,fd69:254::${number}/126` }],
    });
    addSubnet(facts, `${vpc}-pods`, { vpc, cidrBlock: `10.0.${number}.0/24,fd00:${number}::/64` });
  }
  golden(t, "vpc-peered", vpcUnit, facts, "team-a");
});

t.test("a distributed subnet sends pods out through the node they are on", async (t) => {
  golden(t, "subnet-distributed", subnetUnit, sampleFacts(), "ovn-default");
});

t.test("a centralized subnet sends pods out through its first gateway node, or through all with ECMP", async (t) => {
  const facts = sampleFacts();
  const spec = { cidrBlock: "10.20.0.0/24", gatewayType: "centralized", gatewayNode: "weft-2,weft-1" } as const;
  addSubnet(facts, "central", spec);
  golden(t, "subnet-centralized", subnetUnit, facts, "central");
  addSubnet(facts, "central", { ...spec, enableEcmp: true });
  golden(t, "subnet-centralized-ecmp", subnetUnit, facts, "central");
});

t.test("a gateway node that another one can replace is monitored by others", async (t) => {
  const facts = sampleFacts();
  for (const name of ["weft-1", "weft-2", "weft-3"]) {
    const annotations = { [NODE.chassis]: `chassis-${name}` };
    facts.set("nodes", name, projectNode({ metadata: { name, uid: name, annotations } }));
  }
  const spec = { cidrBlock: "10.20.0.0/24", gatewayType: "centralized", gatewayNode: "weft-2,weft-1" } as const;
  addSubnet(facts, "central", spec);
  golden(t, "gateway", gatewayUnit, facts, "weft-2");
});

t.test(
  "a subnet of a custom VPC has no gateway by itself, and answers DHCP and router solicitations if configured",
  async (t) => {
    const facts = sampleFacts();
    addVpc(facts, "team-a", {});
    addSubnet(facts, "a1", {
      vpc: "team-a",
      cidrBlock: "10.16.0.0/24,fd00:a::/64",
      enableDHCP: true,
      enableIPv6RA: true,
    });
    golden(t, "subnet-custom-vpc", subnetUnit, facts, "a1");
  },
);

t.test(
  "a DHCP option that OVN could not read is left out and in the subnet's condition, and the others are used",
  async (t) => {
    const facts = sampleFacts();
    addSubnet(facts, "dhcp", {
      cidrBlock: "10.20.0.0/24,fd00:20::/112",
      enableDHCP: true,
      dhcpV4Options: "dns_server=8.8.8.8,1.1.1.1,domain_name=example.com,lease_time=1h,nosuch=1",
      dhcpV6Options: "dns_server=fd00::g",
      enableIPv6RA: true,
      ipv6RAConfigs: "address_mode=slaac,mtu=small",
    });
    golden(t, "subnet-dhcp-options", subnetUnit, facts, "dhcp");
    addSubnet(facts, "dhcp", { cidrBlock: "10.20.0.0/24", dhcpV4Options: "nosuch=1", ipv6RAConfigs: "nosuch=1" });
    const input = subnetUnit.read(facts, "dhcp");
    const condition = input && conditionsIn(subnetUnit.compile(input).effects)[0];
    t.match(condition, { ready: true }, "disabled options are not validated");
  },
);

t.test("a subnet's own rules are ACLs of its switch, and their problems are in its condition", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "vault", {
    cidrBlock: "10.20.0.0/24,fd00:20::/112",
    private: true,
    allowSubnets: ["10.16.0.0/16"],
    allowEWTraffic: true,
    acls: [
      { direction: "from-lport", priority: 2, match: "ip4.dst == 169.254.169.254", action: "drop" },
      { direction: "from-lport", priority: 2, match: "ip4.dst == 169.254.169.254", action: "drop" },
      { direction: "to-lport", priority: 1002, match: "tcp.dst == 70000", action: "allow" },
    ],
  });
  golden(t, "subnet-rules", subnetUnit, facts, "vault");
});

t.test("the younger of two overlapping subnets has no rows and names the subnet whose range it overlaps", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "late", { cidrBlock: "10.16.128.0/24" }, { creationTimestamp: "2026-01-01T00:00:00Z" });
  golden(t, "subnet-conflict", subnetUnit, facts, "late");
  t.equal(facts.get("verdicts", "ovn-default")?.ok, true, "the older one is unchanged");
});

t.test(
  "a subnet over a node's address, or with an invalid value, is refused with the value and the reason",
  async (t) => {
    const facts = sampleFacts();
    addSubnet(facts, "over-node", { cidrBlock: "172.18.0.0/24" });
    t.match(facts.get("verdicts", "over-node"), {
      ok: false,
      reason: "NodeConflict",
      message: /172\.18\.0\.11.*weft-1/,
    });
    for (const [spec, message] of [
      [{ cidrBlock: "10.300.0.0/16" }, /"10\.300\.0\.0\/16" is not a CIDR/],
      [{ cidrBlock: "" }, /empty/],
      [{ cidrBlock: "10.9.0.0/16", gateway: "10.8.0.1" }, /10\.8\.0\.1 is outside 10\.9\.0\.0\/16/],
      [{ cidrBlock: "10.9.0.0/16", excludeIps: ["10.9.0.9..x"] }, /"10\.9\.0\.9\.\.x"/],
      [{ cidrBlock: "10.9.0.1/32" }, /one address/],
    ] as const) {
      addSubnet(facts, "bad", spec);
      t.match(facts.get("verdicts", "bad"), { ok: false, message });
      const input = subnetUnit.read(facts, "bad");
      t.same(input && subnetUnit.compile(input).rows, []);
    }
  },
);

t.test(
  "a subnet in deletion keeps its rows and names the holders of its addresses; then its finalizer is removed",
  async (t) => {
    const facts = sampleFacts();
    const spec = { cidrBlock: "10.20.0.0/24" };
    addSubnet(facts, "old", spec, { deletionTimestamp: "2026-01-01T00:00:00Z" });
    addIp(facts, "b.default", {
      podName: "b",
      namespace: "default",
      nodeName: "weft-1",
      subnet: "old",
      v4: "10.20.0.2",
      v6: "",
    });
    golden(t, "subnet-in-use", subnetUnit, facts, "old");
    facts.set("ips", "b.default", undefined);
    const vip = { metadata: { name: "v", uid: "v" }, spec: { subnet: "old" }, status: { v4ip: "10.20.0.9" } };
    facts.set("vips", "v", projectVip(vip));
    followed(facts, deriverOf(facts, addressHolders));
    const used = subnetUnit.read(facts, "old");
    const said = used === undefined ? [] : subnetUnit.compile(used).effects;
    t.ok(JSON.stringify(said).includes("waiting for addresses to be released: Vip v"), "a Vip too");
    facts.set("vips", "v", undefined);
    const fact = facts.get("subnets", "old");
    if (fact) facts.set("subnets", "old", { ...fact, finalizers: ["kubeovn.io/kube-ovn-controller"] });
    golden(t, "subnet-gone", subnetUnit, facts, "old");
  },
);

t.test("a node has a port on the join switch, a group for its pods, and is reached by its own addresses", async (t) => {
  golden(t, "node", nodeUnit, sampleFacts(), "weft-1");
});

t.test("a node without an address yet has only its group", async (t) => {
  const facts = sampleFacts();
  addNode(facts, "weft-3", "172.18.0.13");
  golden(t, "node-unallocated", nodeUnit, facts, "weft-3");
});

t.test("the address of a deleted node is released", async (t) => {
  const facts = sampleFacts();
  facts.set("nodes", "weft-2", undefined);
  golden(t, "node-gone", nodeUnit, facts, "weft-2");
});

t.test("invalid annotations of a pod do not reach its port, deny traffic if necessary, and are reported", async (t) => {
  const facts = sampleFacts();
  const annotations = {
    "ovn.kubernetes.io/port_security": "yes",
    "ovn.kubernetes.io/port_vips": "10.16.0.200, 10.16.0.300,\0,FD00:10:16::200,10.16.0.200",
    "ovn.kubernetes.io/security_groups": "web,w\ud800b,W_B",
    "ovn.kubernetes.io/layer2_forward": "1",
  };
  addPod(facts, "a", { node: "weft-1", annotations });
  golden(t, "pod-mistakes", podUnit, facts, "default/a");
});

t.test("a pod is a port with all its memberships, and its annotations follow", async (t) => {
  golden(t, "pod", podUnit, sampleFacts(), "default/a");
});

t.test("addresses that pods take over from each other are virtual ports of their subnet", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "ovn-default", { cidrBlock: "10.16.0.0/16", vips: ["10.16.0.200", "10.16.0.201"] });
  settleSubnets(facts);
  addPod(facts, "a", { node: "weft-1", annotations: { "ovn.kubernetes.io/port_vips": "10.16.0.200" } });
  golden(t, "subnet-vips", subnetUnit, facts, "ovn-default");
});

t.test("a pod's own annotations shape its port", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "a", {
    node: "weft-1",
    annotations: {
      "ovn.kubernetes.io/ingress_rate": "10",
      "ovn.kubernetes.io/port_security": "true",
      "ovn.kubernetes.io/port_vips": "10.16.0.200",
      "ovn.kubernetes.io/layer2_forward": "true",
    },
  });
  golden(t, "pod-address-requests", podUnit, facts, "default/a");
});

t.test(
  "a pod's secondary interfaces are ports beside its primary one, or only annotated, all in one patch",
  async (t) => {
    const facts = sampleFacts();
    addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
    addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
    addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
    addSubnet(facts, "lan", { cidrBlock: "10.31.0.0/24", provider: "lan.default" });
    const annotations = {
      "k8s.v1.cni.cncf.io/networks": "net1,lan",
      "net1.default.ovn.kubernetes.io/port_security": "true",
    };
    addPod(facts, "a", { node: "weft-1", annotations });
    const common = { podName: "a", namespace: "default", nodeName: "weft-1", v6: "" };
    addIp(facts, "a.default.net1.default.ovn", { ...common, subnet: "net1", v4: "10.30.0.2" });
    addIp(facts, "a.default.lan.default", { ...common, subnet: "lan", v4: "10.31.0.2" });
    const lan = facts.get("ips", "a.default.lan.default");
    if (lan) facts.set("ips", lan.name, { ...lan, mac: "" });
    golden(t, "pod-further", podUnit, facts, "default/a");
    golden(t, "subnet-further", subnetUnit, facts, "net1");
    golden(t, "subnet-address-only", subnetUnit, facts, "lan");
  },
);

t.test("a pod stays without a port while anything it needs is missing", async (t) => {
  const closed = (change: (facts: FactStore) => void, why: string): void => {
    const facts = sampleFacts();
    change(facts);
    const input = podUnit.read(facts, "default/a");
    const fragment = input && podUnit.compile(input);
    t.same([fragment?.rows, fragment?.edges, fragment?.effects], [[], [], []], why);
  };
  closed((facts) => facts.set("ips", "a.default", undefined), "no address");
  closed((facts) => addPod(facts, "a"), "no node");
  closed((facts) => facts.set("subnets", "ovn-default", undefined), "no subnet");
  closed((facts) => facts.set("verdicts", "ovn-default", undefined), "no verdict on its subnet");
  closed((facts) => {
    const ip = facts.get("ips", "a.default");
    if (ip) facts.set("ips", "a.default", { ...ip, podUid: "another" });
  }, "the address belongs to the former pod of the same name");
});

t.test("the address of a pod that has ended or is deleted is released, unless a user reserved it", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "a", { node: "weft-1", phase: "Succeeded" });
  golden(t, "pod-ended", podUnit, facts, "default/a");
  facts.set("pods", "default/a", undefined);
  golden(t, "pod-ended", podUnit, facts, "default/a");
  const ip = facts.get("ips", "a.default");
  if (ip) facts.set("ips", "a.default", { ...ip, reserved: true });
  t.equal(podUnit.read(facts, "default/a"), undefined);
});

t.test("a record that a user deletes is released at once if it only blocks another pod of the name", async (t) => {
  const facts = sampleFacts();
  const effects = (): unknown[] => {
    const input = podUnit.read(facts, "default/a");
    return input ? [...podUnit.compile(input).effects] : [];
  };
  const ip = facts.get("ips", "a.default");
  if (!ip) throw new Error("no IP object");
  facts.set("ips", "a.default", { ...ip, deleting: true });
  t.match(effects(), [{ kind: "annotate" }], "its own pod keeps it while it runs");
  facts.set("ips", "a.default", { ...ip, deleting: true, podUid: "an-earlier-uid" });
  t.match(effects(), [{ kind: "release-ip", name: "a.default" }]);
});

t.test("a namespace is annotated with its subnets: those bound to it, else the default one", async (t) => {
  const facts = sampleFacts();
  golden(t, "namespace", namespaceUnit, facts, "default");
  addSubnet(facts, "s1", { cidrBlock: "10.21.0.0/24", namespaces: ["default"] });
  addSubnet(facts, "s2", { cidrBlock: "10.22.0.0/24", namespaceSelectors: [{ matchLabels: { team: "a" } }] });
  addSubnet(facts, "s3", { cidrBlock: "10.23.0.0/24", namespaces: ["other"] });
  golden(t, "namespace-bound", namespaceUnit, facts, "default");
});

t.test("no admission policy refuses annotations of a Namespace, also for a private subnet", async (t) => {
  const facts = sampleFacts();
  const spec = { cidrBlock: "10.24.0.0/24,fd24::/112", namespaces: ["default"] };
  addSubnet(facts, "closed", spec);
  // A record of an earlier version does not have the exclusions.
  const annotations = { "weft.kubeovn.io/in-force": "10.24.0.0/24,fd24::/112 10.24.0.1,fd24::1" };
  const metadata = { name: "closed", uid: "uid-closed", generation: 2, annotations };
  const unreadable = { ...spec, excludeIps: ["10.24.0.9..10.24.0.2"] };
  facts.set("subnetSpecs", "closed", projectSubnet({ metadata, spec: unreadable }));
  settleSubnets(facts);
  const input = namespaceUnit.read(facts, "default");
  const [effect] = input ? namespaceUnit.compile(input).effects : [];
  const written = effect?.kind === "annotate" ? effect.annotations : {};
  t.equal(written["ovn.kubernetes.io/exclude_ips"], "10.24.0.0/24,fd24::/112");
  t.same(judgeAnnotations(written as Record<string, string>, NAMESPACE_RULES).invalidAnnotations, []);
});

t.test("a StatefulSet's addresses outlive their pods while its replicas include them", async (t) => {
  const facts = sampleFacts();
  facts.set("pods", "default/a", undefined);
  const ip = facts.get("ips", "a.default");
  if (ip) facts.set("ips", "a.default", { ...ip, holder: "default/web-3", podType: "StatefulSet" });
  const released = (): boolean => {
    const input = podUnit.read(facts, "default/web-3");
    return (input ? podUnit.compile(input).effects.length : 0) > 0;
  };
  const set = (fields: object): unknown =>
    facts.set("statefulSets", "default/web", {
      key: "default/web",
      replicas: 4,
      start: 0,
      deleting: false,
      ...fields,
    });
  t.equal(released(), true, "the set is deleted");
  set({});
  t.equal(released(), false);
  set({ replicas: 3 });
  t.equal(released(), true, "scaled below it");
  set({ replicas: 2, start: 2 });
  t.equal(released(), false, "ordinals 2 and 3");
  set({ replicas: 2, start: 4 });
  t.equal(released(), true, "ordinals 4 and 5");
  set({});
  const kept = facts.get("ips", "a.default");
  if (kept) facts.set("ips", "a.default", { ...kept, deleting: true });
  t.equal(released(), true, "a user deletes the record");
});

t.test(
  "the address of a pod that a StatefulSet has adopted while no controller led is kept for it, by its name",
  async (t) => {
    const facts = sampleFacts();
    facts.set("pods", "default/a", undefined);
    const ip = facts.get("ips", "a.default");
    if (ip) facts.set("ips", "a.default", { ...ip, holder: "default/web-3", podType: "" });
    const effects = () => {
      const input = podUnit.read(facts, "default/web-3");
      return input ? podUnit.compile(input).effects : [];
    };
    t.match(effects(), [{ kind: "release-ip", confirm: true }], "the informer may be the last to report the set");
    facts.set("statefulSets", "default/web", { key: "default/web", replicas: 4, start: 0, deleting: false });
    t.same(effects(), []);
    facts.set("statefulSets", "default/web", { key: "default/web", replicas: 3, start: 0, deleting: false });
    t.match(effects(), [{ kind: "release-ip" }], "scaled below it");
  },
);

t.test("an address follows its pod to the StatefulSet that adopts it", async (t) => {
  const facts = sampleFacts();
  const pod = facts.get("pods", "default/a");
  const ip = facts.get("ips", "a.default");
  if (!pod || !ip) throw new Error("no sample");
  const name = "web-0.default";
  facts.set("ips", name, { ...ip, key: name, name, holder: "default/web-0", podUid: "uid-web-0" });
  const adopted = (owner: { kind: string; name: string; uid: string } | undefined) => {
    const fact = { ...pod, key: "default/web-0", name: "web-0", holder: "default/web-0", uid: "uid-web-0" };
    facts.set("pods", "default/web-0", { ...fact, ...(owner && { owner }) });
    const input = podUnit.read(facts, "default/web-0");
    return input ? podUnit.compile(input).effects.filter(({ kind }) => kind === "mark-ip") : [];
  };
  t.same(adopted(undefined), [], "an orphan, as a backup restores it");
  t.same(adopted({ kind: "ReplicaSet", name: "web", uid: "set-1" }), []);
  const mark = { kind: "mark-ip", key: `mark/${name}`, name, uid: ip.uid, podType: "StatefulSet" };
  t.same(adopted({ kind: "StatefulSet", name: "web", uid: "set-1" }), [mark]);
  const marked = facts.get("ips", name);
  if (marked) facts.set("ips", name, { ...marked, podType: "StatefulSet" });
  t.same(adopted({ kind: "StatefulSet", name: "web", uid: "set-2" }), [], "one made anew changes nothing");
  t.same(adopted(undefined), [], "nor does one that releases it");
});

t.test(
  "a virtual machine's address is its own: it outlives pods, and its port has the virtual machine's name",
  async (t) => {
    const facts = sampleFacts();
    const ip = facts.get("ips", "a.default");
    const pod = facts.get("pods", "default/a");
    if (!ip || !pod) throw new Error("no sample");
    facts.set("ips", "a.default", undefined);
    facts.set("ips", "vm.default", {
      ...ip,
      key: "vm.default",
      name: "vm.default",
      holder: "default/vm",
      podType: "VirtualMachine",
    });
    facts.set("pods", "default/a", { ...pod, holder: "default/vm" });
    golden(t, "pod-machine", podUnit, facts, "default/vm");
    facts.set("pods", "default/a", undefined);
    facts.set("virtualMachines", "default/vm", { key: "default/vm", deleting: false });
    const effects = (): unknown => {
      const input = podUnit.read(facts, "default/vm");
      return input && podUnit.compile(input).effects;
    };
    t.same(effects(), []);
    const cluster = facts.get("cluster", "cluster");
    if (cluster) facts.set("cluster", "cluster", { ...cluster, keepVmIp: false });
    t.match(
      effects(),
      [{ kind: "release-ip", name: "vm.default" }],
      "virtual machines keep none: an earlier record is released",
    );
  },
);

t.test("a conflicting address has no port", async (t) => {
  const facts = sampleFacts();
  facts.set("addressConflicts", "a.default", { key: "a.default", message: "it belongs to another one" });
  const input = podUnit.read(facts, "default/a");
  t.same(input && podUnit.compile(input).rows, []);
});

t.test("a pool is an address set if requested, and stays until its last address is free", async (t) => {
  const facts = sampleFacts();
  const pool = (metadata: object): unknown =>
    facts.set(
      "ipPools",
      "team-a",
      projectIpPool({
        metadata: { name: "team-a", uid: "uid-pool", generation: 2, ...metadata },
        spec: {
          subnet: "ovn-default",
          ips: ["10.16.0.2..10.16.0.6", "fd00:10:16::/120", "fd00:10:16::1:7"],
          enableAddressSet: true,
        },
      }),
    );
  pool({});
  facts.set("verdicts", "ippool/team-a", { key: "ippool/team-a", ok: true, reason: "Ready", message: "" });
  golden(t, "ippool", ipPoolUnit, facts, "team-a");
  pool({ deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["kubeovn.io/kube-ovn-controller"] });
  golden(t, "ippool-in-use", ipPoolUnit, facts, "team-a");
  facts.set("ips", "a.default", undefined);
  golden(t, "ippool-gone", ipPoolUnit, facts, "team-a");
});

t.test(
  "a Vip is a virtual port of the pods that name it, a port of its own, or an address that the router answers for",
  async (t) => {
    const facts = sampleFacts();
    const vip = (type: string): unknown =>
      facts.set(
        "vips",
        "shared",
        projectVip({
          metadata: { name: "shared", uid: "uid-vip" },
          spec: {
            namespace: "default",
            subnet: "ovn-default",
            type,
            v4ip: "10.16.0.9",
            macAddress: "02:00:00:00:00:42",
            selector: ["app: web"],
          },
          status: { v4ip: "10.16.0.9", mac: "02:00:00:00:00:42" },
        }),
      );
    const pod = facts.get("pods", "default/a");
    if (!pod) throw new Error("no sample");
    const annotations = { "ovn.kubernetes.io/aaps": "shared", "ovn.kubernetes.io/port_security": "true" };
    facts.set("pods", "default/a", { ...pod, labels: { app: "web" }, annotations });
    vip("");
    golden(t, "vip-virtual", vipUnit, facts, "shared");
    golden(t, "pod-with-pair", podUnit, facts, "default/a");
    const single = facts.get("vips", "shared");
    const ports = () => {
      const input = vipUnit.read(facts, "shared");
      const rows = input === undefined ? [] : vipUnit.compile(input).rows;
      return rows.map(({ columns: { name, options } }) => ({ name, options }));
    };
    if (single !== undefined) facts.set("vips", "shared", { ...single, v6: "fd00:10:16::9" });
    t.match(ports(), [
      { name: "shared", options: { "virtual-ip": "10.16.0.9", "virtual-parents": "a.default" } },
      { name: /^shared_[0-9a-f]{20}$/, options: { "virtual-ip": "fd00:10:16::9", "virtual-parents": "a.default" } },
    ]);
    if (single !== undefined) facts.set("vips", "shared", { ...single, v4: "", v6: "fd00:10:16::9" });
    t.match(ports(), [{ name: "shared", options: { "virtual-ip": "fd00:10:16::9" } }]);
    if (single !== undefined) facts.set("vips", "shared", single);
    addIp(facts, "taker.default", {
      podName: "taker",
      namespace: "default",
      nodeName: "weft-1",
      subnet: "ovn-default",
      v4: "10.16.0.9",
      v6: "",
    });
    t.same(ports(), [], "a pod has the address, and no longer names the Vip");
    facts.set("ips", "taker.default", undefined);
    t.equal(ports().length, 1);
    facts.set("pods", "default/a", { ...pod, labels: { app: "other" }, annotations });
    const input = vipUnit.read(facts, "shared");
    t.same(input?.parents, [], "the selector excludes the pod");
    vip("switch_lb_vip");
    golden(t, "vip-switch-lb", vipUnit, facts, "shared");
    const lb = vipUnit.read(facts, "shared");
    const gateway = stableMac("ovn-cluster-ovn-default");
    const state = lb && conditionsIn(vipUnit.compile(lb).effects)[0];
    t.match(state, { ready: true, message: `it has 10.16.0.9, ${gateway}`, status: { mac: gateway } });
    const toRouter = () => {
      const input = subnetUnit.read(facts, "ovn-default");
      const rows = input === undefined ? [] : subnetUnit.compile(input).rows;
      return rows.find(({ columns }) => columns["type"] === "router")?.columns["options"];
    };
    t.match(toRouter(), { arp_proxy: "10.16.0.9" });
    vip("kube_host_vm_vip");
    golden(t, "vip-host-machine", vipUnit, facts, "shared");
    t.notMatch(toRouter(), { arp_proxy: /./ }, "the router answers for load balancers only");
  },
);

t.test("a port of one family in a subnet of two has the DHCP options of that one", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "dhcp", { cidrBlock: "10.40.0.0/24,fd00:40::/120", enableDHCP: true });
  const families = (v4: string, v6: string): string[] => {
    addIp(facts, "a.default", { podName: "a", namespace: "default", nodeName: "weft-1", subnet: "dhcp", v4, v6 });
    const input = podUnit.read(facts, "default/a");
    const port = (input ? podUnit.compile(input).rows : []).find(({ table }) => table === "Logical_Switch_Port");
    return ["dhcpv4_options", "dhcpv6_options"].filter((column) => port?.columns[column] !== undefined);
  };
  t.same(families("10.40.0.2", "fd00:40::2"), ["dhcpv4_options", "dhcpv6_options"]);
  t.same(families("10.40.0.2", ""), ["dhcpv4_options"]);
  t.same(families("", "fd00:40::2"), ["dhcpv6_options"]);
});

t.test("the rows that represent a pod in policies and in its egress have the Vips that it may send from", async (t) => {
  const facts = sampleFacts();
  const annotations = {
    "ovn.kubernetes.io/aaps": "door, hers, none, elsewhere",
    "ovn.kubernetes.io/security_groups": "sg",
  };
  addPod(facts, "a", { node: "weft-1", labels: { app: "web" }, annotations });
  addNetworkPolicy(facts, "web", { podSelector: { matchLabels: { app: "web" } } });
  const vip = (name: string, namespace: string, subnet: string, v4ip: string, v6ip: string): unknown =>
    facts.set(
      "vips",
      name,
      projectVip({ metadata: { name, uid: name }, spec: { namespace, subnet, v4ip, v6ip }, status: { v4ip } }),
    );
  const compiled = () => {
    const input = podUnit.read(facts, "default/a");
    if (input === undefined) throw new Error("no pod");
    const fragment = podUnit.compile(input);
    const of = (table: string): readonly DesiredRow[] => fragment.rows.filter((row) => row.table === table);
    return { fragment, ports: of("Logical_Switch_Port"), policies: of("Logical_Router_Policy") };
  };
  t.same([compiled().ports.length, compiled().policies.length], [1, 0], "without Vips there are no further rows");
  vip("hers", "other", "ovn-default", "10.16.0.98", "");
  vip("elsewhere", "default", "join", "100.64.0.99", "");
  t.same([compiled().ports.length, compiled().policies.length], [1, 0], "other namespaces' are not its own");
  vip("door", "default", "ovn-default", "10.16.0.99", "fd00:10:16::99");
  const { fragment, ports, policies } = compiled();
  const [own, shared] = ports;
  t.match(
    own?.columns,
    { name: "a.default", addresses: [/ 10\.16\.0\.2 fd00:10:16::2$/] },
    "OVN answers for no Vip with its MAC",
  );
  const [address = ""] = (shared?.columns["addresses"] ?? []) as string[];
  t.match(shared?.columns, { name: "a.default/shared", enabled: false, options: { disable_arp_nd_rsp: "true" } });
  t.match(address, / 10\.16\.0\.99 fd00:10:16::99$/);
  t.not(address.split(" ")[0], facts.get("ips", "a.default")?.mac);
  const groupsOf = (uuid: string | undefined): string[] =>
    fragment.edges.filter((edge) => edge.table === "Port_Group" && edge.member === uuid).map(({ row }) => row);
  const place = [rowUuid("Port_Group", nodeGroupId("weft-1"))];
  const closed = rowUuid("Port_Group", securityGroupId("kubeovn_deny_all"));
  t.same(
    groupsOf(shared?.uuid).sort(),
    groupsOf(own?.uuid)
      .filter((group) => !place.includes(group) && group !== closed)
      .sort(),
    "it is in the groups that are peers",
  );
  t.equal(groupsOf(shared?.uuid).length, 2);
  t.same(policies, [], "they leave by the node of the pod that sends, like all addresses of the subnet");
});

t.test(
  "a policy is ACLs in the group of its pods; a pod's port is created in the groups of its policies",
  async (t) => {
    const facts = sampleFacts();
    addPod(facts, "a", { node: "weft-1", labels: { app: "web" }, ports: { http: 8080 } });
    addNetworkPolicy(
      facts,
      "web",
      {
        podSelector: { matchLabels: { app: "web" } },
        policyTypes: ["Ingress", "Egress"],
        ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: "http" }] }],
        egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }] }],
      },
      { "ovn.kubernetes.io/enable_log": "true", "ovn.kubernetes.io/acl_log_meter_rate": "10" },
    );
    golden(t, "policy", policyUnit("networkpolicy", "networkPolicies"), facts, "default/web");
    golden(t, "policy-pod", podUnit, facts, "default/a");
    golden(t, "policy-node", nodeUnit, facts, "weft-1");
    for (const [i, { key }] of facts.all("groups").entries()) golden(t, `policy-group-${i}`, groupUnit, facts, key);
  },
);

t.test("a port name that no pod has is reported, and matches nothing until one has it", async (t) => {
  const facts = sampleFacts();
  addNetworkPolicy(facts, "web", { ingress: [{ ports: [{ port: "nope" }] }] });
  golden(t, "policy-unknown-port", policyUnit("networkpolicy", "networkPolicies"), facts, "default/web");
});

t.test("an AdminNetworkPolicy is ACLs in tier 1 or 3, and reports whether it is enforced", async (t) => {
  const facts = sampleFacts();
  const subject = { namespaces: { matchLabels: { team: "a" } } };
  addAdminPolicy(facts, "anp", "a", {
    priority: 10,
    subject,
    ingress: [{ name: "from-b", action: "Pass", from: [{ namespaces: { matchLabels: { team: "b" } } }] }],
    egress: [
      { action: "Deny", to: [{ nodes: {} }, { networks: ["10.0.0.0/8"] }], ports: [{ portNumber: { port: 22 } }] },
    ],
  });
  addAdminPolicy(facts, "cnp", "c", {
    tier: "Baseline",
    priority: 0,
    subject,
    egress: [
      { action: "Accept", to: [{ domainNames: ["example.com"] }] },
      { action: "Nonsense", to: [subject] },
    ],
  });
  golden(t, "anp", policyUnit("adminnetworkpolicy", "adminNetworkPolicies"), facts, "a");
  golden(t, "cnp", policyUnit("clusternetworkpolicy", "clusterNetworkPolicies"), facts, "c");
  facts.set("domains", "example.com", { key: "example.com", v4: ["192.0.2.1", "192.0.2.2"], v6: [] });
  for (const { key, group } of facts.all("groups"))
    if (group.kind !== "pods") golden(t, `group-${group.kind}`, groupUnit, facts, key);
  facts.set("domains", "example.com", undefined);
  const key = facts.all("groups").find(({ group }) => group.kind === "domain")?.key ?? "";
  const input = groupUnit.read(facts, key);
  const rows = input && groupUnit.compile(input).rows;
  t.notOk(
    rows?.some(({ columns }) => "addresses" in columns),
    "unknown facts do not clear known ones",
  );
});

t.test("a pod whose groups are not known has no port", async (t) => {
  const facts = sampleFacts();
  facts.set("profiles", facts.get("pods", "default/a")?.profile ?? "", undefined);
  const input = podUnit.read(facts, "default/a");
  t.same(input && podUnit.compile(input).rows, []);
});

t.test("pods on the host's network are not included", async (t) => {
  t.equal(projectPod({ metadata: { name: "x", uid: "x" }, spec: { hostNetwork: true } }), undefined);
});

t.test("an IP object triggers the unit of its holder, and that of its former holder", async (t) => {
  const facts = factStore();
  const woken: string[] = [];
  facts.subscribe((change) => woken.push(...rootsOf(change).map(({ kind, key }) => `${kind}:${key}`)));
  addIp(facts, "node-n1", { podName: "n1", nodeName: "n1", subnet: "join", v4: "100.64.0.9", v6: "" });
  const base = { namespace: "default", nodeName: "n1", subnet: "s", v4: "10.0.0.1", v6: "" };
  addIp(facts, "x", { podName: "p", ...base });
  addIp(facts, "x", { podName: "q", ...base });
  t.same(woken, ["node:n1", "pod:default/p", "pod:default/p", "pod:default/q"]);
});

t.test("kinds of units have different names", async (t) => {
  t.equal(new Set(UNIT_KINDS.map((kind) => kind.name)).size, UNIT_KINDS.length);
});

t.test(
  "where connections are sampled, each ACL of a policy refers to the collector by a sample of its own",
  async (t) => {
    const facts = sampleFacts();
    facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, sampling: 65_535 });
    addNetworkPolicy(facts, "web", {
      podSelector: { matchLabels: { app: "web" } },
      ingress: [{ ports: [{ port: 80 }] }],
    });
    golden(t, "policy-sampled", policyUnit("networkpolicy", "networkPolicies"), facts, "default/web");
    golden(t, "sampling", samplingUnit, facts, SAMPLING);
  },
);
