// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type AdminPolicyObject, projectAdminPolicy } from "../facts/project-admin-policy.ts";
import { compileAcls } from "./acl.ts";
import { translateAdminPolicy } from "./admin-policy.ts";
import { groupText } from "./group.ts";
import { withoutFragments } from "./testing/match.ts";

type Kind = Parameters<typeof projectAdminPolicy>[0];
type Spec = NonNullable<AdminPolicyObject["spec"]>;

const ALL = { namespaces: {} };
const WEB = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "web" } } } };

function translate(kind: Kind, spec: Spec, name = "default", annotations: Record<string, string> = {}) {
  const metadata = { name, uid: "u", generation: 1, annotations };
  return translateAdminPolicy(projectAdminPolicy(kind, { metadata, spec: { subject: ALL, ...spec } }));
}

/** The ACLs as `tier priority action match`, groups by what they consist of. */
function acls(kind: Kind, spec: Spec): string[] {
  const { acls, groups } = compileAcls(translate(kind, spec), ({ protocol }) => (protocol === "TCP" ? [8080] : []));
  return acls.map(({ tier, priority, action, match }) => {
    const text = withoutFragments(match).replaceAll(/weft\.[a-z]+\.[0-9a-f]{20}/g, (name) => {
      const group = groups.get(name);
      return `<${group === undefined ? "?" : groupText(group)}>`;
    });
    return `${tier} ${priority} ${action} ${text}`;
  });
}

function problems(kind: Kind, spec: Spec, name = "default"): string[] {
  return translate(kind, spec, name).problems.map(({ path, reason }) => `${path} ${reason}`);
}

const PODS = "<all pods in all namespaces>";

t.test("rules keep their order: Kube-OVN's priorities and tiers", async (t) => {
  const ingress = [
    { name: "let", action: "Allow", from: [WEB] },
    { action: "Pass", from: [WEB] },
    { action: "Deny", from: [ALL] },
  ];
  const from = `ip4.src == {$<pods with app=web in all namespaces>_ip4}`;
  t.strictSame(
    acls("anp", { priority: 7, ingress }).filter((text) => text.includes("ip4")),
    [
      `1 29300 allow-related outport == @${PODS} && ${from}`,
      `1 29299 pass outport == @${PODS} && ${from}`,
      `1 29298 drop outport == @${PODS} && ip4.src == {$${PODS}_ip4}`,
    ],
  );
  const baseline = ingress.filter(({ action }) => action !== "Pass");
  t.strictSame(
    translate("banp", { ingress: baseline }).rules.map(({ priority, name }) => `${priority} ${name}`),
    ["1800 ingress/0/let", "1799 ingress/1"],
  );
  t.equal(translate("banp", { ingress }).tier, 3);
  const cluster = [
    { action: "Accept", to: [WEB] },
    { action: "Deny", to: [ALL] },
  ];
  for (const [tier, number] of [
    ["Admin", 1],
    ["Baseline", 3],
  ] as const) {
    const policy = translate("cnp", { tier, priority: 399, egress: cluster });
    t.equal(policy.tier, number);
    t.strictSame(
      policy.rules.map(({ priority, action }) => [priority, action]),
      [
        [20_025, "allow-related"],
        [20_024, "drop"],
      ],
    );
  }
});

t.test("all of the API's priorities have their place, in order", async (t) => {
  const rules = Array.from({ length: 100 }, (_, i) => ({ action: i < 99 ? "Deny" : "Allow", from: [ALL] }));
  for (const kind of ["anp", "cnp"] as const) {
    const ingress = kind === "anp" ? rules : rules.slice(-25).map(({ from }) => ({ action: "Deny", from }));
    let above = 32_768;
    for (let priority = 0; priority <= 1000; priority++) {
      const policy = translate(kind, { tier: "Admin", priority, ingress });
      const priorities = policy.rules.map((rule) => rule.priority);
      if (policy.problems.length > 0 || Math.max(...priorities) >= above) t.fail(`${kind} ${priority}`);
      above = Math.min(...priorities);
    }
    t.ok(above >= 0);
  }
});

t.test("rules that do not fit into the slots of a late priority deny", async (t) => {
  const ingress = Array.from({ length: 40 }, (_, i) => ({ action: i % 2 === 0 ? "Allow" : "Pass", from: [ALL] }));
  const { rules, problems } = translate("anp", { priority: 100, ingress });
  t.strictSame(
    problems.map(({ path, reason }) => `${path} ${reason}`),
    ["spec.ingress TooManyRules"],
  );
  t.equal(rules.filter(({ action }) => action === "allow-related").length, 11);
  t.equal(rules.filter(({ action }) => action === "pass").length, 10);
  const denied = rules.filter(({ action }) => action === "drop");
  t.equal(denied.length, 10);
  t.ok(denied.every(({ priority }) => priority === 20_000 - 21));
});

