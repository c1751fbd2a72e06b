// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "./address.ts";
import {
  type Cidr,
  cidrContains,
  cidrsOverlap,
  firstUsable,
  gatewayOf,
  lastAddress,
  lastUsable,
  parseCidr,
  usableSize,
} from "./cidr.ts";
import { type Dual, dualValues, parseDualCidr, parseDualIp } from "./dual.ts";
import { type IpRange, parseRange } from "./range.ts";

/** The fields of `Subnet.spec` for its addresses, unparsed. */
export interface SubnetAddressFields {
  readonly cidrBlock?: string | undefined;
  readonly gateway?: string | undefined;
  readonly excludeIps?: readonly string[] | undefined;
}

/** The parsed fields. */
export interface SubnetAddresses {
  /** Neither family: a subnet whose ports have a MAC and get addresses elsewhere (Kube-OVN's protocol "Mac"). */
  readonly cidr: Dual<Cidr>;
  /** One for each family of `cidr`; by default the first usable address. */
  readonly gateway: Dual<Ip>;
  /** Allocated on explicit request only. */
  readonly exclude: readonly IpRange[];
}

/** A problem with one of the fields. */
export interface SubnetAddressProblem {
  /** One CamelCase word, the reason of a condition. */
  readonly reason: "InvalidCIDR" | "CidrNotUnicast" | "InvalidGateway" | "GatewayIsReserved" | "InvalidExcludeIps";
  /** A message without a full stop that names field, value and what would be accepted. */
  readonly message: string;
}

/** The result of parsing: the addresses, or all problems. */
export type ParsedSubnetAddresses =
  | { readonly ok: true; readonly addresses: SubnetAddresses }
  | { readonly ok: false; readonly problems: readonly [SubnetAddressProblem, ...SubnetAddressProblem[]] };

/** Ranges in which no pod can have an address. */
const SPECIAL: readonly (readonly [range: string, what: string])[] = [
  ["0.0.0.0/32", "the unspecified address"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["224.0.0.0/4", "multicast"],
  ["255.255.255.255/32", "limited broadcast"],
  ["::/128", "the unspecified address"],
  ["::1/128", "loopback"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
  // `PROBE_NETWORK` of `src/api/names.ts`; its IPv4 counterpart is link-local.
  ["fd69::8/126", "reserved for kubelet's probes"],
];

/**
 * Parses the addresses of a subnet. The only place with these rules in the controller. Everything that the rules in `crds/subnets.yaml` refuse is
 * refused here as well (`test/e2e/smoke/crds.test.ts`), for objects older than these rules; except that a gateway without a CIDR of its family is
 * ignored here, as in Kube-OVN.
 */
export function parseSubnetAddresses(fields: SubnetAddressFields): ParsedSubnetAddresses {
  const { cidrBlock = "", gateway: gateways = "", excludeIps = [] } = fields;
  const problems: SubnetAddressProblem[] = [];
  const exclude: IpRange[] = [];
  for (const text of excludeIps) {
    const range = parseRange(text);
    if (range !== undefined) exclude.push(range);
    else {
      const message = `spec.excludeIps has "${text}", which is not an address or a range "a..b" whose first address is not above its last`;
      problems.push({ reason: "InvalidExcludeIps", message });
    }
  }
  const cidr = readCidr(cidrBlock, problems);
  const gateway = cidr === undefined ? {} : readGateway(gateways, cidr, problems);
  const [first, ...others] = problems;
  if (first !== undefined) return { ok: false, problems: [first, ...others] };
  return { ok: true, addresses: { cidr: cidr ?? {}, gateway, exclude } };
}

/** `undefined` if it is invalid. */
function readCidr(text: string, problems: SubnetAddressProblem[]): Dual<Cidr> | undefined {
  if (text === "") return {};
  const cidr = parseDualCidr(text);
  if (cidr === undefined) {
    const message = `spec.cidrBlock "${text}" is not a CIDR or a pair "IPv4 CIDR,IPv6 CIDR"`;
    problems.push({ reason: "InvalidCIDR", message });
    return undefined;
  }
  const before = problems.length;
  for (const block of dualValues(cidr)) {
    if (usableSize(block) < 2n) {
      const message = `spec.cidrBlock ${block.text} is one address: a gateway and a pod need at least two`;
      problems.push({ reason: "InvalidCIDR", message });
    }
    for (const [special, what] of SPECIAL) {
      const range = parseCidr(special);
      if (range === undefined || !cidrsOverlap(block, range)) continue;
      const message = `spec.cidrBlock ${block.text} overlaps ${special} (${what}), which no pod can have; choose another`;
      problems.push({ reason: "CidrNotUnicast", message });
    }
  }
  return problems.length > before ? undefined : cidr;
}

function readGateway(text: string, cidr: Dual<Cidr>, problems: SubnetAddressProblem[]): Dual<Ip> {
  const named = text === "" ? {} : parseDualIp(text);
  if (named === undefined) {
    const message = `spec.gateway "${text}" is not an address or a pair "IPv4,IPv6"`;
    problems.push({ reason: "InvalidGateway", message });
    return {};
  }
  const gateway: { v4?: Ip; v6?: Ip } = {};
  for (const family of ["v4", "v6"] as const) {
    const block = cidr[family];
    const ip = named[family];
    // A gateway of a family that the subnet does not have is ignored.
    if (block === undefined) continue;
    const problem = ip && gatewayProblem(ip, block);
    if (problem !== undefined) problems.push(problem);
    else gateway[family] = ip ?? gatewayOf(block);
  }
  return gateway;
}

function gatewayProblem(ip: Ip, block: Cidr): SubnetAddressProblem | undefined {
  if (!cidrContains(block, ip)) {
    const message = `spec.gateway ${ip.text} is outside ${block.text}; name an address of it, or none to get the first one`;
    return { reason: "InvalidGateway", message };
  }
  // IPv6 has no broadcast address: its last address is not allocated to pods, as in Kube-OVN, but a router may have it.
  const highest = block.family === 6 ? lastAddress(block) : lastUsable(block);
  if (ip.value < firstUsable(block).value || ip.value > highest.value) {
    const message = `spec.gateway ${ip.text} is the first or last address of ${block.text}; name one from ${firstUsable(block).text} to ${highest.text}`;
    return { reason: "GatewayIsReserved", message };
  }
  if (block.family === 4 && block.prefix === 31 && ip.value === block.base) {
    const other = lastAddress(block).text;
    const message = `spec.gateway ${ip.text} would leave its pod ${other}, which OVN drops as the broadcast address of ${block.text}; name ${other}, or choose a shorter prefix`;
    return { reason: "GatewayIsReserved", message };
  }
  return undefined;
}
