// SPDX-License-Identifier: Apache-2.0

import type { SecurityGroupIngressRule, SecurityGroupSpec } from "../api/generated/securitygroup.ts";
import { type Family, parseIp } from "../net/address.ts";
import { hostCidr, parseCidr } from "../net/cidr.ts";
import type { ProjectedMeta } from "./meta.ts";
import type { PortRangeFact, SecurityGroupFact, SecurityGroupRuleFact } from "./security-group.ts";

/** What {@link projectSecurityGroup} reads of a SecurityGroup. */
export interface SecurityGroupObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: SecurityGroupSpec;
}

type Rule = Partial<SecurityGroupIngressRule>;
/** An invalid part of a rule: the message. */
type Complain = (message: string) => undefined;

/** Kube-OVN's limits; 1 is decided first. */
const FIRST_PRIORITY = 1;
const LAST_PRIORITY = 16384;

/**
 * The fact of a SecurityGroup. An invalid part of a rule is absent from the rule's fact and reported in `problems`; `src/policy/security-group-acls.ts`
 * makes such a rule deny rather than allow. The API server refuses most of these, but not in objects that are older than the schema.
 */
export function projectSecurityGroup({ metadata, spec = {} }: SecurityGroupObject): SecurityGroupFact {
  const { name, uid, generation = 0 } = metadata;
  const tier = spec.tier ?? 0;
  return {
    key: name,
    name,
    uid,
    generation,
    allowSameGroupTraffic: spec.allowSameGroupTraffic === true,
    ...(tier === 0 || tier === 1 ? { tier } : {}),
    rules: [
      ...(spec.ingressRules ?? []).map((rule, i) => projectRule(rule, "ingress", i)),
      ...(spec.egressRules ?? []).map((rule, i) => projectRule(rule, "egress", i)),
    ],
    problems:
      tier === 0 || tier === 1
        ? []
        : [{ path: "spec.tier", reason: "InvalidTier", message: `${tier} must be one of: 0, 1; nothing is allowed` }],
  };
}

function projectRule(rule: Rule, direction: "ingress" | "egress", index: number): SecurityGroupRuleFact {
  const problems: string[] = [];
  const complain: Complain = (message) => void problems.push(message);
  const family = familyOf(rule.ipVersion, complain);
  const protocol = protocolOf(rule.protocol, complain);
  const policy = policyOf(rule.policy, complain);
  const remote = remoteOf(rule, family, complain);
  const local = rule.localAddress ? addressOf("localAddress", rule.localAddress, family, complain) : "any";
  const ports = portsOf(rule, protocol, complain);
  const sourcePorts = sourcePortsOf(rule, protocol, complain);
  return {
    direction,
    index,
    priority: priorityOf(rule.priority, complain),
    ...(family && { family }),
    ...(protocol && { protocol }),
    ...(policy && { policy }),
    ...(remote && { remote }),
    ...(local && { local }),
    ...(ports && { ports }),
    ...(sourcePorts && { sourcePorts }),
    problems,
  };
}

function familyOf(text: string | undefined, complain: Complain): Family | undefined {
  if (text === "ipv4") return 4;
  if (text === "ipv6") return 6;
  return complain(`ipVersion "${text ?? ""}" must be one of: ipv4, ipv6`);
}

function protocolOf(text: string | undefined, complain: Complain): SecurityGroupRuleFact["protocol"] {
  if (text === undefined || text === "" || text === "all") return "all";
  if (text === "icmp" || text === "tcp" || text === "udp") return text;
  return complain(`protocol "${text}" must be one of: all, icmp, tcp, udp`);
}

function policyOf(text: string | undefined, complain: Complain): SecurityGroupRuleFact["policy"] {
  if (text === "allow" || text === "drop" || text === "pass") return text;
  return complain(`policy "${text ?? ""}" must be one of: allow, drop, pass`);
}

/** The nearest valid priority, so that a rule that denies is evaluated close to the intended position. */
function priorityOf(priority: number | undefined, complain: Complain): number {
  const given = Number(priority ?? 0);
  if (Number.isInteger(given) && given >= FIRST_PRIORITY && given <= LAST_PRIORITY) return given;
  complain(`priority ${given} is outside ${FIRST_PRIORITY} to ${LAST_PRIORITY}`);
  return given > LAST_PRIORITY ? LAST_PRIORITY : FIRST_PRIORITY;
}

function remoteOf(rule: Rule, family: Family | undefined, complain: Complain): SecurityGroupRuleFact["remote"] {
  const { remoteType, remoteAddress = "", remoteSecurityGroup = "" } = rule;
  if (remoteType === "securityGroup") {
    if (remoteSecurityGroup !== "") return { kind: "group", name: remoteSecurityGroup };
    return complain('remoteType is "securityGroup", but remoteSecurityGroup names none');
  }
  if (remoteType !== "address") {
    return complain(`remoteType "${remoteType ?? ""}" must be one of: address, securityGroup`);
  }
  const cidr = addressOf("remoteAddress", remoteAddress, family, complain);
  return cidr === undefined ? undefined : { kind: "cidr", cidr };
}

function addressOf(field: string, text: string, family: Family | undefined, complain: Complain): string | undefined {
  const ip = parseIp(text);
  const cidr = ip === undefined ? parseCidr(text) : hostCidr(ip);
  if (cidr === undefined) return complain(`${field} "${text}" is not an address or a CIDR`);
  if (family !== undefined && cidr.family !== family) {
    return complain(`${field} "${text}" does not match the rule's ipVersion, ipv${family}`);
  }
  return cidr.text;
}

function portsOf(
  rule: Rule,
  protocol: SecurityGroupRuleFact["protocol"],
  complain: Complain,
): SecurityGroupRuleFact["ports"] {
  const { portRangeMin: first = 0, portRangeMax: last = 0 } = rule;
  if (protocol === "tcp" || protocol === "udp") {
    const range = rangeOf(first, last);
    if (range !== undefined) return range;
    return complain(
      `portRangeMin ${first} and portRangeMax ${last} are not a valid port range for ${protocol} (1 to 65535)`,
    );
  }
  return withoutPorts("portRange", first, last, protocol, complain);
}

function sourcePortsOf(
  rule: Rule,
  protocol: SecurityGroupRuleFact["protocol"],
  complain: Complain,
): SecurityGroupRuleFact["sourcePorts"] {
  const { sourcePortRangeMin: first = 0, sourcePortRangeMax: last = 0 } = rule;
  if (protocol === "tcp" || protocol === "udp") {
    const range = first === 0 && last === 0 ? "any" : rangeOf(first, last);
    if (range !== undefined) return range;
    return complain(
      `sourcePortRangeMin ${first} and sourcePortRangeMax ${last} are not a valid port range (1 to 65535)`,
    );
  }
  return withoutPorts("sourcePortRange", first, last, protocol, complain);
}

/** A protocol without ports may have the range of all ports, which some tools always write. */
function withoutPorts(
  field: string,
  first: number,
  last: number,
  protocol: SecurityGroupRuleFact["protocol"],
  complain: Complain,
): "any" | undefined {
  if (protocol === undefined || protocol === "icmp" || (first === 0 && last === 0)) return "any";
  if (first === 1 && last === 65535) return "any";
  return complain(`${field} ${first} to ${last} needs protocol tcp or udp, not all`);
}

function rangeOf(first: number, last: number): PortRangeFact | undefined {
  const port = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= 65535;
  return port(first) && port(last) && first <= last ? { first, last } : undefined;
}
