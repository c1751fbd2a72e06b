// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import type { SecurityGroupSpec } from "../api/generated/securitygroup.ts";
import { DENY_ALL_GROUP, securityGroupPortGroupName } from "../api/names.ts";
import { projectSecurityGroup } from "../facts/project-security-group.ts";
import { parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import { type AclView, decideStage, type NamedSets, type Packet } from "./acl-evaluation.ts";
import { denyAllAcls, type SecurityGroupAcl, translateSecurityGroup } from "./security-group-acls.ts";

type Rule = NonNullable<SecurityGroupSpec["ingressRules"]>[number];
type Groups = Readonly<Record<string, SecurityGroupSpec>>;

/** Pod → its address and its groups. Group `c` has a pod of another family, and one in two groups. */
const PODS = {
  p: { v4: "10.0.0.1", v6: "fd00::1", groups: ["a", "b"] },
  q: { v4: "10.0.0.2", v6: "fd00::2", groups: ["b"] },
  r: { v4: "10.0.0.3", v6: "fd00::3", groups: ["c"] },
  s: { v4: "10.0.0.4", v6: "fd00::4", groups: [] as string[] },
} as const;
const NAMES = ["a", "b", "c"];

const CIDRS = {
  ipv4: ["10.0.0.2", "10.0.0.0/30", "0.0.0.0/0", "10.0.0.4/31"],
  ipv6: ["fd00::2", "fd00::/126", "::/0", "fd00::4/127"],
} as const;

const rule: fc.Arbitrary<Rule> = fc
  .constantFrom("ipv4", "ipv6")
  .chain((ipVersion) =>
    fc.record({
      ipVersion: fc.constant(ipVersion),
      priority: fc.integer({ min: 1, max: 6 }),
      protocol: fc.constantFrom("", "all", "icmp", "tcp", "udp"),
      remoteType: fc.constantFrom("address", "securityGroup"),
      remoteAddress: fc.constantFrom(...CIDRS[ipVersion]),
      remoteSecurityGroup: fc.constantFrom(...NAMES),
      localAddress: fc.constantFrom("", "", ...CIDRS[ipVersion]),
      policy: fc.constantFrom("allow", "allow", "drop", "pass"),
      ports: fc.constantFrom([80, 80], [80, 90], [1, 65535]),
      sources: fc.constantFrom([0, 0], [0, 0], [1000, 2000]),
    }),
  )
  .map(({ ports: [portRangeMin, portRangeMax], sources: [sourcePortRangeMin, sourcePortRangeMax], ...rest }): Rule => {
    const ported = rest.protocol === "tcp" || rest.protocol === "udp";
    if (!ported) return rest as Rule;
    return { ...rest, portRangeMin, portRangeMax, sourcePortRangeMin, sourcePortRangeMax } as Rule;
  });

const group = (tier: 0 | 1): fc.Arbitrary<SecurityGroupSpec> =>
  fc.record({
    tier: fc.constant(tier),
    allowSameGroupTraffic: fc.boolean(),
    ingressRules: fc.array(
      rule.filter(({ policy }) => tier === 0 || policy !== "pass"),
      { maxLength: 5 },
    ),
  });

const groups: fc.Arbitrary<Groups> = fc.record({ a: group(0), b: group(1), c: group(0) });

const packet = fc
  .record({
    family: fc.constantFrom("v4", "v6"),
    from: fc.constantFrom("q", "r", "s", "p"),
    protocol: fc.constantFrom("TCP", "UDP", "ICMP", 47),
    sourcePort: fc.constantFrom(1500, 3000),
    destinationPort: fc.constantFrom(80, 85, 443),
  })
  .map(({ family, from, protocol, sourcePort, destinationPort }): Packet => {
    const address = (pod: keyof typeof PODS) => parseIp(PODS[pod][family])!;
    const ported = protocol === "TCP" || protocol === "UDP";
    return {
      outport: "p",
      source: address(from as keyof typeof PODS),
      destination: address("p"),
      protocol: protocol === "ICMP" ? (family === "v4" ? "ICMP" : "ICMPv6") : (protocol as "TCP" | "UDP" | number),
      // Not a message of neighbour discovery, which always passes.
      ...(protocol === "ICMP" && { fields: { [`icmp${family === "v4" ? 4 : 6}.type`]: family === "v4" ? 8n : 128n } }),
      ...(ported && { sourcePort, destinationPort }),
    };
  });

const members = (name: string): (keyof typeof PODS)[] =>
  (Object.keys(PODS) as (keyof typeof PODS)[]).filter((pod) => (PODS[pod].groups as readonly string[]).includes(name));

const SETS: NamedSets = {
  portGroup: (name) => {
    if (name === securityGroupPortGroupName(DENY_ALL_GROUP)) return new Set(["p", "q", "r"]);
    const of = NAMES.find((each) => securityGroupPortGroupName(each) === name);
    return of === undefined ? undefined : new Set(members(of));
  },
  addressSet: (name) => {
    const of = NAMES.find((each) => name.startsWith(`${securityGroupPortGroupName(each)}_ip`));
    return of === undefined ? undefined : members(of).map((pod) => PODS[pod][name.endsWith("4") ? "v4" : "v6"]);
  },
};

function compiled(spec: Groups): AclView[] {
  const view = ({ direction, tier, priority, match, action }: SecurityGroupAcl): AclView => ({
    direction: direction === "ingress" ? "to-lport" : "from-lport",
    tier,
    priority,
    match,
    action,
  });
  const acls = Object.entries(spec).flatMap(([name, each]) => {
    const fact = projectSecurityGroup({ metadata: { name, uid: name }, spec: each });
    return translateSecurityGroup(fact, (other) => NAMES.includes(other)).acls;
  });
  return [...acls, ...denyAllAcls()].filter(({ direction }) => direction === "ingress").map(view);
}

function allowed(spec: Groups, sent: Packet): boolean {
  return decideStage(compiled(spec), sent, SETS).verdict === "allow";
}

/** The API's verdict on a packet to pod `p`, from the specs alone: rules by priority, tier by tier. */
function meant(spec: Groups, sent: Packet): boolean {
  const own = (PODS.p.groups as readonly string[]).map((name) => ({ name, ...spec[name] }));
  for (const tier of [0, 1]) {
    const inTier = own.filter((each) => (each.tier ?? 0) === tier);
    const rules = inTier.flatMap((each) => each.ingressRules ?? []).filter((each) => holds(each, sent));
    const first = Math.min(...rules.map(({ priority }) => priority));
    const policies = rules.filter(({ priority }) => priority === first).map(({ policy }) => policy);
    // Of contradicting rules the strictest is used.
    if (policies.includes("drop")) return false;
    if (policies.includes("pass")) continue;
    if (policies.includes("allow")) return true;
    return inTier.some((each) => each.allowSameGroupTraffic && members(each.name).some((pod) => isOf(pod, sent)));
  }
  return false;
}

function isOf(pod: keyof typeof PODS, { source }: Packet): boolean {
  return [PODS[pod].v4, PODS[pod].v6].some((text) => text === source.text);
}

function holds(each: Rule, { source, destination, protocol, sourcePort = 0, destinationPort = 0 }: Packet): boolean {
  const within = (text: string, ip: typeof source): boolean => {
    const cidr = parseCidr(text.includes("/") ? text : `${text}/${ip.family === 4 ? 32 : 128}`);
    return cidr !== undefined && cidrContains(cidr, ip);
  };
  if (source.family !== (each.ipVersion === "ipv4" ? 4 : 6)) return false;
  if (each.remoteType === "address" && !within(each.remoteAddress ?? "", source)) return false;
  if (each.remoteType === "securityGroup") {
    const peers = members(each.remoteSecurityGroup ?? "");
    if (!peers.some((pod) => isOf(pod, { source } as Packet))) return false;
  }
  if (each.localAddress && !within(each.localAddress, destination)) return false;
  switch (each.protocol) {
    case "icmp":
      return protocol === "ICMP" || protocol === "ICMPv6";
    case "tcp":
    case "udp": {
      if (protocol !== each.protocol.toUpperCase()) return false;
      const [from, to] = [each.sourcePortRangeMin || 0, each.sourcePortRangeMax || 65535];
      return (
        (each.portRangeMin ?? 0) <= destinationPort &&
        destinationPort <= (each.portRangeMax ?? 0) &&
        from <= sourcePort &&
        sourcePort <= to
      );
    }
    default:
      return true;
  }
}

/** Whether rules of one priority contradict each other somewhere in a tier of pod `p`. */
function isTied(spec: Groups): boolean {
  return ["a", "b"].some((name) => {
    const rules = spec[name]?.ingressRules ?? [];
    return rules.some((one) => rules.some((two) => one.priority === two.priority && one.policy !== two.policy));
  });
}

t.test("groups without contradictions compile to the verdicts of their rules", async (t) => {
  fc.assert(
    fc.property(
      groups.filter((spec) => !isTied(spec)),
      fc.array(packet, { minLength: 10, maxLength: 10 }),
      (spec, packets) => packets.every((sent) => allowed(spec, sent) === meant(spec, sent)),
    ),
    { numRuns: 400 },
  );
  t.pass();
});

t.test("contradicting rules never allow what the strictest of them denies", async (t) => {
  fc.assert(
    fc.property(groups, fc.array(packet, { minLength: 10, maxLength: 10 }), (spec, packets) =>
      packets.every((sent) => !allowed(spec, sent) || meant(spec, sent)),
    ),
    { numRuns: 400 },
  );
  t.pass();
});

t.test("an error in one field of a rule never allows what the correct rule denies", async (t) => {
  const mistakes: readonly object[] = [
    { ipVersion: "ip4" },
    { protocol: "tpc" },
    { remoteType: "group" },
    { remoteType: "address", remoteAddress: "10.0.0.0/40" },
    { remoteType: "securityGroup", remoteSecurityGroup: "missing" },
    { localAddress: "me" },
    { protocol: "tcp", portRangeMin: 90, portRangeMax: 80 },
    { protocol: "udp", sourcePortRangeMin: 5 },
    { protocol: "all", portRangeMin: 80, portRangeMax: 80 },
  ];
  fc.assert(
    fc.property(
      groups,
      fc.constantFrom("a", "b"),
      fc.nat(),
      fc.constantFrom(...mistakes),
      fc.array(packet, { minLength: 10, maxLength: 10 }),
      (spec, name, which, mistake, packets) => {
        const rules = spec[name]?.ingressRules ?? [];
        if (rules.length === 0) return true;
        const at = which % rules.length;
        const old = rules[at]!;
        // A mistake in the protocol or in the ports is one in a rule of that protocol.
        const { protocol } = mistake as { protocol?: string };
        if (protocol !== undefined && protocol !== "tpc" && protocol !== (old.protocol || "all")) return true;
        const wrong = { ...spec[name], ingressRules: rules.with(at, { ...old, ...mistake } as Rule) };
        return packets.every((sent) => !allowed({ ...spec, [name]: wrong }, sent) || allowed(spec, sent));
      },
    ),
    { numRuns: 600 },
  );
  t.pass();
});
