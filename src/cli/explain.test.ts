// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { CLUSTER_ID } from "../api/annotations.ts";
import { equalsGolden } from "../collections/testing/golden.ts";
import { qualify } from "../desired/identity.ts";
import { ADMIN_NETWORK_POLICIES, NAMESPACES, PODS, SECURITY_GROUPS, VPCS } from "../kube/resources.ts";
import { explainCommand } from "./explain.ts";
import { SampleCluster } from "./testing/sample-cluster.ts";

/** The text with digests replaced by numbers. */
function withoutDigests(text: string): string {
  const seen = new Map<string, string>();
  return text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|(?<=weft\.pods\.)[0-9a-f]+/g, (digest) => {
    const known = seen.get(digest) ?? `#${seen.size + 1}`;
    seen.set(digest, known);
    return known;
  });
}

/** Compares with `explain.golden/<name>.txt`; WEFT_GOLDEN=write regenerates the file. */
async function golden(
  t: Test,
  name: string,
  cluster: SampleCluster,
  asked: readonly [string, string, string],
  ok: boolean,
): Promise<void> {
  const report = await explainCommand(cluster.kube, "default", asked);
  const text = withoutDigests(report.text);
  equalsGolden(t, new URL(`./explain.golden/${name}.txt`, import.meta.url), text);
  t.equal(report.ok, ok);
}

t.test("without policies everything is allowed, and that is reported", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.pod("other/b");
  await golden(t, "no-policies", cluster, ["a", "other/b", "80"], true);
});

t.test("an allowing rule is named with its path, what it allows, and the ACL that carries it", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web", { app: "web" }, { ports: { http: 8080 }, node: "weft-2" });
  await cluster.pod("other/client", { app: "client" });
  await cluster.policy("default/web", {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [
      { from: [{ ipBlock: { cidr: "192.0.2.0/24" } }] },
      { from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: "client" } } }], ports: [{ port: "http" }] },
    ],
  });
  await golden(t, "allowed-by-rule", cluster, ["other/client", "web", "http"], true);
  await golden(t, "denied-wrong-port", cluster, ["other/client", "web", "tcp/81"], false);
});

t.test("a denial names everything that isolates, and the nearest rules", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web", { app: "web" });
  await cluster.pod("default/stranger", { app: "stranger" });
  const selector = { podSelector: { matchLabels: { app: "web" } } };
  await cluster.policy("default/web", {
    ...selector,
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }], ports: [{ port: 80 }] }],
  });
  await cluster.policy("default/deny-all", { podSelector: {}, policyTypes: ["Ingress"] });
  await golden(t, "denied-nearest", cluster, ["stranger", "web", "80"], false);
});

t.test("egress is evaluated first, and denied packets are not followed further", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a", { app: "a" });
  await cluster.pod("default/b");
  await cluster.policy("default/no-egress", { podSelector: { matchLabels: { app: "a" } }, policyTypes: ["Egress"] });
  await golden(t, "denied-egress", cluster, ["a", "b", "icmp"], false);
  await golden(t, "denied-outside", cluster, ["a", "198.51.100.1", "443"], false);
  await golden(t, "allowed-outside", cluster, ["b", "198.51.100.1", "443"], true);
});

t.test("a pod's own node always reaches it, another node does not", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web", { app: "web" });
  await cluster.policy("default/deny-all", { podSelector: {}, policyTypes: ["Ingress"] });
  await golden(t, "own-node", cluster, ["node/weft-1", "web", "80"], true);
  await golden(t, "other-node", cluster, ["node/weft-2", "web", "80"], false);
});

t.test("a Service is allowed if all of its backends are reached", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/client", { app: "client" });
  const [one, two] = [
    await cluster.pod("default/web-1", { app: "web" }),
    await cluster.pod("default/web-2", { app: "web", closed: "yes" }, { node: "weft-2" }),
  ];
  await cluster.service("default/web", "10.96.0.10", 80, 8080, [one, two]);
  await golden(t, "service-allowed", cluster, ["client", "svc/web", "80"], true);
  await golden(t, "service-from-itself", cluster, ["web-1", "svc/web", "80"], true);
  await cluster.policy("default/closed", { podSelector: { matchLabels: { closed: "yes" } } });
  await golden(t, "service-one-closed", cluster, ["client", "10.96.0.10", "tcp/80"], false);
  await golden(t, "service-from-node", cluster, ["node/weft-2", "svc/web", "80"], true);
});

