// SPDX-License-Identifier: Apache-2.0

import { type Family, hostPrefix, type Ip } from "../net/address.ts";
import { broadcastAddress, type Cidr, cidrContains, cidrSize, firstAddress, lastAddress } from "../net/cidr.ts";
import { parseMacNumber } from "../net/mac.ts";
import { formatRange, type IpRange, intersectRanges, rangeOfCidr } from "../net/range.ts";
import { AddressSpace } from "./address-space.ts";
import type { MacTable } from "./mac-table.ts";
import type { Offset, Span } from "./offset.ts";
import { type Refusal, refuse } from "./refusal.ts";
import type { PoolConfig, SubnetConfig } from "./types.ts";
import type { Layout, Special } from "./zones.ts";

/** A lease as the allocator stores it: offsets and numbers instead of strings. */
export class LeaseRecord {
  readonly owner: string;
  readonly subnet: SubnetState;
  v4: Offset | undefined;
  v6: Offset | undefined;
  mac: number | undefined;

  constructor(
    owner: string,
    subnet: SubnetState,
    v4: Offset | undefined,
    v6: Offset | undefined,
    mac: number | undefined,
  ) {
    this.owner = owner;
    this.subnet = subnet;
    this.v4 = v4;
    this.v6 = v6;
    this.mac = mac;
  }
}

/** A node's address, parsed. */
export interface NodeIp {
  readonly ip: Ip;
  readonly node: string;
}

/** One subnet: its addresses by family, and the MACs of its broadcast domain. */
export class SubnetState {
  readonly name: string;
  config: SubnetConfig;
  v4: AddressSpace<LeaseRecord> | undefined;
  v6: AddressSpace<LeaseRecord> | undefined;
  macs: MacTable<LeaseRecord>;
  #pools: ReadonlyMap<string, PoolConfig>;
  /** The number of leases. */
  leases = 0;
  /** Grows whenever something that was refused may now succeed. */
  revision = 0;

  constructor(config: SubnetConfig, macs: MacTable<LeaseRecord>) {
    this.name = config.name;
    this.config = config;
    this.#pools = poolsOf(config);
    this.macs = macs;
  }

  /** The space of a family, if the subnet has addresses of it. */
  space(family: Family): AddressSpace<LeaseRecord> | undefined {
    return family === 4 ? this.v4 : this.v6;
  }

  /**
   * The space of a family, created if necessary: an address may be held in a subnet without a CIDR of its family, and must be known if the CIDR is
   * added again.
   */
  spaceFor(ip: Ip): AddressSpace<LeaseRecord> {
    const space = this.space(ip.family) ?? new AddressSpace<LeaseRecord>(ip.family, ip.value);
    if (ip.family === 4) this.v4 = space;
    else this.v6 = space;
    return space;
  }

  /** One of its pools. */
  pool(name: string): PoolConfig | undefined {
    return this.#pools.get(name);
  }

  /** Whether this namespace may use addresses of a pool ("" for none). */
  poolIsFor(name: string, namespace = ""): boolean {
    const namespaces = this.#pools.get(name)?.namespaces ?? [];
    return namespaces.length === 0 || namespaces.includes(namespace);
  }

  /** Whether the subnet has a CIDR of the family. */
  has(family: Family): boolean {
    return (family === 4 ? this.config.cidr.v4 : this.config.cidr.v6) !== undefined;
  }

  /** Applies a configuration. Leases stay. Returns the parts that cannot be applied. */
  apply(config: SubnetConfig, nodes: readonly NodeIp[]): Refusal[] {
    for (const { mac } of this.config.reservedMacs ?? []) this.macs.unreserve(parseMacNumber(mac) ?? 0, this.name);
    for (const { mac, holder } of config.reservedMacs ?? []) {
      const number = parseMacNumber(mac);
      if (number !== undefined) this.macs.reserve(number, this.name, holder);
    }
    this.config = config;
    this.#pools = poolsOf(config);
    this.revision++;
    const problems: Refusal[] = [];
    this.v4 = this.#rebuild(4, this.v4, nodes, problems);
    this.v6 = this.#rebuild(6, this.v6, nodes, problems);
    return problems;
  }

