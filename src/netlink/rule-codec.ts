// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { bytesAttribute, decodeAttributes, textAttribute, u8Attribute, u32Attribute } from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "./message.ts";
import {
  familyNumber,
  familyOf,
  ipBytes,
  prefixText,
  requireCidr,
  requireInterfaceName,
  requireU32,
} from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
const RTM_GETRULE = 34;

/** Attributes and flags (linux/fib_rules.h). */
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_GOTO = 4;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_OIFNAME = 17;
const FRA_PROTOCOL = 21;
const FRA_IP_PROTO = 22;
const FIB_RULE_INVERT = 2;
/** struct fib_rule_hdr */
const HEADER = 12;
const NO_SUPPRESSION = 0xffff_ffff;

/** action → FR_ACT_* */
const ACTIONS = { table: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 } as const;

/** The action of a rule: look up a table, jump to another rule, or terminate. */
export type RuleAction = keyof typeof ACTIONS;

/** A rule of the routing policy (ip-rule(8)): all fields that are present must match. */
export interface RuleSpec {
  readonly family: Family;
  /** Lower has precedence; several rules may have the same */
  readonly priority: number;
  /** Default: `table` */
  readonly action?: Exclude<RuleAction, "goto">;
  /** The table to look up, for the action `table` */
  readonly table?: number;
  /** A prefix */
  readonly source?: string;
  /** A prefix */
  readonly destination?: string;
  /** Firewall mark */
  readonly mark?: number;
  /** Mask of the mark; default: all bits */
  readonly mask?: number;
  /** Name of the receiving interface; "lo" for packets of the host itself */
  readonly inputInterface?: string;
  /** Name of the interface a local socket is bound to */
  readonly outputInterface?: string;
  /** Transport protocol: 6 TCP, 17 UDP */
  readonly ipProtocol?: number;
  /** Ignore routes of the table with a prefix of this length or shorter (0: default routes) */
  readonly suppressPrefixLength?: number;
  /** Invert the match */
  readonly invert?: boolean;
  /** Origin (RTPROT_*); default: none */
  readonly protocol?: number;
}

/** A rule as the kernel reports it. */
export interface Rule {
  readonly family: Family;
  readonly priority: number;
  /** `undefined` for an unknown action */
  readonly action: RuleAction | undefined;
  readonly table: number;
  readonly goto: number | undefined;
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly mark: number | undefined;
  readonly mask: number | undefined;
  readonly inputInterface: string | undefined;
  readonly outputInterface: string | undefined;
  readonly ipProtocol: number | undefined;
  readonly suppressPrefixLength: number | undefined;
  readonly invert: boolean;
  readonly protocol: number;
}