t.test(
  "of a Service that the node translates, the pod's rules see its address, and backends see the node",
  async (t) => {
    const cluster = await SampleCluster.make();
    await cluster.pod("default/client", { app: "client" });
    const web = await cluster.pod("default/web", { app: "web" }, { node: "weft-2" });
    await cluster.service(
      "default/web",
      "10.96.0.10",
      80,
      8080,
      [web],
      {},
      { "service.kubernetes.io/service-proxy-name": "x" },
    );
    await cluster.policy("default/out", {
      podSelector: { matchLabels: { app: "client" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ podSelector: { matchLabels: { app: "web" } } }] }],
    });
    await golden(t, "service-by-node", cluster, ["client", "svc/web", "80"], false);
  },
);

t.test("of a Service with internalTrafficPolicy Local only endpoints on the client's node count", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/client");
  await cluster.pod("default/far", {}, { node: "weft-3" });
  const one = await cluster.pod("default/web-1");
  const two = await cluster.pod("default/web-2", {}, { node: "weft-2" });
  await cluster.service("default/web", "10.96.0.10", 80, 8080, [one, two], { internalTrafficPolicy: "Local" });
  await golden(t, "service-local", cluster, ["client", "svc/web", "80"], true);
  await golden(t, "service-local-none", cluster, ["far", "svc/web", "80"], false);
});

t.test("SecurityGroups see a Service's own address", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/client", {}, { annotations: { "ovn.kubernetes.io/security_groups": "out" } });
  const web = await cluster.pod("default/web");
  await cluster.service("default/web", "10.96.0.10", 80, 8080, [web]);
  const rule = { ipVersion: "ipv4", protocol: "tcp", priority: 10, remoteType: "address", policy: "allow" };
  const ports = { portRangeMin: 80, portRangeMax: 80 };
  const egressRules = [{ ...rule, ...ports, remoteAddress: "10.96.0.10" }];
  await cluster.add(SECURITY_GROUPS, { metadata: { name: "out" }, spec: { egressRules } });
  await golden(t, "service-group", cluster, ["client", "svc/web", "80"], true);
});

t.test("pods of different VPCs do not reach each other, with the reason", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.add(VPCS, { metadata: { name: "island" }, spec: {} });
  await cluster.subnet("island-net", "10.77.0.0/24", { vpc: "island" });
  const made = await cluster.add(PODS, {
    metadata: { namespace: "default", name: "far" },
    spec: { nodeName: "weft-1" },
  });
  const of = { podName: "far", namespace: "default", nodeName: "weft-1", subnet: "island-net" };
  await cluster.ip("far.default", of, "10.77.0.5", "", made.metadata.uid);
  await golden(t, "other-vpc", cluster, ["a", "far", "80"], false);
  await golden(t, "into-vpc-from-outside", cluster, ["198.51.100.1", "far", "80"], false);
});

t.test(
  "a pod of a custom VPC is reached from its own node, by the port for kubelet's probes, and from no other",
  async (t) => {
    const cluster = await SampleCluster.make();
    await cluster.add(VPCS, { metadata: { name: "island" }, spec: {} });
    await podsIn(cluster, "island", { far: "10.77.0.5" });
    await golden(t, "probe", cluster, ["node/weft-1", "far", "80"], true);
    await golden(t, "probe-other-node", cluster, ["node/weft-2", "far", "80"], false);
    await cluster.policy("default/far", { podSelector: {}, ingress: [] });
    await golden(t, "probe-isolated", cluster, ["node/weft-1", "far", "80"], true);
  },
);

t.test("a reroute to a pod is followed through that pod, whose policies are evaluated as well", async (t) => {
  const through = async (match: string) => {
    const cluster = await SampleCluster.make();
    const policyRoutes = [{ priority: 10, match, action: "reroute", nextHopIP: "10.77.2.5" }];
    await cluster.add(VPCS, { metadata: { name: "island" }, spec: { policyRoutes } });
    await podsIn(cluster, "island", { a: "10.77.0.5", b: "10.77.1.5", firewall: "10.77.2.5" });
    return cluster;
  };
  const cluster = await through('inport == "island-net-a" && ip4.dst == 10.77.1.0/24');
  await golden(t, "reroute", cluster, ["a", "b", "80"], true);
  await golden(t, "reroute-loop", await through("ip4.dst == 10.77.1.0/24"), ["a", "b", "80"], false);
  await cluster.policy("default/firewall", { podSelector: { matchLabels: { app: "firewall" } }, ingress: [] });
  await golden(t, "reroute-isolated", cluster, ["a", "b", "80"], false);
});

