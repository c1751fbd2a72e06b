// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import { parseMac } from "../../net/mac.ts";
import { members, type OptionReader, ownOption, type ReadOptions, readOptionList } from "../option-list.ts";

/**
 * The DHCP options that OVN supports, and the types of their values (ovn lib/ovn-l7.h, northd/ovn-northd.c; ovn-nb(5), DHCP_Options; the same in
 * 25.03 and 26.03). northd puts all options into one action for each port: an option that ovn-controller cannot parse disables DHCP for all ports of
 * the subnet, and only its log says so.
 */

/** A DHCPv4 option has a length field of one byte. */
const V4_BYTES = 255;
/** A DHCPv6 option has a length field of two bytes, but an answer must fit into one datagram. */
const V6_BYTES = 1024;

/** RFC 1035 §2.3.1, and `_` as in names of services. */
const LABEL = /^[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?$/i;
const DOMAIN = /^(?=.{2,253}$)[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?)*$/i;

const wrong = (text: string): { readonly wrong: string } => ({ wrong: text });

/** One address of the family, or a list of up to `limit`. */
function addresses(family: 4 | 6, limit: number): OptionReader {
  const example = family === 4 ? "10.16.0.10" : "fd00:10:16::a";
  return (value) => {
    const found = members(value).map((member) => parseIp(member));
    const texts = found.flatMap((ip) => (ip?.family === family ? ip.text : []));
    if (texts.length !== found.length || texts.length === 0) {
      const list = limit > 1 ? `, or several in braces, {${example}, …}` : "";
      return wrong(`is not a valid IPv${family} address such as ${example}${list}`);
    }
    if (texts.length > limit) return wrong(`has ${texts.length} addresses; the limit is ${limit}`);
    return { value: texts.length === 1 ? texts.join() : `{${texts.join(", ")}}` };
  };
}

function integer(first: number, last: number): OptionReader {
  return (value) => {
    const number = /^(?:0|[1-9][0-9]{0,9})$/.test(value) ? Number(value) : Number.NaN;
    return number >= first && number <= last ? { value } : wrong(`must be a whole number from ${first} to ${last}`);
  };
}

/** OVN's strings are in quotes and escaped as in JSON (ovn lib/lex.c). */
function string(bytes: number): OptionReader {
  return (value) => {
    const text = unquoted(value);
    if (text === undefined || text === "" || !text.isWellFormed() || /\p{Cc}/u.test(text))
      return wrong('is not a string; write it in quotes, as in "example.com"');
    if (Buffer.byteLength(text) > bytes) return wrong(`has ${Buffer.byteLength(text)} bytes; the limit is ${bytes}`);
    return { value: JSON.stringify(text) };
  };
}

function unquoted(value: string): string | undefined {
  if (!value.startsWith('"')) return /["{}\\]/.test(value) ? undefined : value;
  try {
    const text: unknown = JSON.parse(value);
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Domain names in one string, separated by commas. */
function domains(limit: number): OptionReader {
  return (value) => {
    const names = members(value).map((name) => name.replace(/\.$/, ""));
    const bad = names.find((name) => !DOMAIN.test(name));
    if (bad !== undefined || names.length === 0 || names.length > limit)
      return wrong(
        limit > 1
          ? 'is not a valid list of domain names such as "example.com,example.org"'
          : "is not a valid domain name",
      );
    const text = names.join(",");
    return text.length > V4_BYTES - 2 ? wrong("is longer than 253 characters") : { value: `"${text}"` };
  };
}

/** OVN sends the text of `domain_search` as one label, with its dots and commas (findings/ovn-dhcpv6-search-list-is-one-label.sh). */
const label: OptionReader = (value) => {
  const name = members(value).join(",").replace(/\.$/, "");
  return LABEL.test(name)
    ? { value: `"${name}"` }
    : wrong(
        'must be one name without dots, as "lan": OVN sends the text as one label; for other search lists use the option dnssl of Subnet.spec.ipv6RAConfigs',
      );
};

const host: OptionReader = (value) => {
  const ip = parseIp(value);
  return ip?.family === 4 ? { value: ip.text } : string(V4_BYTES)(value);
};

/** Pairs of destination and router (RFC 3442). */
const routes: OptionReader = (value) => {
  const parts = members(value);
  const texts = parts.map((part, i) => {
    const block = i % 2 === 0 ? parseCidr(part) : undefined;
    const ip = parseIp(part);
    if (block?.family === 4) return block.text;
    return ip?.family === 4 ? ip.text : undefined;
  });
  // At most nine bytes each.
  if (texts.includes(undefined) || texts.length === 0 || texts.length % 2 === 1 || texts.length > 56)
    return wrong(
      "is not a valid list of routes such as {30.0.0.0/24,10.0.0.10, 0.0.0.0/0,10.0.0.1}: up to 28 pairs of CIDR and router",
    );
  return { value: `{${texts.join(", ")}}` };
};

const mac: OptionReader = (value) => {
  const found = parseMac(value);
  return found === undefined ? wrong("is not a valid MAC address such as 00:00:5e:00:53:01") : { value: found };
};

const bool = integer(0, 1);
const uint8 = integer(0, 0xff);
const uint32 = integer(0, 0xffff_ffff);
/** Whether values fit into one option. */
const ipv4s = addresses(4, 63);

const isBoolean: OptionReader = (value) =>
  value === "true" || value === "false" ? { value } : wrong("must be one of: true, false");

const V4: ReadonlyMap<string, OptionReader> = new Map(
  Object.entries({
    netmask: ownOption,
    offerip: ownOption,
    server_id: addresses(4, 1),
    server_mac: mac,
    lease_time: uint32,
    router: ipv4s,
    dns_server: ipv4s,
    log_server: ipv4s,
    lpr_server: ipv4s,
    swap_server: addresses(4, 1),
    policy_filter: ipv4s,
    router_solicitation: addresses(4, 1),
    nis_server: ipv4s,
    ntp_server: ipv4s,
    netbios_name_server: ipv4s,
    tftp_server_address: ipv4s,
    broadcast_address: addresses(4, 1),
    next_server: addresses(4, 1),
    tftp_server: host,
    classless_static_route: routes,
    ms_classless_static_route: routes,
    ip_forward_enable: bool,
    router_discovery: bool,
    ethernet_encap: bool,
    default_ttl: uint8,
    tcp_ttl: uint8,
    netbios_node_type: uint8,
    mtu: integer(68, 0xffff),
    T1: integer(68, 0xffff_ffff),
    T2: integer(68, 0xffff_ffff),
    arp_cache_timeout: uint32,
    tcp_keepalive_interval: uint32,
    hostname: string(V4_BYTES),
    domain_name: string(V4_BYTES),
    bootfile_name: string(V4_BYTES),
    bootfile_name_alt: string(V4_BYTES),
    wpad: string(V4_BYTES),
    path_prefix: string(V4_BYTES),
    domain_search_list: domains(64),
  }),
);

const V6: ReadonlyMap<string, OptionReader> = new Map(
  Object.entries({
    ia_addr: ownOption,
    server_id: mac,
    dns_server: addresses(6, 63),
    domain_search: label,
    bootfile_name: string(V6_BYTES),
    bootfile_name_alt: string(V6_BYTES),
    fqdn: domains(1),
    dhcpv6_stateless: isBoolean,
  }),
);

/** Reads `Subnet.spec.dhcpV4Options` or `dhcpV6Options`, or a pod's options at `path`: the options in OVN's form, and why others are left out. */
export function readDhcpOptions(text: string, family: 4 | 6, path = `spec.dhcpV${family}Options`): ReadOptions {
  return readOptionList(text, path, family === 4 ? V4 : V6);
}

const ROUTE_INFO = /^(HIGH|MEDIUM|LOW)-(.+)$/;

/** RFC 4191 routes, `HIGH-fd00::/48,LOW-fd01::/48`. */
const routeInfo: OptionReader = (value) => {
  const texts = members(value).map((entry) => {
    const [, preference, prefix = ""] = ROUTE_INFO.exec(entry) ?? [];
    const block = parseCidr(prefix);
    return preference !== undefined && block?.family === 6 ? `${preference}-${block.text}` : undefined;
  });
  return texts.includes(undefined) || texts.length === 0 || texts.length > 16
    ? wrong("is not a valid list of up to 16 routes such as HIGH-fd00:1::/48,LOW-fd00:2::/48")
    : { value: texts.join(",") };
};

function oneOf(...words: readonly string[]): OptionReader {
  return (value) => (words.includes(value) ? { value } : wrong(`must be one of: ${words.join(", ")}`));
}

/** northd adds the quotes. */
const searchList: OptionReader = (value) => {
  const made = domains(16)(value);
  return "value" in made ? { value: made.value.slice(1, -1) } : made;
};

/** ovn-nb(5), Logical_Router_Port `ipv6_ra_configs`; OVN uses the limits of RFC 4861 §6.2.1 (ovn lib/packets.h). */
const RA: ReadonlyMap<string, OptionReader> = new Map(
  Object.entries({
    address_mode: oneOf("slaac", "dhcpv6_stateful", "dhcpv6_stateless"),
    router_preference: oneOf("HIGH", "MEDIUM", "LOW"),
    route_info: routeInfo,
    mtu: integer(1280, 0xffff),
    send_periodic: isBoolean,
    max_interval: integer(4, 1800),
    min_interval: integer(3, 1350),
    rdnss: addresses(6, 1),
    dnssl: searchList,
  }),
);

/** Reads `Subnet.spec.ipv6RAConfigs`; Kube-OVN's defaults if it is empty. Without an address mode OVN would not advertise. */
export function readRaConfigs(text: string): ReadOptions {
  const address_mode = "dhcpv6_stateful";
  if (text.trim() === "") {
    const options = { address_mode, max_interval: "30", min_interval: "5", send_periodic: "true" };
    return { options, problems: [] };
  }
  const { options, problems } = readOptionList(text, "spec.ipv6RAConfigs", RA);
  return { options: { address_mode, ...options }, problems };
}
