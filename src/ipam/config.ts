import type { Ip } from "../net/address.ts";
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
} from "../net/cidr.ts";
import { type Dual, dualOf, dualValues, formatDual, parseDualIp } from "../net/dual.ts";
import { type IpRange, parseRange } from "../net/range.ts";
import { type Refusal, refuse } from "./refusal.ts";
import type { PoolConfig, SubnetConfig } from "./types.ts";

/** The fields of a Subnet that say which addresses it has, as its object has them. */
export interface AddressFields {
  readonly name: string;
  readonly cidrBlock?: string | undefined;
  readonly gateway?: string | undefined;
  readonly excludeIps?: readonly string[] | undefined;
}

/** What these come to. */
export type ParsedAddresses =
  | { readonly ok: true; readonly addresses: Pick<SubnetConfig, "name" | "cidr" | "gateway" | "exclude"> }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

/** The fields of a Subnet and its IPPools as their objects have them. */
export interface SubnetFields extends AddressFields {
  readonly pools?: readonly PoolFields[] | undefined;
  readonly macDomain?: SubnetConfig["macDomain"];
  readonly reservedMacs?: SubnetConfig["reservedMacs"];
}

/** The fields of one IPPool. */
export interface PoolFields {
  readonly name: string;
  readonly ips: readonly string[];
  readonly namespaces?: readonly string[] | undefined;
}

/** What the fields come to. A bad pool does not spoil the subnet: the entries that can be read are used. */
export type ParsedSubnet =
  | { readonly ok: true; readonly config: SubnetConfig; readonly poolProblems: readonly Refusal[] }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