/** Pods on `weft-1` in a VPC by name and address, each in a subnet of its own, with a label `app`. */
async function podsIn(cluster: SampleCluster, vpc: string, pods: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, address] of Object.entries(pods)) {
    await cluster.subnet(`net-${name}`, `${address.replace(/\d+$/, "0")}/24`, { vpc });
    const made = await cluster.add(PODS, {
      metadata: { namespace: "default", name, labels: { app: name } },
      spec: { nodeName: "weft-1" },
    });
    const of = { podName: name, namespace: "default", nodeName: "weft-1", subnet: `net-${name}` };
    await cluster.ip(`${name}.default`, of, address, "", made.metadata.uid);
  }
}

/**
 * Pod `default/a` in VPC `team-a` and `default/b` in VPC `team-b`, which are peered, with the given routes and policy
 * routes.
 */
async function peeredVpcs(specs: { readonly a?: object; readonly b?: object }): Promise<SampleCluster> {
  const cluster = await SampleCluster.make();
  for (const [n, [own, other, spec]] of [["a", "b", specs.a] as const, ["b", "a", specs.b] as const].entries()) {
    const vpcPeerings = [{ remoteVpc: `team-${other}`, localConnectIP: `169.254.0.${n + 1}/30` }];
    await cluster.add(VPCS, {
      metadata: { name: `team-${own}`, uid: `uid-${own}` },
      spec: { vpcPeerings, ...spec },
      status: { standby: true, subnets: [`net-${own}`] },
    });
    await cluster.subnet(`net-${own}`, `10.77.${n}.0/24`, { vpc: `team-${own}` });
    const made = await cluster.add(PODS, {
      metadata: { namespace: "default", name: own },
      spec: { nodeName: "weft-1" },
    });
    const of = { podName: own, namespace: "default", nodeName: "weft-1", subnet: `net-${own}` };
    await cluster.ip(`${own}.default`, of, `10.77.${n}.5`, "", made.metadata.uid);
  }
  return cluster;
}

const TO_B = { cidr: "10.77.1.0/24", nextHopIP: "169.254.0.2", policy: "policyDst" };
const TO_A = { cidr: "10.77.0.0/24", nextHopIP: "169.254.0.1", policy: "policyDst" };

t.test("between pods in peered VPCs the peering is named, and what drops on the path", async (t) => {
  const drop = { priority: 100, match: "ip4.dst == 10.77.1.5 && tcp.dst == 81", action: "drop" };
  const cluster = await peeredVpcs({ a: { staticRoutes: [TO_B], policyRoutes: [drop] }, b: { staticRoutes: [TO_A] } });
  await golden(t, "peered-vpcs", cluster, ["a", "b", "80"], true);
  await golden(t, "peered-vpcs-dropped", cluster, ["a", "b", "81"], false);
});

t.test("a peering without routes connects nothing, and the VPC without a route is named", async (t) => {
  await golden(t, "peered-no-route", await peeredVpcs({}), ["a", "b", "80"], false);
  const oneWay = await peeredVpcs({ a: { staticRoutes: [TO_B] } });
  await golden(t, "peered-no-reply", oneWay, ["a", "b", "80"], false);
});

t.test("invalid and unknown arguments are refused with what is accepted", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  for (const [asked, message] of [
    [["a", "b", "80"], /no pod default\/b .*; namespace default has a/],
    [["a", "nowhere/b", "80"], /no namespace nowhere; the namespaces are default, other/],
    [["a", "node/x", "80"], /no node x; the nodes are weft-1, weft-2/],
    [["a", "a", "tcp/99999"], /ports must be 1 to 65535/],
    [["a", "a", "quic/1"], /"quic" is not a protocol with ports/],
    [["a/b/c", "a", "80"], /"a\/b\/c" is neither an address nor a name/],
    [["a", "svc/x", "80"], /no service x in namespace default; it has none/],
  ] as const) {
    await t.rejects(explainCommand(cluster.kube, "default", asked), { name: "EndpointError", message });
  }
});

