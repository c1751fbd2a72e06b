// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { securityGroupPortGroupName } from "../api/names.ts";
import { projectSecurityGroup } from "../facts/project-security-group.ts";
import { translateSecurityGroup } from "./security-group-acls.ts";

type Spec = NonNullable<Parameters<typeof projectSecurityGroup>[0]["spec"]>;
type Rule = NonNullable<Spec["ingressRules"]>[number];

const ALLOW: Rule = {
  ipVersion: "ipv4",
  priority: 5,
  remoteType: "address",
  remoteAddress: "10.1.0.0/16",
  policy: "allow",
};
const DROP: Rule = { ...ALLOW, policy: "drop" };

/** The ACLs of a group as short lines, and its problems. */
function translate(spec: unknown, existing: readonly string[] = []) {
  // Tests write what the API server would refuse.
  const fact = projectSecurityGroup({ metadata: { name: "g", uid: "u" }, spec: spec as Spec });
  const { acls, problems, clean } = translateSecurityGroup(fact, (name) => existing.includes(name));
  const short = (match: string): string => match.replace(/^(out|in)port == @ovn\.sg\.g && /, "");
  return {
    acls: acls.map(({ tier, priority, match, action }) => `${tier}/${priority} ${short(match)}: ${action}`),
    problems: problems.map(({ path, reason, message }) => `${path} ${reason} ${message}`),
    clean,
  };
}

t.test("a rule that allows is left out if any part is invalid", async (t) => {
  for (const [change, says] of [
    [{ ipVersion: "v4" }, 'ipVersion "v4" must be one of: ipv4, ipv6'],
    [{ priority: 0 }, "priority 0 is outside 1 to 16384"],
    [{ priority: 16385 }, "priority 16385 is outside"],
    [{ remoteType: "cidr" }, 'remoteType "cidr" must be one of: address, securityGroup'],
    [{ remoteAddress: "10.0.0.0/33" }, 'remoteAddress "10.0.0.0/33" is not an address or a CIDR'],
    [{ remoteAddress: "fd00::1" }, `remoteAddress "fd00::1" does not match the rule's ipVersion, ipv4`],
    [{ remoteAddress: "10.0.0.1,10.0.0.2" }, "is not an address"],
    [{ remoteAddress: undefined }, 'remoteAddress "" is not an address'],
    [{ remoteType: "securityGroup" }, "remoteSecurityGroup names none"],
    [{ remoteType: "securityGroup", remoteSecurityGroup: "x" }, 'security group "x" does not exist'],
    [{ localAddress: "here" }, 'localAddress "here" is not an address'],
    [{ protocol: "sctp" }, 'protocol "sctp" must be one of:'],
    [{ protocol: "tcp" }, "portRangeMin 0 and portRangeMax 0 are not a valid port range for tcp"],
    [{ protocol: "tcp", portRangeMin: 90, portRangeMax: 80 }, "portRangeMin 90 and portRangeMax 80"],
    [{ protocol: "udp", portRangeMin: 1, portRangeMax: 65536 }, "portRangeMax 65536"],
    [{ protocol: "all", portRangeMin: 80, portRangeMax: 80 }, "portRange 80 to 80 needs protocol tcp or udp"],
    [
      { protocol: "tcp", portRangeMin: 1, portRangeMax: 9, sourcePortRangeMin: 9, sourcePortRangeMax: 8 },
      "sourcePortRangeMin 9",
    ],
  ] as const) {
    const { acls, problems, clean } = translate({ ingressRules: [{ ...ALLOW, ...change }] });
    t.same(acls, [], JSON.stringify(change));
    t.match(problems, [new RegExp(`^spec\\.ingressRules\\[0\\] .*${RegExp.escape(says)}.*; the rule allows nothing$`)]);
    t.same(clean, ["egress"]);
  }
});

t.test("a rule that drops or passes drops, whatever its invalid part was meant to be", async (t) => {
  for (const policy of ["drop", "pass", "deny"]) {
    const closed = (change: object): readonly string[] =>
      translate({ egressRules: [{ ...DROP, policy, ...change }] }).acls;
    t.same(closed({ remoteAddress: "invalid" }), ["2/18479 ip4: drop"], policy);
    t.same(closed({ remoteType: "securityGroup", remoteSecurityGroup: "x" }), ["2/18479 ip4: drop"]);
    t.same(closed({ ipVersion: "both" }), ["2/18479 ip4 && ip4.dst == 10.1.0.0/16: drop"]);
    t.same(closed({ ipVersion: "both", remoteAddress: "invalid" }), ["2/18479 ip4: drop", "2/18479 ip6: drop"]);
    t.same(closed({ protocol: "tcp", portRangeMin: 9, portRangeMax: 8 }), [
      "2/18479 ip4 && ip4.dst == 10.1.0.0/16 && tcp: drop",
    ]);
    t.same(closed({ priority: 99999 }), ["2/2100 ip4 && ip4.dst == 10.1.0.0/16: drop"]);
    t.same(closed({ priority: -3 }), ["2/18483 ip4 && ip4.dst == 10.1.0.0/16: drop"]);
  }
});

