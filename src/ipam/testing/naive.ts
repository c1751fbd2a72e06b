// SPDX-License-Identifier: Apache-2.0

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "../../net/address.ts";

/**
 * A second allocator for tests, as simple as can be: every address of a subnet is looked at in every decision. It shares no
 * code with the real one but the reading and writing of addresses. Only small subnets.
 */
export interface NaiveSubnet {
  /** "10.0.0.0/28", and the same for IPv6; absent where the subnet has no such family. */
  readonly v4?: NaiveRange | undefined;
  readonly v6?: NaiveRange | undefined;
}

/** One family of a subnet: offsets count from `base`. */
export interface NaiveRange {
  readonly base: string;
  readonly size: number;
  readonly gateway: number;
  readonly nodes: readonly number[];
  readonly excluded: readonly (readonly [number, number])[];
  readonly pools: readonly { readonly name: string; readonly spans: readonly (readonly [number, number])[] }[];
}

type FamilyKey = "v4" | "v6";
export type NaiveOutcome =
  | { ok: true; subnet: string; v4: string | undefined; v6: string | undefined }
  | { ok: false; code: string };

interface Held {
  subnet: string;
  v4: string | undefined;
  v6: string | undefined;
}

export interface NaiveRequest {
  readonly owner: string;
  readonly subnets: readonly string[];
  readonly kind: "any" | "static" | "pool";
  /** Offsets, where `kind` is static. */
  readonly at?: { readonly v4?: string | undefined; readonly v6?: string | undefined };
  readonly pool?: string | undefined;
  readonly family?: 4 | 6 | undefined;
}

/** All subnets and leases. */
export class NaiveIpam {
  readonly subnets = new Map<string, NaiveSubnet>();
  readonly leases = new Map<string, Held>();
  /** Addresses that were released, in order, by subnet and family. */
  readonly released = new Map<string, string[]>();

  configure(name: string, subnet: NaiveSubnet): void {
    this.subnets.set(name, subnet);
    for (const family of ["v4", "v6"] as const) {
      const list = this.#released(name, family);
      this.released.set(
        `${name}/${family}`,
        list.filter((address) => this.kindOf(name, family, address) === "auto"),
      );
    }
  }

  /** What is said of an address; `undefined` outside the subnet. */
  kindOf(name: string, family: FamilyKey, address: string): string | undefined {
    const range = this.subnets.get(name)?.[family];
    if (range === undefined) return undefined;
    const at = offset(family, range.base, address);
    if (at < 0 || at >= range.size) return undefined;
    if (at === range.gateway) return "gateway";
    if (range.size > 2 && at === 0) return "network";
    if (range.size > 2 && at === range.size - 1) return "broadcast";
    if (range.nodes.includes(at)) return "node";
    return range.excluded.some(([first, last]) => first <= at && at <= last) ? "excluded" : "auto";
  }

  poolOf(name: string, family: FamilyKey, address: string): string {
    const range = this.subnets.get(name)?.[family];
    if (range === undefined) return "";
    const at = offset(family, range.base, address);
    return range.pools.find(({ spans }) => spans.some(([first, last]) => first <= at && at <= last))?.name ?? "";
  }

  holder(name: string, family: FamilyKey, address: string): string | undefined {
    for (const [owner, lease] of this.leases) if (lease.subnet === name && lease[family] === address) return owner;
    return undefined;
  }

  /** All addresses of a subnet's family, in order. */
  addresses(name: string, family: FamilyKey): string[] {
    const range = this.subnets.get(name)?.[family];
    return range === undefined ? [] : Array.from({ length: range.size }, (_, i) => address(family, range.base, i));
  }

  next(name: string, family: FamilyKey, pool: string): string | undefined {
    const released = this.#released(name, family);
    const usable = (candidate: string): boolean =>
      this.kindOf(name, family, candidate) === "auto" &&
      this.poolOf(name, family, candidate) === pool &&
      this.holder(name, family, candidate) === undefined;
    return (
      this.addresses(name, family).find((candidate) => usable(candidate) && !released.includes(candidate)) ??
      released.find(usable)
    );
  }

  allocate(request: NaiveRequest): NaiveOutcome {
    const held = this.leases.get(request.owner);
    let outcome: NaiveOutcome = { ok: false, code: "SubnetUnknown" };
    const order = [...request.subnets].sort((a, b) => Number(b === held?.subnet) - Number(a === held?.subnet));
    for (const name of order) {
      outcome = this.#attempt(name, request, held?.subnet === name ? held : undefined);
      if (outcome.ok) break;
    }
    if (!outcome.ok) return outcome;
    const { subnet, v4, v6 } = outcome;
    if (held !== undefined) {
      const keeps = held.subnet === subnet && (held.v4 ?? v4) === v4 && (held.v6 ?? v6) === v6;
      if (!keeps) return { ok: false, code: "HoldsAnother" };
    }
    for (const family of ["v4", "v6"] as const) {
      const list = this.#released(subnet, family);
      this.released.set(
        `${subnet}/${family}`,
        list.filter((item) => item !== outcome[family]),
      );
    }
    this.leases.set(request.owner, { subnet, v4, v6 });
    return outcome;
  }