t.test("rules of administrators are named, and their pass decisions are shown", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web", { app: "web" });
  await cluster.pod("other/client", { app: "client" });
  await cluster.add(ADMIN_NETWORK_POLICIES, {
    metadata: { name: "guard" },
    spec: {
      priority: 10,
      subject: { namespaces: { matchLabels: { "kubernetes.io/metadata.name": "default" } } },
      ingress: [
        {
          name: "ask-owner",
          action: "Pass",
          from: [{ namespaces: {} }],
          ports: [{ portNumber: { protocol: "TCP", port: 80 } }],
        },
        {
          name: "no-ssh",
          action: "Deny",
          from: [{ namespaces: {} }],
          ports: [{ portNumber: { protocol: "TCP", port: 22 } }],
        },
      ],
    },
  });
  await cluster.policy("default/closed", { podSelector: {} });
  await golden(t, "admin-pass", cluster, ["other/client", "web", "80"], false);
  await golden(t, "admin-deny", cluster, ["other/client", "web", "22"], false);
});

t.test("decisions of SecurityGroups are shown with the group and the rule", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/client");
  await cluster.pod("default/db", {}, { annotations: { "ovn.kubernetes.io/security_groups": "db" } });
  await cluster.add(SECURITY_GROUPS, {
    metadata: { name: "db" },
    spec: {
      ingressRules: [
        {
          ipVersion: "ipv4",
          protocol: "tcp",
          priority: 10,
          remoteType: "address",
          remoteAddress: "10.16.0.0/16",
          portRangeMin: 5432,
          portRangeMax: 5432,
          policy: "allow",
        },
      ],
    },
  });
  await golden(t, "group-allows", cluster, ["client", "db", "5432"], false);
  await golden(t, "group-denies", cluster, ["client", "db", "5433"], false);
});

t.test("a denial by a private subnet names the subnet", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.subnet("vault", "10.88.0.0/24", { private: true, allowSubnets: ["10.99.0.0/24"] });
  const made = await cluster.add(PODS, {
    metadata: { namespace: "default", name: "safe" },
    spec: { nodeName: "weft-1" },
  });
  const of = { podName: "safe", namespace: "default", nodeName: "weft-1", subnet: "vault" };
  await cluster.ip("safe.default", of, "10.88.0.5", "", made.metadata.uid);
  await golden(t, "private-subnet", cluster, ["a", "safe", "80"], false);
  await golden(t, "private-subnet-node", cluster, ["node/weft-2", "safe", "80"], true);
  await golden(t, "private-subnet-out", cluster, ["safe", "a", "80"], false);
});

t.test("names that only the controller can resolve cause a warning", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.pod("default/b");
  await cluster.add(ADMIN_NETWORK_POLICIES, {
    metadata: { name: "out" },
    spec: {
      priority: 10,
      subject: { namespaces: {} },
      egress: [{ action: "Allow", to: [{ domainNames: ["example.com"] }] }],
    },
  });
  const { warnings } = await explainCommand(cluster.kube, "default", ["a", "b", "80"]);
  t.match(warnings, [/rules for example\.com are treated as matching no address/]);
});

t.test("an ACL is shown by the uuid that it has in the database of this cluster", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web", { app: "web" });
  await cluster.pod("default/stranger");
  await cluster.policy("default/web", { podSelector: { matchLabels: { app: "web" } }, ingress: [] });
  const shown = async (): Promise<string> => {
    const { text } = await explainCommand(cluster.kube, "default", ["stranger", "web", "80"]);
    return /\(([0-9a-f]{8}-[0-9a-f-]{27})\)/.exec(text)?.[1] ?? "none";
  };
  const plain = await shown();
  await cluster.add(NAMESPACES, { metadata: { name: "kube-system" } });
  t.equal(await shown(), plain, "as in a cluster whose rows are older than cluster ids");
  const body = { metadata: { annotations: { [CLUSTER_ID]: "an-id" } } };
  await cluster.kube.patch(NAMESPACES, { name: "kube-system" }, { type: "merge", body });
  t.equal(await shown(), qualify(plain, "an-id"));
});
