// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import { parseDualIp } from "../net/dual.ts";
import { parseMac } from "../net/mac.ts";

/**
 * A form that an annotation's value may have: judged here by `accepts`, and in the API server by the same in CEL (Kubernetes
 * "Common Expression Language", with its IP, CIDR and strings libraries). Both are given the value without blanks around it, and
 * never an empty one. `npm run generate -- admission` brings the CEL into the chart, and a test has both judge the same values.
 */
export interface Form {
  /** What is wanted, as the end of a sentence: "an address such as …". */
  readonly wanted: string;
  /** Values longer than this are not of the form, or, with `unjudged`, are let pass: CEL has a budget. In UTF-16 units. */
  readonly limit: number;
  readonly unjudged?: true;
  readonly accepts: (value: string) => boolean;
  /** An expression over `v`. */
  readonly cel: string;
}

/** Whether a value is of a form. */
export function isOfForm({ accepts, limit, unjudged }: Form, value: string): boolean {
  const text = value.trim();
  if (text === "") return true;
  return text.length > limit ? unjudged === true : accepts(text);
}

/** The whole of the form's condition in CEL. */
export function celOf({ cel, limit, unjudged }: Form): string {
  const most = unjudged ? `size(v) > ${limit} ||` : `size(v) <= ${limit} &&`;
  return `v == '' || ${most} (${cel})`;
}

/** A form that one regular expression says, in the syntax that RE2 and ECMAScript share. */
function pattern(wanted: string, source: string, more: Partial<Form> = {}): Form {
  const expression = new RegExp(source);
  const cel = `v.matches(r'${source}')`;
  return { wanted, limit: 253, accepts: (value) => expression.test(value), cel, ...more };
}

/** The members of a list: all of them, also empty ones, without blanks around. */
function split(value: string, separator: string | RegExp): readonly string[] {
  return value.split(separator).map((member) => member.trim());
}

/** An IPv4-mapped address is none for CEL's `isIP`, and no interface has one. */
function isIp(text: string): boolean {
  return parseIp(text) !== undefined && !/^::ffff:/.test(parseIp(text)?.text ?? "");
}

function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined && isIp(text.slice(0, text.indexOf("/")));
}

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const NAME = `${LABEL}([.]${LABEL})*`;

/** RFC 1123 subdomain: the name of an object. */
export const OBJECT_NAME: Form = pattern("the name of an object: small letters, digits, - and .", `^${NAME}$`);

/** Names of objects by commas. */
export const OBJECT_NAMES: Form = pattern(
  "names of objects, with commas between them",
  `^(${NAME})?([ ]*,[ ]*(${NAME})?)*$`,
  { limit: 4096, unjudged: true },
);

/** `true` or `false`. */
export const BOOLEAN: Form = pattern("true or false", "^(true|false)$");

/** How routes are announced. */
export const ANNOUNCED: Form = pattern("true, cluster or local", "^(true|false|cluster|local)$");

/** A family of addresses. */
export const FAMILY: Form = pattern("ipv4 or ipv6 (or absent, for all families of the subnet)", "^(ipv4|ipv6)$");

/** A rate, a size, a time: as Kube-OVN reads them. */
export const NUMBER: Form = pattern("a whole number of 0 or more", "^[0-9]{1,15}$");

/** Of a hundred. */
export const PERCENT: Form = pattern("a number from 0 to 100", "^(100([.]0+)?|[0-9]{1,2}([.][0-9]+)?)$");

/** An address, or one of each family. */
export const ADDRESSES: Form = {
  wanted: "one address without a prefix length, or one IPv4 and one IPv6 address with a comma",
  limit: 100,
  accepts: (value) => parseDualIp(split(value, ",").join(",")) !== undefined && split(value, ",").every(isIp),
  cel: "v.split(',').size() <= 2 && v.split(',').all(a, isIP(a.trim())) && (v.split(',').size() == 1 || ip(v.split(',')[0].trim()).family() != ip(v.split(',')[1].trim()).family())",
};

/** The members of an {@link ADDRESS_LIST} as OVN takes them; one that is neither an address nor a CIDR is left out. */
export function addressesOf(text: string): readonly string[] {
  return split(text, ",").flatMap((member) => {
    const ip = parseIp(member);
    if (ip !== undefined) return ip.text;
    // With its host bits: OVN tells an address on a network from a network by them.
    const [address = "", length = ""] = member.split("/");
    const [host, cidr] = [parseIp(address), parseCidr(member)];
    return host === undefined || cidr === undefined ? [] : `${host.text}/${length}`;
  });
}

