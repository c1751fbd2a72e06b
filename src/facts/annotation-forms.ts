// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import { parseDualIp } from "../net/dual.ts";
import { parseMac } from "../net/mac.ts";

/**
 * A form of an annotation's value: checked here by `accepts`, and in the API server by the equivalent in CEL (Kubernetes
 * "Common Expression Language", with its IP, CIDR and strings libraries). Both get the value without surrounding blanks, and never an empty one. `npm
 * run generate -- admission` writes the CEL into the chart, and a test compares both for the same values.
 */
export interface Form {
  /** The valid form, as the end of a message: "an address such as …". */
  readonly wanted: string;
  /** Longer values are invalid or, with `unjudged`, accepted: CEL has a budget. In UTF-16 units. */
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

/** The form's complete condition in CEL. */
export function celOf({ cel, limit, unjudged }: Form): string {
  const most = unjudged ? `size(v) > ${limit} ||` : `size(v) <= ${limit} &&`;
  return `v == '' || ${most} (${cel})`;
}

/** A form given by one regular expression, in the common syntax of RE2 and ECMAScript. */
function pattern(wanted: string, source: string, more: Partial<Form> = {}): Form {
  const expression = new RegExp(source);
  const cel = `v.matches(r'${source}')`;
  return { wanted, limit: 253, accepts: (value) => expression.test(value), cel, ...more };
}

/** The members of a list, including empty ones, without surrounding blanks. */
function split(value: string, separator: string | RegExp): readonly string[] {
  return value.split(separator).map((member) => member.trim());
}

/** CEL's `isIP` rejects an IPv4-mapped address, and no interface has one. */
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

/** Names of objects separated by commas. */
export const OBJECT_NAMES: Form = pattern(
  "names of objects, with commas between them",
  `^(${NAME})?([ ]*,[ ]*(${NAME})?)*$`,
  { limit: 4096, unjudged: true },
);

/** `true` or `false`. */
export const BOOLEAN: Form = pattern("true or false", "^(true|false)$");

/** Values of BGP annotations. */
export const ANNOUNCED: Form = pattern("true, cluster or local", "^(true|false|cluster|local)$");

/** A family of addresses. */
export const FAMILY: Form = pattern("ipv4 or ipv6 (or absent, for all families of the subnet)", "^(ipv4|ipv6)$");

/** A rate, a size or a time, as Kube-OVN parses them. */
export const NUMBER: Form = pattern("a whole number of 0 or more", "^[0-9]{1,15}$");

/** A percentage. */
export const PERCENT: Form = pattern("a number from 0 to 100", "^(100([.]0+)?|[0-9]{1,2}([.][0-9]+)?)$");

/** An address, or one of each family. */
export const ADDRESSES: Form = {
  wanted: "one address without a prefix length, or one IPv4 and one IPv6 address with a comma",
  limit: 100,
  accepts: (value) => parseDualIp(split(value, ",").join(",")) !== undefined && split(value, ",").every(isIp),
  cel: "v.split(',').size() <= 2 && v.split(',').all(a, isIP(a.trim())) && (v.split(',').size() == 1 || ip(v.split(',')[0].trim()).family() != ip(v.split(',')[1].trim()).family())",
};

/** The members of an {@link ADDRESS_LIST} in OVN's form; members that are neither an address nor a CIDR are left out. */
export function addressesOf(text: string): readonly string[] {
  return split(text, ",").flatMap((member) => {
    const ip = parseIp(member);
    if (ip !== undefined) return ip.text;
    // With its host bits: OVN distinguishes an address on a network from a network by them.
    const [address = "", length = ""] = member.split("/");
    const [host, cidr] = [parseIp(address), parseCidr(member)];
    return host === undefined || cidr === undefined ? [] : `${host.text}/${length}`;
  });
}

/** Addresses and CIDRs separated by commas. */
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

/** The CIDRs of subnets: those of one separated by commas, subnets by semicolons. */
export const CIDRS: Form = {
  wanted: "CIDRs, those of one subnet with a comma, subnets with semicolons",
  limit: 4096,
  unjudged: true,
  accepts: (value) => split(value, /[;,]/).every((member) => member === "" || isCidr(member)),
  cel: "v.split(';').all(s, s.split(',').all(c, c.trim() == '' || isCIDR(c.trim())))",
};

/** The excluded addresses of subnets: a CIDR if the controller excludes a whole subnet. */
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

/** RFC 8259 as regular expressions: scalar values, and one object without lists as values. */
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

/** With any surrounding blanks, as Multus accepts: people write one network per line. */
const SELECTION = `${BLANK}(${NAME}/)?${NAME}(@[^\\]\\[{}"@/:, \\t\\n\\r]{1,15})?${BLANK}`;

/** The two forms of network selections; of the JSON form only the tokens are checked, not the structure. */
export const NETWORKS: Form = pattern(
  'names such as "net1,tenant/net2@eth1", or a JSON list such as [{"name":"net1","namespace":"tenant"}]',
  `^(\\[([\\[\\]{}:, \\t\\n\\r]|${SCALAR})*\\]|${SELECTION}(,${SELECTION})*)$`,
  { limit: 8192, unjudged: true },
);