  release(owner: string): void {
    const held = this.leases.get(owner);
    if (held === undefined) return;
    this.leases.delete(owner);
    for (const family of ["v4", "v6"] as const) {
      const address = held[family];
      if (address !== undefined && this.kindOf(held.subnet, family, address) === "auto") {
        this.#released(held.subnet, family).push(address);
      }
    }
  }

  /** Available and in use, as a status shows them. */
  usage(name: string, family: FamilyKey, pool?: string): { available: string[]; using: string[] } {
    const ofPool = (address: string): boolean => pool === undefined || this.poolOf(name, family, address) === pool;
    const all = this.addresses(name, family).filter(ofPool);
    const auto = (address: string): boolean => this.kindOf(name, family, address) === "auto";
    const free = (address: string): boolean => this.holder(name, family, address) === undefined;
    return {
      available: all.filter((address) => auto(address) && free(address)),
      using: all.filter((address) => (pool !== undefined || auto(address)) && !free(address)),
    };
  }

  #attempt(name: string, request: NaiveRequest, held: Held | undefined): NaiveOutcome {
    const subnet = this.subnets.get(name);
    if (subnet === undefined) return { ok: false, code: "SubnetUnknown" };
    const families = (["v4", "v6"] as const).filter(
      (family) => subnet[family] !== undefined && request.family !== (family === "v4" ? 6 : 4),
    );
    if (families.length === 0) return { ok: false, code: "FamilyMismatch" };
    if (request.kind === "static") {
      for (const family of ["v4", "v6"] as const) {
        const wanted = request.at?.[family];
        if (wanted === undefined) continue;
        if (request.family === (family === "v4" ? 6 : 4)) return { ok: false, code: "FamilyMismatch" };
        const kind = this.kindOf(name, family, wanted);
        const holder = this.holder(name, family, wanted);
        if (kind === undefined) return { ok: false, code: "AddressOutOfSubnet" };
        if (kind === "gateway") return { ok: false, code: "AddressIsGateway" };
        if (kind === "network") return { ok: false, code: "AddressIsNetwork" };
        if (kind === "broadcast") return { ok: false, code: "AddressIsBroadcast" };
        if (kind === "node") return { ok: false, code: "AddressOfNode" };
        if (holder !== undefined && holder !== request.owner) return { ok: false, code: "AddressInUse" };
      }
    }
    const pool = request.pool ?? "";
    const result: { v4?: string | undefined; v6?: string | undefined } = {};
    for (const family of families) {
      const current = held?.[family];
      const kind = current === undefined ? undefined : this.kindOf(name, family, current);
      const keep =
        (kind === "auto" || kind === "excluded") &&
        (request.kind !== "pool" || this.poolOf(name, family, current ?? "") === pool);
      const named = request.kind === "static" ? request.at?.[family] : undefined;
      result[family] = named ?? (keep ? current : this.next(name, family, pool));
      if (result[family] === undefined) return { ok: false, code: "NoAvailableAddress" };
    }
    return { ok: true, subnet: name, v4: result.v4, v6: result.v6 };
  }

  #released(name: string, family: FamilyKey): string[] {
    const key = `${name}/${family}`;
    const list = this.released.get(key) ?? [];
    this.released.set(key, list);
    return list;
  }
}

/** The address so many places after another. */
export function address(family: FamilyKey, base: string, offset: number): string {
  return family === "v4"
    ? formatIpv4((parseIpv4(base) ?? 0) + offset)
    : formatIpv6((parseIpv6(base) ?? 0n) + BigInt(offset));
}

function offset(family: FamilyKey, base: string, address: string): number {
  return family === "v4"
    ? (parseIpv4(address) ?? 0) - (parseIpv4(base) ?? 0)
    : Number((parseIpv6(address) ?? 0n) - (parseIpv6(base) ?? 0n));
}

/** "a-b,c" of addresses in order, as Kube-OVN writes ranges. */
export function rangeText(family: FamilyKey, addresses: readonly string[]): string {
  const parts: string[] = [];
  let first: string | undefined;
  for (const [i, item] of addresses.entries()) {
    first ??= item;
    if (addresses[i + 1] === address(family, item, 1)) continue;
    parts.push(first === item ? item : `${first}-${item}`);
    first = undefined;
  }
  return parts.join(",");
}