/** Where no pod can have its address. */
const SPECIAL: readonly (readonly [string, string])[] = [
  ["0.0.0.0/32", "the unspecified address"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["224.0.0.0/4", "multicast"],
  ["255.255.255.255/32", "limited broadcast"],
  ["::/128", "the unspecified address"],
  ["::1/128", "loopback"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
];

/** Reads the fields of a Subnet and its IPPools, and says all that is wrong with them. */
export function subnetConfig({ pools = [], macDomain, reservedMacs, ...fields }: SubnetFields): ParsedSubnet {
  const parsed = parseAddresses(fields);
  if (!parsed.ok) return parsed;
  const poolProblems: Refusal[] = [];
  const config = { ...parsed.addresses, pools: parsePools(fields.name, pools, poolProblems), macDomain, reservedMacs };
  return { ok: true, config, poolProblems };
}

/** Reads which addresses a Subnet has, and says all that is wrong with that. A missing gateway is the first usable address. */
export function parseAddresses(fields: AddressFields): ParsedAddresses {
  const { name } = fields;
  const refusals: Refusal[] = [];
  const cidr = readCidr(name, fields.cidrBlock ?? "", refusals);
  const gateway = refusals.length > 0 ? {} : readGateway(name, fields.gateway ?? "", cidr, refusals);
  const exclude: IpRange[] = [];
  for (const text of fields.excludeIps ?? []) {
    const range = parseRange(text);
    if (range !== undefined) exclude.push(range);
    else {
      const message = `"${text}" in excludeIps of subnet "${name}" is neither an address nor a range; write 10.16.0.10 or 10.16.0.10..10.16.0.20.`;
      refusals.push(refuse("ExcludeMalformed", message, { subnet: name, value: text }));
    }
  }
  return refusals.length > 0 ? { ok: false, refusals } : { ok: true, addresses: { name, cidr, gateway, exclude } };
}

/** Reads the IPPools of a subnet. The entries that can be read are used; what is wrong with the others is added to `problems`. */
export function parsePools(subnet: string, pools: readonly PoolFields[], problems: Refusal[]): readonly PoolConfig[] {
  return pools.map((pool) => readPool(subnet, pool, problems));
}

function readCidr(subnet: string, text: string, refusals: Refusal[]): Dual<Cidr> {
  if (text === "") return {};
  const about = { subnet, value: text };
  const cidrs = text.split(",").map(parseCidr);
  const known = cidrs.filter((cidr) => cidr !== undefined);
  const dual = known.length === cidrs.length ? dualOf(known) : undefined;
  if (dual === undefined) {
    const message = `cidrBlock "${text}" of subnet "${subnet}" is not a prefix; write 10.16.0.0/16, fd00:10:16::/112, or one of each family with a comma.`;
    refusals.push(refuse("CidrMalformed", message, about));
    return {};
  }
  for (const cidr of dualValues(dual)) {
    if (usableSize(cidr) < 2n) {
      const message = `cidrBlock ${cidr.text} of subnet "${subnet}" has a single address, which the gateway needs; give it a shorter prefix.`;
      refusals.push(refuse("CidrTooSmall", message, about));
    }
    for (const [special, what] of SPECIAL) {
      const range = parseCidr(special);
      if (range === undefined || !cidrsOverlap(cidr, range)) continue;
      const message = `cidrBlock ${cidr.text} of subnet "${subnet}" overlaps ${special} (${what}), which no pod can have; choose another.`;
      refusals.push(refuse("CidrNotUnicast", message, about));
    }
  }
  return dual;
}

function readGateway(subnet: string, text: string, cidr: Dual<Cidr>, refusals: Refusal[]): Dual<Ip> {
  const named = text === "" ? {} : parseDualIp(text);
  if (named === undefined) {
    const message = `gateway "${text}" of subnet "${subnet}" is not an address; write one address of each family that the subnet has, with a comma.`;
    refusals.push(refuse("GatewayMalformed", message, { subnet, value: text }));
    return {};
  }
  const gateway: { v4?: Ip; v6?: Ip } = {};
  for (const family of ["v4", "v6"] as const) {
    const own = cidr[family];
    const ip = named[family];
    // IPv6 has no broadcast address: its last one is given to no pod, as in Kube-OVN, but a router may have it.
    const highest = own && (own.family === 6 ? lastAddress(own) : lastUsable(own));
    if (own === undefined || highest === undefined) {
      if (ip !== undefined) refusals.push(gatewayOutside(subnet, ip, cidr));
      continue;
    }
    if (ip === undefined) {
      gateway[family] = gatewayOf(own);
    } else if (!cidrContains(own, ip)) {
      refusals.push(gatewayOutside(subnet, ip, cidr));
    } else if (ip.value < firstUsable(own).value || ip.value > highest.value) {
      const message = `gateway ${ip.text} of subnet "${subnet}" is the first or last address of ${own.text}; name one from ${firstUsable(own).text} to ${highest.text}.`;
      refusals.push(refuse("GatewayIsReserved", message, { subnet, value: ip.text }));
    } else if (own.family === 4 && own.prefix === 31 && ip.value === own.base) {
      const other = lastAddress(own).text;
      const message = `gateway ${ip.text} of subnet "${subnet}" would leave its pod ${other}, which OVN drops as the broadcast address of ${own.text}; name ${other}, or give it a shorter prefix.`;
      refusals.push(refuse("GatewayIsReserved", message, { subnet, value: ip.text }));
    } else {
      gateway[family] = ip;
    }
  }
  return gateway;
}

function gatewayOutside(subnet: string, ip: Ip, cidr: Dual<Cidr>): Refusal {
  const where = formatDual(cidr);
  const message =
    where === ""
      ? `gateway ${ip.text} of subnet "${subnet}" has no cidrBlock to be in; take it away or add a cidrBlock.`
      : `gateway ${ip.text} of subnet "${subnet}" is not in its cidrBlock ${where}; name an address of that.`;
  return refuse("GatewayOutOfSubnet", message, { subnet, value: ip.text });
}

function readPool(subnet: string, pool: PoolFields, problems: Refusal[]): PoolConfig {
  const ranges: IpRange[] = [];
  for (const text of pool.ips) {
    const range = parseRange(text);
    if (range !== undefined) ranges.push(range);
    else {
      const message = `"${text}" in ips of IPPool "${pool.name}" is not read; write an address, a range such as 10.16.0.10..10.16.0.20, or a prefix.`;
      problems.push(refuse("PoolMalformed", message, { subnet, value: text, holder: pool.name, pool: pool.name }));
    }
  }
  return { name: pool.name, ranges, namespaces: pool.namespaces ?? [] };
}