t.test("peers: pods, networks, nodes, domain names", async (t) => {
  const to = [
    WEB,
    { namespaces: { matchLabels: { team: "a" } } },
    { nodes: {} },
    { nodes: { matchLabels: { role: "db" } } },
    { networks: ["10.0.0.0/8", "fd00::/64"] },
    { domainNames: ["Example.com.", "*.example.org"] },
  ];
  const [v4, v6] = acls("cnp", { tier: "Admin", priority: 0, egress: [{ action: "Accept", to }] });
  for (const part of [
    "10.0.0.0/8",
    "$<pods with app=web in all namespaces>_ip4",
    "$<all pods in namespaces with team=a>_ip4",
    "$<all nodes>_ip4",
    "$<nodes with role=db>_ip4",
    "$<addresses of example.com>_ip4",
    "$<addresses of *.example.org>_ip4",
  ]) {
    t.ok(v4?.includes(part), part);
  }
  t.ok(v6?.includes("fd00::/64"));
  t.notOk(v4?.includes("fd00"));
});

t.test("ports: numbers, ranges, and names of any protocol", async (t) => {
  const v4 = (kind: Kind, spec: Spec): string[] => acls(kind, spec).filter((text) => text.includes("ip4"));
  const admin = {
    action: "Deny",
    from: [ALL],
    ports: [
      { portNumber: { port: 80 } },
      { portNumber: { protocol: "UDP", port: 53 } },
      { portRange: { protocol: "SCTP", start: 5, end: 9 } },
      { namedPort: "http" },
    ],
  };
  const cluster = {
    action: "Deny",
    from: [ALL],
    protocols: [
      { tcp: { destinationPort: { number: 80 } } },
      { udp: { destinationPort: { number: 53 } } },
      { sctp: { destinationPort: { range: { start: 5, end: 9 } } } },
      { destinationNamedPort: "http" },
    ],
  };
  const expected = [
    `1 30000 drop outport == @${PODS} && ip4.src == {$${PODS}_ip4} && (tcp.dst == 80 || udp.dst == 53 || 5 <= sctp.dst <= 9)`,
    `1 30000 drop outport == @<all pods in all namespaces whose port http is 8080/TCP> && ip4.src == {$${PODS}_ip4} && tcp.dst == 8080`,
  ];
  t.strictSame(v4("anp", { priority: 0, ingress: [admin] }), expected);
  t.strictSame(v4("cnp", { tier: "Admin", priority: 0, ingress: [cluster] }), expected);
});

t.test("networks, nodes and domains have no port names: such rules are closed and reported", async (t) => {
  const ports = [{ namedPort: "http" }, { portNumber: { port: 53 } }];
  const to = [{ networks: ["10.0.0.0/8"] }, ALL];
  const allow = { priority: 0, egress: [{ action: "Allow", to, ports }] };
  t.strictSame(problems("anp", allow), ["spec.egress[0].to InvalidPeer"]);
  t.strictSame(
    acls("anp", allow).filter((text) => text.includes("10.0.0.0/8")),
    [`0 30000 allow-related inport == @${PODS} && ip4.dst == {10.0.0.0/8} && tcp.dst == 53`],
  );
  const deny = { priority: 0, egress: [{ action: "Deny", to, ports }] };
  t.strictSame(
    acls("anp", deny).filter((text) => text.includes("10.0.0.0/8")),
    [`0 30000 drop inport == @${PODS} && ip4.dst == {10.0.0.0/8}`],
  );
});

t.test("an invalid peer: an Allow matches nothing, a Deny or a Pass denies everything", async (t) => {
  const unclear = [
    {},
    { pods: { podSelector: { matchExpressions: [{ key: "a", operator: "Like" }] } } },
    { networks: ["10.0.0.0"] },
    { networks: ["nonsense/8"] },
    { nodes: { matchExpressions: [{ key: "a", operator: "In" }] } },
    { domainNames: ["no_dot"] },
    { domainNames: ["a.*.com"] },
    { nodes: {}, networks: ["10.0.0.0/8"] },
  ];
  for (const peer of unclear) {
    const rule = (action: string): Spec => ({ priority: 0, egress: [{ action, to: [peer] }] });
    t.strictSame(acls("anp", rule("Allow")), [], JSON.stringify(peer));
    for (const action of ["Deny", "Pass"]) {
      t.strictSame(
        acls("anp", rule(action)),
        [
          `0 30000 drop inport == @${PODS} && ip4.dst == {0.0.0.0/0}`,
          `0 30000 drop inport == @${PODS} && ip6.dst == {::/0}`,
        ],
        JSON.stringify(peer),
      );
    }
    t.equal(problems("anp", rule("Allow")).length, 1, JSON.stringify(peer));
  }
  t.strictSame(problems("anp", { priority: 0, ingress: [{ action: "Allow", from: [{ nodes: {} }] }] }), [
    "spec.ingress[0].from[0] InvalidPeer",
  ]);
  t.strictSame(problems("anp", { priority: 0, ingress: [{ action: "Allow" }] }), ["spec.ingress[0].from InvalidPeer"]);
});

