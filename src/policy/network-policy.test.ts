// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { NetworkPolicySpec } from "../facts/network-policy.ts";
import { projectNetworkPolicy } from "../facts/project-policy.ts";
import { compileAcls } from "./acl.ts";
import { groupName } from "./group.ts";
import { translateNetworkPolicy } from "./network-policy.ts";
import { withoutFragments } from "./testing/match.ts";

/** The ACLs of a policy `default/p`, as `holder direction priority action match`, groups by what they consist of. */
function acls(spec: NetworkPolicySpec, annotations: Readonly<Record<string, string>> = {}): string[] {
  const metadata = { name: "p", namespace: "default", uid: "u", annotations };
  const policy = translateNetworkPolicy(projectNetworkPolicy({ metadata, spec }));
  const { acls, groups } = compileAcls(policy, () => [8080, 9090]);
  const texts = new Map<string, string>();
  for (const [name, group] of groups) {
    if (group.kind !== "pods") continue;
    const { namespace = "", namespaceSelector, podSelector, port } = group.selector;
    const labels = Object.entries(podSelector.matchLabels ?? {}).map(([key, value]) => `${key}.${value}`);
    const where = namespaceSelector === undefined ? namespace : JSON.stringify(namespaceSelector.matchLabels);
    texts.set(name, [where, ...labels, ...(port === undefined ? [] : [port.number])].join("/"));
  }
  return acls.map(({ priority, action, match }) => {
    return `${priority} ${action} ${withoutFragments(match).replaceAll(/weft\.pods\.[0-9a-f]{20}/g, (name) => `<${texts.get(name)}>`)}`;
  });
}

function problems(spec: NetworkPolicySpec): string[] {
  const fact = projectNetworkPolicy({ metadata: { name: "p", namespace: "default", uid: "u" }, spec });
  return translateNetworkPolicy(fact).problems.map(({ path, message }) => `${path}: ${message}`);
}

const DENY = [`2000 drop outport == @<default> && ip`];

t.test("a policy without rules isolates", async (t) => {
  t.strictSame(acls({ podSelector: {} }), DENY);
  t.strictSame(acls({ podSelector: {}, policyTypes: ["Egress"] }), [`2000 drop inport == @<default> && ip`]);
});

t.test("an empty rule allows everything, a rule without peers all of its ports", async (t) => {
  t.strictSame(acls({ ingress: [{}] }), ["2001 allow-related outport == @<default>", ...DENY]);
  t.strictSame(
    acls({ ingress: [{ ports: [{ port: 80 }, { port: 443 }, { port: 8000, endPort: 8010 }, { protocol: "UDP" }] }] }),
    ["2001 allow-related outport == @<default> && (tcp.dst == {80, 443} || 8000 <= tcp.dst <= 8010 || udp)", ...DENY],
  );
});

t.test("peers are alternatives: pods here, pods elsewhere, ranges of addresses", async (t) => {
  const from = [
    { podSelector: { matchLabels: { app: "a" } } },
    { namespaceSelector: { matchLabels: { team: "x" } }, podSelector: { matchLabels: { app: "b" } } },
    { ipBlock: { cidr: "10.0.0.0/8" } },
    { ipBlock: { cidr: "192.168.0.0/16", except: ["192.168.1.0/24", "192.168.2.0/24"] } },
    { ipBlock: { cidr: "fd00::/64" } },
  ];
  const [v4, apart, v6] = acls({ ingress: [{ from, ports: [{ port: 80 }] }] });
  t.match(v4, "outport == @<default> && ip4.src == {");
  for (const part of ["$<default/app.a>_ip4", '$<{"team":"x"}/app.b>_ip4', "10.0.0.0/8"]) t.match(v4, part);
  t.match(v4, "} && tcp.dst == 80");
  t.equal(
    apart,
    "2001 allow-related outport == @<default> && ip4.src == 192.168.0.0/16 && ip4.src != {192.168.1.0/24, 192.168.2.0/24} && tcp.dst == 80",
  );
  t.match(v6, "$<default/app.a>_ip6");
  t.match(v6, "fd00::/64");
});