function encode(name: string, type: number, flags: number, spec: RuleSpec): NetlinkRequest {
  const action = spec.action ?? "table";
  if ((action === "table") !== (spec.table !== undefined)) {
    throw invalidArgument(name, `action ${action} with table ${spec.table ?? "none"}`);
  }
  const table = requireU32(name, "table", spec.table ?? 0);
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(familyNumber(spec.family), 0);
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(ACTIONS[action], 7);
  header.writeUInt32LE(spec.invert === true ? FIB_RULE_INVERT : 0, 8);
  const parts: Buffer[] = [header];
  for (const [text, attribute, at] of [
    [spec.source, FRA_SRC, 2],
    [spec.destination, FRA_DST, 1],
  ] as const) {
    if (text === undefined) continue;
    const cidr = requireCidr(name, text);
    if (cidr.family !== spec.family) throw invalidArgument(name, `${text} in a rule for IPv${spec.family}`);
    // A prefix of length 0 matches everything, and the kernel requires that it is absent.
    if (cidr.prefix === 0) continue;
    header.writeUInt8(cidr.prefix, at);
    parts.push(bytesAttribute(attribute, ipBytes({ family: cidr.family, value: cidr.base })));
  }
  if (spec.mark !== undefined) parts.push(u32Attribute(FRA_FWMARK, requireU32(name, "mark", spec.mark)));
  if (spec.mask !== undefined) parts.push(u32Attribute(FRA_FWMASK, requireU32(name, "mask", spec.mask)));
  for (const [text, attribute] of [
    [spec.inputInterface, FRA_IIFNAME],
    [spec.outputInterface, FRA_OIFNAME],
  ] as const) {
    if (text !== undefined) parts.push(textAttribute(attribute, requireInterfaceName(name, text)));
  }
  for (const [number, attribute] of [
    [spec.ipProtocol, FRA_IP_PROTO],
    [spec.protocol, FRA_PROTOCOL],
  ] as const) {
    if (number === undefined) continue;
    if (!Number.isInteger(number) || number < 0 || number > 255) throw invalidArgument(name, `protocol ${number}`);
    parts.push(u8Attribute(attribute, number));
  }
  if (spec.suppressPrefixLength !== undefined) {
    const length = requireU32(name, "prefix length", spec.suppressPrefixLength);
    parts.push(u32Attribute(FRA_SUPPRESS_PREFIXLEN, length));
  }
  if (table > 255) parts.push(u32Attribute(FRA_TABLE, table));
  parts.push(u32Attribute(FRA_PRIORITY, requireU32(name, "priority", spec.priority)));
  return { type, name, flags, payload: Buffer.concat(parts) };
}

/** Adds a rule; fails if an identical one exists. */
export function encodeRuleNew(spec: RuleSpec): NetlinkRequest {
  return encode("RTM_NEWRULE", RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, spec);
}

/** Deletes the first rule that matches all fields. */
export function encodeRuleDelete(spec: RuleSpec): NetlinkRequest {
  return encode("RTM_DELRULE", RTM_DELRULE, 0, spec);
}

/** Requests the rules of a family. */
export function encodeRuleDump(family: Family): NetlinkRequest {
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(familyNumber(family), 0);
  return { type: RTM_GETRULE, name: "RTM_GETRULE", payload: header };
}

/** Reads the payload of an RTM_NEWRULE or RTM_DELRULE; `undefined` for other families. Throws `protocol`. */
export function decodeRule(payload: Buffer): Rule | undefined {
  if (payload.length < HEADER) throw malformed("rule", `${payload.length} bytes`);
  const family = familyOf(payload.readUInt8(0));
  if (family === undefined) return undefined;
  const attributes = decodeAttributes(payload.subarray(HEADER), "rule");
  const prefix = (attribute: number, at: number) => {
    const length = payload.readUInt8(at);
    if (length === 0) return undefined;
    return prefixText(family, attributes.bytes(attribute), length, "rule");
  };
  const suppress = attributes.u32(FRA_SUPPRESS_PREFIXLEN);
  return {
    family,
    priority: attributes.u32(FRA_PRIORITY) ?? 0,
    action: actionName(payload.readUInt8(7)),
    table: attributes.u32(FRA_TABLE) ?? payload.readUInt8(4),
    goto: attributes.u32(FRA_GOTO),
    source: prefix(FRA_SRC, 2),
    destination: prefix(FRA_DST, 1),
    mark: attributes.u32(FRA_FWMARK),
    mask: attributes.u32(FRA_FWMASK),
    inputInterface: attributes.text(FRA_IIFNAME),
    outputInterface: attributes.text(FRA_OIFNAME),
    ipProtocol: attributes.u8(FRA_IP_PROTO),
    suppressPrefixLength: suppress === NO_SUPPRESSION ? undefined : suppress,
    invert: (payload.readUInt32LE(8) & FIB_RULE_INVERT) !== 0,
    protocol: attributes.u8(FRA_PROTOCOL) ?? 0,
  };
}

function actionName(number: number): RuleAction | undefined {
  for (const [name, action] of Object.entries(ACTIONS)) if (action === number) return name as RuleAction;
  return undefined;
}
