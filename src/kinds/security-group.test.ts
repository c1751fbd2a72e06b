// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { DENY_ALL_GROUP } from "../api/names.ts";
import { equalsGolden } from "../collections/testing/golden.ts";
import type { WeftEffect } from "../compile/effects.ts";
import { nodeUnit } from "../compile/node/node.ts";
import { securityGroupId } from "../compile/owner-ids.ts";
import { podUnit } from "../compile/pod/pod.ts";
import { addPod, addSecurityGroup, sampleFacts } from "../compile/testing/sample-facts.ts";
import { rowUuid } from "../desired/identity.ts";
import type { AnyUnitKind } from "../desired/unit-kind.ts";
import type { FactReader, FactStore } from "../facts/store.ts";
import { SecurityGroupIndex } from "../policy/security-group-index.ts";
import { formatFragment } from "../reconcile/plan-text.ts";
import { securityGroupUnit } from "./security-group.ts";
import { factStore } from "./store.ts";
import { rootsOf } from "./units.ts";

const GROUPS = "ovn.kubernetes.io/security_groups";
const ALLOW4 = {
  ipVersion: "ipv4",
  priority: 1,
  remoteType: "address",
  remoteAddress: "0.0.0.0/0",
  policy: "allow",
} as const;

/** Compares a unit's fragment with `units.golden/<name>.txt`; WEFT_GOLDEN=write regenerates the file. */
function golden(t: Test, name: string, kind: AnyUnitKind<FactReader, WeftEffect>, facts: FactStore, key: string): void {
  const input: unknown = kind.read(facts, key);
  const names = new Map(
    [DENY_ALL_GROUP, "web", "db", "absent"].map((group) => [
      rowUuid("Port_Group", securityGroupId(group)),
      `Port_Group ${securityGroupId(group)}`,
    ]),
  );
  const text = input === undefined ? "(no unit)\n" : formatFragment(kind.compile(input), (uuid) => names.get(uuid));
  equalsGolden(t, new URL(`./units.golden/${name}.txt`, import.meta.url), text);
}

function compile(facts: FactStore, key: string) {
  const input = securityGroupUnit.read(facts, key);
  return input && securityGroupUnit.compile(input);
}

t.test(
  "a pod that names any group is in one that drops everything except what an interface needs, in both tiers",
  async (t) => {
    const facts = sampleFacts();
    golden(t, "security-group-deny-all", securityGroupUnit, facts, DENY_ALL_GROUP);
    const cluster = facts.get("cluster", "cluster");
    t.same(rootsOf({ kind: "cluster", key: "cluster", ...(cluster && { new: cluster }), touched: [] }), [
      { kind: "securitygroup", key: DENY_ALL_GROUP },
      { kind: "sampling", key: "flows" },
    ]);
    t.equal(compile(factStore(), DENY_ALL_GROUP), undefined, "nothing before the cluster is known");
  },
);

t.test(
  "a group's rules are ACLs of its port group, which refer to other groups by what OVN derives of theirs",
  async (t) => {
    const facts = sampleFacts();
    addSecurityGroup(facts, "db", {});
    addSecurityGroup(facts, "web", {
      allowSameGroupTraffic: true,
      ingressRules: [
        { ...ALLOW4, protocol: "tcp", portRangeMin: 80, portRangeMax: 90, remoteAddress: "10.16.0.0/16" },
        { ...ALLOW4, protocol: "tcp", portRangeMin: 80, portRangeMax: 90, remoteAddress: "10.16.0.0/16" },
        { ...ALLOW4, priority: 3, protocol: "icmp" },
        { ...ALLOW4, priority: 3, ipVersion: "ipv6", remoteAddress: "::/0", protocol: "icmp" },
        { ...ALLOW4, priority: 16384, policy: "pass" },
      ],
      egressRules: [
        {
          ...ALLOW4,
          priority: 2,
          protocol: "udp",
          portRangeMin: 53,
          portRangeMax: 53,
          remoteType: "securityGroup",
          remoteSecurityGroup: "db",
          localAddress: "10.16.0.2",
          sourcePortRangeMin: 1024,
          sourcePortRangeMax: 65535,
        },
        { ...ALLOW4, priority: 4, remoteAddress: "10.96.0.10", policy: "drop" },
      ],
    });
    golden(t, "security-group", securityGroupUnit, facts, "web");
  },
);