t.test("an invalid port: an Allow does not match it, a Deny or a Pass denies all ports", async (t) => {
  for (const port of [
    { portNumber: { port: 0 } },
    { portNumber: { protocol: "ICMP", port: 1 } },
    { portRange: { start: 9, end: 5 } },
    { portRange: { start: 9 } },
    {},
  ]) {
    const rule = (action: string): Spec => ({
      priority: 0,
      ingress: [{ action, from: [WEB], ports: [port, { portNumber: { port: 80 } }] }],
    });
    t.match(acls("anp", rule("Allow"))[0], /allow-related .* && tcp\.dst == 80$/);
    for (const action of ["Deny", "Pass"])
      t.match(acls("anp", rule(action))[0], /drop .* == \{\$<pods with app=web[^}]*\}$/);
    t.equal(problems("anp", rule("Deny")).length, 1, JSON.stringify(port));
  }
});

t.test("an unknown action denies everything", async (t) => {
  for (const [kind, action] of [
    ["anp", "Accept"],
    ["banp", "Pass"],
    ["cnp", "Allow"],
  ] as const) {
    const spec = { priority: 0, tier: "Admin", ingress: [{ action, from: [WEB] }] };
    t.match(acls(kind, spec)[0], /drop .* ip4\.src == \{0\.0\.0\.0\/0\}$/);
    t.strictSame(problems(kind, spec), ["spec.ingress[0].action InvalidAction"]);
  }
});

t.test("if a policy's subject or priority is invalid, only its Deny rules apply", async (t) => {
  const ingress = [
    { action: "Allow", from: [WEB] },
    { action: "Deny", from: [ALL] },
  ];
  for (const spec of [
    { priority: 1001 },
    { priority: -1 },
    { priority: 1.5 },
    {},
    { priority: 0, subject: {} },
    { priority: 0, subject: { namespaces: { matchExpressions: [{ key: "a", operator: "Like" }] } } },
  ]) {
    const policy = translate("anp", { ...spec, ingress });
    t.strictSame(
      policy.rules.map(({ action }) => action),
      ["drop"],
      JSON.stringify(spec),
    );
    t.equal(policy.problems.length, 1, JSON.stringify(spec));
  }
  t.strictSame(problems("cnp", { tier: "Other", priority: 1 }), ["spec.tier InvalidTier"]);
  const part = { namespaces: { matchLabels: { x: "y" }, matchExpressions: [{ key: "a", operator: "Like" }] } };
  t.strictSame(translate("anp", { priority: 1, subject: part, ingress }).subjects, [
    { namespaceSelector: { matchLabels: { x: "y" }, matchExpressions: [] }, podSelector: {} },
  ]);
});

t.test("only the baseline policy named default is used", async (t) => {
  const spec = { ingress: [{ action: "Deny", from: [ALL] }] };
  t.equal(translate("banp", spec).rules.length, 1);
  t.equal(translate("banp", spec, "other").rules.length, 0);
  t.strictSame(problems("banp", spec, "other"), ["metadata.name InvalidName"]);
});

t.test("a Deny of a domain name is enforced as far as addresses are known, and reported", async (t) => {
  const spec = { priority: 0, egress: [{ action: "Deny", to: [{ domainNames: ["example.com"] }] }] };
  t.strictSame(problems("anp", spec), ["spec.egress[0].to[0].domainNames DomainNotAllowed"]);
  t.match(acls("anp", spec)[0], "drop");
});

t.test("logging as in Kube-OVN's annotations", async (t) => {
  const spec = {
    priority: 0,
    ingress: [
      { action: "Allow", from: [ALL] },
      { action: "Deny", from: [ALL] },
    ],
  };
  const annotations = { "ovn.kubernetes.io/log_acl_actions": "drop", "ovn.kubernetes.io/acl_log_meter_rate": "5" };
  const policy = translate("anp", spec, "x", annotations);
  t.strictSame(
    policy.rules.map(({ log }) => log),
    [undefined, { severity: "warning", rate: 5 }],
  );
});

t.test("invalid labels and rates fail closed and are reported", async (t) => {
  const egress = [
    {
      name: "a\0\ud83d",
      action: "Allow",
      to: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "w\0b" } } } }],
    },
  ];
  const annotations = {
    "ovn.kubernetes.io/log_acl_actions": "allow",
    "ovn.kubernetes.io/acl_log_meter_rate": "4294967296",
  };
  const { problems, rules } = translate("anp", { priority: 7, egress }, "default", annotations);
  t.same(
    problems.map(({ path, reason, message }) => `${path} ${reason} ${message}`),
    [
      'metadata.annotations[ovn.kubernetes.io/acl_log_meter_rate] InvalidLogRate "4294967296" is not a valid number of packets per second; 100 is used',
      'spec.egress[0].to[0].pods.podSelector InvalidSelector label app cannot have the value "w\\u0000b"; the peer matches nothing',
    ],
  );
  t.same(rules, [], "an Allow without peers");
  const [named] = translate("anp", {
    priority: 7,
    egress: [{ ...egress[0]!, to: [{ networks: ["10.0.0.0/8"] }] }],
  }).rules;
  t.equal(named?.name, "egress/0/a\uFFFD\uFFFD", "what only people read has other characters in their place");
});