t.test(
  "a named port counts with each pod's own number, of the subject for ingress and of the peer for egress",
  async (t) => {
    t.strictSame(acls({ ingress: [{ ports: [{ port: "http" }] }] }).slice(0, 2), [
      "2001 allow-related outport == @<default/8080> && tcp.dst == 8080",
      "2001 allow-related outport == @<default/9090> && tcp.dst == 9090",
    ]);
    const to = [{ podSelector: { matchLabels: { app: "a" } } }, { ipBlock: { cidr: "10.0.0.0/8" } }];
    const out = acls({ policyTypes: ["Egress"], egress: [{ to, ports: [{ port: "http" }] }] });
    t.ok(
      out.includes("0 allow-related inport == @<default> && ip4.dst == {$<default/app.a/8080>_ip4} && tcp.dst == 8080"),
    );
    t.ok(
      out.includes(
        "0 allow-related inport == @<default> && ip4.dst == {$</8080>_ip4} && ip4.dst == {10.0.0.0/8} && tcp.dst == 8080",
      ),
      "an ipBlock stands for the pods in it",
    );
    t.notOk(out.some((text) => text.includes("ip6.dst") && text.includes("10.0.0.0/8")));
  },
);

t.test("invalid parts of a rule match nothing and are reported", async (t) => {
  const bad = { matchExpressions: [{ key: "a", operator: "Like", values: ["x"] }] };
  t.strictSame(acls({ ingress: [{ from: [{ ipBlock: { cidr: "10.0.0/8" } }] }] }), DENY);
  t.strictSame(acls({ ingress: [{ from: [{ podSelector: bad }] }] }), DENY);
  t.strictSame(
    acls({ ingress: [{ ports: [{ port: 0 }, { port: 90, endPort: 80 }, { protocol: "ICMP", port: 1 }] }] }),
    DENY,
  );
  t.match(problems({ ingress: [{ from: [{ ipBlock: { cidr: "10.0.0/8" } }] }] }), [
    'spec.ingress[0].from[0].ipBlock.cidr: "10.0.0/8" is not a valid CIDR such as 10.0.0.0/8 or fd00::/64; the peer matches nothing',
  ]);
  t.match(problems({ egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["11.0.0.0/24"] } }] }] }), [
    "spec.egress[0].to[0].ipBlock.except[0]: 11.0.0.0/24 is not inside 10.0.0.0/8; the exception has no effect",
  ]);
});

t.test("if a policy's selector is invalid, all pods that it may select are isolated and allowed nothing", async (t) => {
  const podSelector = { matchLabels: { app: "a" }, matchExpressions: [{ key: "b", operator: "In" }] };
  t.strictSame(acls({ podSelector, ingress: [{}] }), ["2000 drop outport == @<default/app.a> && ip"]);
});

t.test("Kube-OVN's annotations: lax isolation, other providers, logs", async (t) => {
  const annotated = (key: string, value: string): string[] => acls({}, { [`ovn.kubernetes.io/${key}`]: value });
  t.match(annotated("network_policy_enforcement", "lax")[0], "(tcp || sctp || (udp && udp.dst != {67, 68, 546, 547}))");
  t.strictSame(annotated("network_policy_for", "net1.default.ovn"), []);
  t.equal(annotated("network_policy_for", "ovn, net1.default.ovn").length, 1);
  t.equal(annotated("network_policy_for", "default/net1").length, 1);
});

t.test("different groups have different names that OVN accepts", async (t) => {
  const a = groupName({ kind: "pods", selector: { namespace: "b-c", podSelector: {} } });
  const b = groupName({ kind: "pods", selector: { namespace: "b.c", podSelector: {} } });
  t.match(a, /^[a-z.][a-z0-9.]+$/);
  t.not(a, b);
});