t.test("a group of tier 1 is in OVN's tier 3, below the last tier of policies", async (t) => {
  const facts = sampleFacts();
  addSecurityGroup(facts, "web", { tier: 1, allowSameGroupTraffic: true, egressRules: [ALLOW4] });
  const acls = compile(facts, "web")?.rows.filter(({ table }) => table === "ACL") ?? [];
  t.same(
    acls.map(({ columns }) => columns["tier"]),
    [3, 3, 3, 3, 3],
  );
});

t.test("an invalid part of a group denies, and the status has the part and the reason", async (t) => {
  const facts = sampleFacts();
  addSecurityGroup(facts, "web", {
    ingressRules: [{ ...ALLOW4, remoteType: "securityGroup", remoteSecurityGroup: "absent" }],
    egressRules: [ALLOW4],
  });
  golden(t, "security-group-unclear", securityGroupUnit, facts, "web");
  addSecurityGroup(facts, "absent", {});
  const [condition] = compile(facts, "web")?.effects ?? [];
  t.match(condition, { ready: true, message: "", status: { ingressLastSyncSuccess: true } }, "the group has appeared");
});

t.test("a pod is in the groups that it names, and in the one that drops, with its port", async (t) => {
  const facts = sampleFacts();
  addSecurityGroup(facts, "web", {});
  addPod(facts, "a", { node: "weft-1", annotations: { [GROUPS]: " web, absent ,web" } });
  golden(t, "pod-security-groups", podUnit, facts, "default/a");
  addSecurityGroup(facts, "absent", {});
  const input = podUnit.read(facts, "default/a");
  const reports = (input ? podUnit.compile(input).effects : []).filter(({ kind }) => kind === "report");
  t.same(reports, [], "nothing to say once it exists");
});

t.test("a pod whose groups do not exist denies all traffic, and one that names none is in none", async (t) => {
  const facts = sampleFacts();
  const sets = (): readonly string[] => {
    const input = podUnit.read(facts, "default/a");
    const edges = input ? podUnit.compile(input).edges : [];
    return [DENY_ALL_GROUP, "absent"].filter((group) =>
      edges.some(({ row }) => row === rowUuid("Port_Group", securityGroupId(group))),
    );
  };
  addPod(facts, "a", { node: "weft-1", annotations: { [GROUPS]: "absent" } });
  t.same(sets(), [DENY_ALL_GROUP, "absent"]);
  addPod(facts, "a", { node: "weft-1", annotations: { [GROUPS]: " , " } });
  t.same(sets(), []);
});

t.test("a change of rules does not trigger the group's members, its creation and deletion do", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "a", { node: "weft-1", annotations: { [GROUPS]: "web" } });
  addSecurityGroup(facts, "web", {});
  const changes: string[] = [];
  facts.subscribe(({ kind }) => void changes.push(kind));
  addSecurityGroup(facts, "web", { ingressRules: [ALLOW4] });
  t.same(changes, ["securityGroups"]);
});

t.test("nodes reach their own pods as soon as there is a security group, or a pod that names one", async (t) => {
  const facts = sampleFacts();
  const index = new SecurityGroupIndex(facts);
  index.start();
  facts.derive((change) => index.noteFact(change));
  const acls = (): number => {
    const input = nodeUnit.read(facts, "weft-1");
    return (input ? nodeUnit.compile(input).rows : []).filter(({ table }) => table === "ACL").length;
  };
  t.equal(acls(), 0, "none before");
  addPod(facts, "a", { node: "weft-1", annotations: { [GROUPS]: "web" } });
  t.ok(acls() > 0, "the group is yet to come");
  addPod(facts, "a", { node: "weft-1" });
  t.equal(acls(), 0);
  addSecurityGroup(facts, "web", {});
  t.ok(acls() > 0);
});