t.test("a group that a rule names is enforced as soon as it exists", async (t) => {
  const spec = { ingressRules: [{ ...ALLOW, remoteType: "securityGroup", remoteSecurityGroup: "front-end" }] };
  t.match(translate(spec).problems, [/SecurityGroupNotFound security group "front-end" does not exist/]);
  const { acls, problems } = translate(spec, ["front-end"]);
  t.same([acls, problems], [["2/18479 ip4 && ip4.src == $ovn.sg.front.end_ip4: allow-related"], []]);
});

t.test("a tier that does not exist allows nothing, and pass has no effect in the last one", async (t) => {
  const strange = translate({ tier: 2, allowSameGroupTraffic: true, ingressRules: [ALLOW, { ...DROP, priority: 6 }] });
  t.same(strange.acls, ["2/18478 ip4 && ip4.src == 10.1.0.0/16: drop"]);
  t.match(strange.problems, [/^spec\.tier InvalidTier 2 must be one of: 0, 1/]);
  t.same(strange.clean, []);
  const last = translate({ tier: 1, ingressRules: [{ ...ALLOW, policy: "pass" }] });
  t.same(last.acls, ["3/18479 ip4 && ip4.src == 10.1.0.0/16: drop"]);
  t.match(last.problems, [/pass has no effect/]);
});

t.test("of contradicting rules with one priority the strictest is used, and the others are reported", async (t) => {
  const tied = translate({ ingressRules: [ALLOW, { ...DROP, remoteAddress: "10.1.2.0/24" }] });
  t.same(tied.acls, ["2/18479 ip4 && ip4.src == 10.1.2.0/24: drop"]);
  t.match(tied.problems, [
    /^spec\.ingressRules\[0\] PriorityConflict priority 5 is also that of spec\.ingressRules\[1\], which says drop/,
  ]);
  const passed = translate({ ingressRules: [ALLOW, { ...ALLOW, policy: "pass" }] });
  t.same(passed.acls, ["2/18479 ip4 && ip4.src == 10.1.0.0/16: pass"]);
  const all = translate({ ingressRules: [ALLOW, { ...ALLOW, policy: "pass" }, DROP] });
  t.same(
    all.acls.map((line) => line.split(": ")[1]),
    ["drop", "drop"],
  );
  t.equal(all.problems.length, 2);
});

t.test("rules of one priority that say the same, or have no packet in common, are all enforced", async (t) => {
  const tcp = (first: number, last: number): object => ({ protocol: "tcp", portRangeMin: first, portRangeMax: last });
  for (const [a, b] of [
    [ALLOW, { ...ALLOW, remoteAddress: "10.1.2.3" }],
    [ALLOW, { ...DROP, remoteAddress: "10.2.0.0/16" }],
    [ALLOW, { ...DROP, ipVersion: "ipv6", remoteAddress: "::/0" }],
    [
      { ...ALLOW, ...tcp(80, 90) },
      { ...DROP, ...tcp(91, 99) },
    ],
    [
      { ...ALLOW, ...tcp(80, 90) },
      { ...DROP, ...tcp(80, 90), protocol: "udp" },
    ],
    [
      { ...ALLOW, localAddress: "10.9.0.1" },
      { ...DROP, localAddress: "10.9.0.2" },
    ],
  ]) {
    const { acls, problems } = translate({ ingressRules: [a, b] });
    t.equal(acls.length, 2);
    t.same(problems, []);
  }
  const apart = translate({ ingressRules: [ALLOW], egressRules: [DROP] });
  t.same([apart.acls.length, apart.problems], [2, []], "directions are apart");
});

t.test("fields that Kube-OVN ignores have no effect if they can have no other meaning", async (t) => {
  const icmp = translate({ ingressRules: [{ ...ALLOW, protocol: "icmp", portRangeMin: 80, portRangeMax: 80 }] });
  t.same(icmp, {
    acls: ["2/18479 ip4 && ip4.src == 10.1.0.0/16 && icmp4: allow-related"],
    problems: [],
    clean: ["ingress", "egress"],
  });
  const all = translate({ ingressRules: [{ ...ALLOW, protocol: "all", portRangeMin: 1, portRangeMax: 65535 }] });
  t.same(all.acls, ["2/18479 ip4 && ip4.src == 10.1.0.0/16: allow-related"]);
});

t.test("names of groups do not collide in OVN, nor with what it derives of them", async (t) => {
  const names = ["a-b", "a.b", "a", "a-b-ip4", "a.b-c", "a-b.c", "a.b.c", "a-b-c"].map(securityGroupPortGroupName);
  t.equal(new Set(names).size, names.length);
  for (const name of names) t.match(name, /^[a-zA-Z_.][a-zA-Z_.0-9]*$/, "a name in OVN's match language");
  t.equal(securityGroupPortGroupName("front-end"), "ovn.sg.front.end", "Kube-OVN's name");
});
