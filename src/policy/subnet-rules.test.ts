// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectSubnet } from "../facts/project-subnet.ts";
import { parseMatch } from "./match-evaluation.ts";
import { translateSubnetRules } from "./subnet-rules.ts";

type Spec = NonNullable<Parameters<typeof projectSubnet>[0]["spec"]>;

const JOIN = { v4: "100.64.0.0/16", v6: "fd00:100:64::/112" };

/** A subnet's ACLs as short lines, and its problems. */
function translate(spec: Spec, join = JOIN) {
  const cidrBlock = "10.20.0.0/24,fd00:20::/112";
  const fact = projectSubnet({ metadata: { name: "s", uid: "u" }, spec: { cidrBlock, ...spec } });
  const { acls, problems } = translateSubnetRules(fact, join);
  for (const { match } of acls) t.ok(parseMatch(match), match);
  return {
    acls: acls.map(
      ({ direction, priority, match, action, log }) =>
        `${direction} ${priority} ${match}: ${action}${log ? ", logged" : ""}`,
    ),
    problems: problems.map(({ path, reason, message }) => `${path} ${reason} ${message}`),
  };
}

t.test("a subnet without rules has no ACL, so that its switch tracks no connections", async (t) => {
  t.same(translate({}), { acls: [], problems: [] });
  t.same(translate({ allowEWTraffic: true, allowSubnets: ["10.21.0.0/24"] }), { acls: [], problems: [] });
});

t.test("a private subnet allows itself, the nodes and the named subnets, and logs dropped packets", async (t) => {
  const { acls, problems } = translate({ private: true, allowSubnets: ["10.21.0.9/24", "fd00:21::/64"] });
  t.same(acls, [
    "to-lport 1000 ip: drop, logged",
    "to-lport 1001 ip4.src == 10.20.0.0/24 && ip4.dst == 10.20.0.0/24: allow-related",
    "to-lport 3000 inport == @weft.uplinks && ip4.src == 100.64.0.0/16: allow-related",
    "to-lport 3000 inport == @weft.uplinks && ip4.src == $weft_nodes_ip4: allow-related",
    "to-lport 1001 ip4.src == 169.254.169.5: allow-related",
    "to-lport 1001 (ip4.src == 10.21.0.0/24 && ip4.dst == 10.20.0.0/24) || (ip4.src == 10.20.0.0/24 && ip4.dst == 10.21.0.0/24): allow-related",
    "to-lport 1001 ip6.src == fd00:20::/112 && ip6.dst == fd00:20::/112: allow-related",
    "to-lport 3000 inport == @weft.uplinks && ip6.src == fd00:100:64::/112: allow-related",
    "to-lport 3000 inport == @weft.uplinks && ip6.src == $weft_nodes_ip6: allow-related",
    "to-lport 1001 ip6.src == fd69::5: allow-related",
    "to-lport 1001 (ip6.src == fd00:21::/64 && ip6.dst == fd00:20::/112) || (ip6.src == fd00:20::/112 && ip6.dst == fd00:21::/64): allow-related",
  ]);
  t.same(problems, []);
});

t.test("if nodes do not reach the VPC, their addresses are not trusted", async (t) => {
  const { acls } = translate({ private: true }, {} as typeof JOIN);
  t.same(
    acls.filter((line) => line.includes("3000")),
    ["to-lport 3000 ip4.src == 169.254.169.10: allow-related", "to-lport 3000 ip6.src == fd69::a: allow-related"],
    "nodes probe from an address of their own there",
  );
});

t.test("an entry of allowSubnets that is not a CIDR allows nothing and is reported", async (t) => {
  const { acls, problems } = translate({ private: true, allowSubnets: ["ovn-default"] });
  t.equal(acls.length, 9);
  t.match(problems, [/^spec\.allowSubnets\[0\] InvalidCIDR "ovn-default" is not a valid CIDR/]);
});

t.test(
  "rules are used as written, and an option allows traffic between pods of the subnet in spite of them",
  async (t) => {
    const acls = [
      { direction: "to-lport", priority: 1002, match: "ip4.dst == 10.20.0.2 && tcp", action: "drop" },
      { direction: "from-lport", match: "ip6", action: "allow-related" },
    ] as const;
    t.same(translate({ acls }).acls, [
      "to-lport 1002 ip4.dst == 10.20.0.2 && tcp: drop",
      "from-lport 1 ip6: allow-related",
    ]);
    t.same(translate({ acls, allowEWTraffic: true }).acls.slice(0, 4), [
      "to-lport 1900 ip4.src == 10.20.0.0/24 && ip4.dst == 10.20.0.0/24: allow",
      "from-lport 1900 ip4.src == 10.20.0.0/24 && ip4.dst == 10.20.0.0/24: allow",
      "to-lport 1900 ip6.src == fd00:20::/112 && ip6.dst == fd00:20::/112: allow",
      "from-lport 1900 ip6.src == fd00:20::/112 && ip6.dst == fd00:20::/112: allow",
    ]);
  },
);

t.test("a rule with an invalid match fails closed and is reported with the reason", async (t) => {
  for (const match of ["", " ", "ip4.src == 10.0.0.0/33", "ip4.src = 10.0.0.1", "(ip4", "tcp.port == 80", "$"]) {
    const written = (action: "allow" | "allow-related" | "drop" | "reject" | "pass") =>
      translate({ acls: [{ direction: "from-lport", priority: 7, match, action }] });
    for (const action of ["allow", "allow-related"] as const) {
      const { acls, problems } = written(action);
      t.same(acls, [], match);
      t.match(problems, [/^spec\.acls\[0\]\.match InvalidMatch .*; the rule allows nothing$/]);
    }
    for (const action of ["drop", "reject", "pass"] as const) {
      const { acls, problems } = written(action);
      t.same(acls, ["from-lport 7 ip: drop"], match);
      t.match(problems, [/^spec\.acls\[0\]\.match InvalidMatch .*; the rule drops all IP traffic of from-lport$/]);
    }
  }
});

t.test(
  "of entries with the same direction, priority and match, however it is spelt, the strictest stands, and that is said",
  async (t) => {
    const allow = {
      direction: "to-lport",
      priority: 7,
      match: "ip4.src == 10.0.0.1 && tcp",
      action: "allow-related",
    } as const;
    const drop = { ...allow, match: "tcp&&(ip4.src==10.0.0.1/32)", action: "drop" } as const;
    const problem = (fell: number, stands: number): string =>
      `spec.acls[${fell}] PriorityConflict spec.acls[${stands}] has the same direction, priority 7 and match, with action drop, which is used; give one of them another priority`;
    t.same(translate({ acls: [allow, drop] }), { acls: [`to-lport 7 ${drop.match}: drop`], problems: [problem(0, 1)] });
    t.same(translate({ acls: [drop, allow] }), { acls: [`to-lport 7 ${drop.match}: drop`], problems: [problem(1, 0)] });
    for (const other of [
      { ...drop, priority: 8 },
      { ...drop, direction: "from-lport" },
      { ...drop, match: "ip4.src == 10.0.0.2 && tcp" },
    ] as const)
      t.match(translate({ acls: [allow, other] }), { acls: { length: 2 }, problems: [] });
  },
);

t.test("a rule that can match no packet is kept, and a problem says so", async (t) => {
  const { acls, problems } = translate({
    acls: [{ direction: "from-lport", priority: 5, match: 'outport == "db"', action: "drop" }],
  });
  t.same(acls, ['from-lport 5 outport == "db": drop']);
  t.match(problems, [/^spec\.acls\[0\]\.match MatchWithoutEffect .* write a rule of to-lport$/]);
});