/** Addresses and CIDRs by commas. */
export const ADDRESS_LIST: Form = {
  wanted: "addresses or CIDRs, with commas between them",
  limit: 4096,
  unjudged: true,
  accepts: (value) => split(value, ",").every((member) => member === "" || isIp(member) || isCidr(member)),
  cel: "v.split(',').all(a, a.trim() == '' || isIP(a.trim()) || isCIDR(a.trim()))",
};

/** The MAC of one interface. */
export const MAC: Form = {
  wanted: "six bytes such as 00:00:5e:00:53:01, not multicast and not all zero",
  limit: 17,
  accepts: (value) => parseMac(value) !== undefined,
  cel: "v.matches(r'^[0-9a-fA-F][02468aceACE]((:[0-9a-fA-F]{2}){5}|(-[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{2}([.][0-9a-fA-F]{4}){2})$') && !v.matches(r'^[0:.-]+$')",
};

/** The name of an IPPool, or the addresses of a workload's pods. */
export const POOL: Form = {
  wanted: 'the name of an IPPool, addresses such as "10.16.0.5,10.16.0.6", or pairs of them with semicolons',
  limit: 4096,
  unjudged: true,
  accepts: (value) =>
    /[;,]/.test(value)
      ? split(value, ";").every((entry) => split(entry, ",").every(isIp))
      : isIp(value) || isOfForm(OBJECT_NAME, value),
  cel: `v.matches('[;,]') ? v.split(';').all(e, e.split(',').all(a, isIP(a.trim()))) : isIP(v) || size(v) <= 253 && ${OBJECT_NAME.cel}`,
};

/** The CIDRs of subnets: those of one by commas, subnets by semicolons. */
export const CIDRS: Form = {
  wanted: "CIDRs, those of one subnet with a comma, subnets with semicolons",
  limit: 4096,
  unjudged: true,
  accepts: (value) => split(value, /[;,]/).every((member) => member === "" || isCidr(member)),
  cel: "v.split(';').all(s, s.split(',').all(c, c.trim() == '' || isCIDR(c.trim())))",
};

/** The excluded addresses of subnets: a CIDR is there where the controller keeps a whole subnet closed. */
export const RANGES: Form = {
  wanted: 'addresses, ranges "a..b" and CIDRs, those of one subnet with commas, subnets with semicolons',
  limit: 4096,
  unjudged: true,
  accepts: (value) =>
    split(value, /[;,]/).every(
      (member) =>
        member === "" || isCidr(member) || (split(member, "..").length <= 2 && split(member, "..").every(isIp)),
    ),
  cel: "v.split(';').all(s, s.split(',').all(r, r.trim() == '' || isCIDR(r.trim()) || r.split('..').size() <= 2 && r.split('..').all(a, isIP(a.trim()))))",
};

/** RFC 8259, in the syntax of regular expressions: what stands for itself, and what one object holds whose values are no lists. */
const BLANK = "[ \\t\\n\\r]*";
const STRING = String.raw`"([^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"`;
const SCALAR = `(${STRING}|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?|true|false|null)`;
const PAIR = `${STRING}${BLANK}:${BLANK}${SCALAR}${BLANK}`;
const OBJECT = `[{]${BLANK}(${PAIR}(,${BLANK}${PAIR})*)?[}]${BLANK}`;

/** JSON: routes of a pod. */
export const ROUTES: Form = pattern(
  'a JSON list such as [{"dst":"10.0.0.0/8","gw":"10.16.0.254"}]',
  `^\\[${BLANK}(${OBJECT}(,${BLANK}${OBJECT})*)?\\]$`,
  { limit: 4096, unjudged: true },
);

/** With any blanks around it, as Multus takes it: people write a network a line. */
const SELECTION = `${BLANK}(${NAME}/)?${NAME}(@[^\\]\\[{}"@/:, \\t\\n\\r]{1,15})?${BLANK}`;

/** The two forms of network selections; of the one in JSON its words are looked at, not how they stand together. */
export const NETWORKS: Form = pattern(
  'names such as "net1,tenant/net2@eth1", or a JSON list such as [{"name":"net1","namespace":"tenant"}]',
  `^(\\[([\\[\\]{}:, \\t\\n\\r]|${SCALAR})*\\]|${SELECTION}(,${SELECTION})*)$`,
  { limit: 8192, unjudged: true },
);