  /** Up to `limit` holders of addresses of a pool, by ascending address. */
  holdersIn(family: Family, pool: string, limit: number): string[] {
    const space = this.space(family);
    const found: string[] = [];
    for (const holder of space?.holdersOf(pool) ?? []) {
      if (found.length >= limit) break;
      found.push(holder.owner);
    }
    return found;
  }

  /** Whether one of the addresses lies in the subnet. */
  containsAny(ips: readonly Ip[]): boolean {
    const { v4, v6 } = this.config.cidr;
    return ips.some((ip) => {
      const cidr = ip.family === 4 ? v4 : v6;
      return cidr !== undefined && cidrContains(cidr, ip);
    });
  }

  #rebuild(
    family: Family,
    space: AddressSpace<LeaseRecord> | undefined,
    nodes: readonly NodeIp[],
    problems: Refusal[],
  ): AddressSpace<LeaseRecord> | undefined {
    const cidr = family === 4 ? this.config.cidr.v4 : this.config.cidr.v6;
    if (cidr === undefined) {
      // Leases are kept when the family is removed, so that their addresses are not allocated to others if it is added again.
      if (space === undefined || space.held === 0) return undefined;
      space.rebuild(undefined);
      return space;
    }
    const target = space ?? new AddressSpace<LeaseRecord>(family, cidr.base);
    const overlaps = target.rebuild(this.#layout(target, cidr, nodes, problems));
    for (const { first, last, pool, keptBy } of overlaps) {
      const range = first === last ? target.text(first) : `${target.text(first)}..${target.text(last)}`;
      problems.push(
        refuse(
          "PoolOverlap",
          `IPPool "${pool}" names ${range}, which IPPool "${keptBy}" of subnet "${this.name}" already has; choose addresses that no other pool has.`,
          { subnet: this.name, value: range, holder: keptBy, pool },
        ),
      );
    }
    return target;
  }

  #layout(space: AddressSpace<LeaseRecord>, cidr: Cidr, nodes: readonly NodeIp[], problems: Refusal[]): Layout {
    const specials: Special[] = [];
    const add = (ip: Ip | undefined, kind: Special["kind"], holder?: string): void => {
      if (ip !== undefined && cidrContains(cidr, ip)) specials.push({ at: space.offset(ip), kind, holder });
    };
    add(cidr.family === 4 ? this.config.gateway.v4 : this.config.gateway.v6, "gateway");
    if (hostPrefix(cidr.family) - cidr.prefix >= 2) {
      add(firstAddress(cidr), "network");
      // The last address of an IPv6 subnet is no broadcast address, but Kube-OVN does not give it either.
      add(cidr.family === 4 ? broadcastAddress(cidr) : lastAddress(cidr), "broadcast");
    }
    for (const { ip, node } of nodes) add(ip, "node", node);
    const spans = (ranges: readonly IpRange[]): Span[] =>
      ranges.flatMap((range) => this.#span(space, cidr, range) ?? []);
    return {
      cidr: {
        first: space.offsetOfValue(cidr.base),
        last: space.offsetOfValue(cidr.base + cidrSize(cidr) - 1n),
      },
      specials,
      excluded: spans(this.config.exclude),
      pools: this.config.pools.map(({ name, ranges }) => {
        for (const range of ranges) this.#checkPoolRange(name, range, cidr, problems);
        return { name, spans: spans(ranges) };
      }),
    };
  }

  #span(space: AddressSpace<LeaseRecord>, cidr: Cidr, range: IpRange): Span | undefined {
    const clipped = intersectRanges(range, rangeOfCidr(cidr));
    return clipped && { first: space.offsetOfValue(clipped.first), last: space.offsetOfValue(clipped.last) };
  }

  #checkPoolRange(pool: string, range: IpRange, cidr: Cidr, problems: Refusal[]): void {
    if (range.family !== cidr.family) return;
    const whole = rangeOfCidr(cidr);
    if (range.first >= whole.first && range.last <= whole.last) return;
    const text = formatRange(range);
    problems.push(
      refuse(
        "PoolOutOfSubnet",
        `IPPool "${pool}" names ${text}, which is partly outside ${cidr.text} of subnet "${this.name}"; only addresses of the subnet are used.`,
        { subnet: this.name, value: text, holder: pool, pool },
      ),
    );
  }
}

function poolsOf({ pools }: SubnetConfig): ReadonlyMap<string, PoolConfig> {
  return new Map(pools.map((pool) => [pool.name, pool]));
}
