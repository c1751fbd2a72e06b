// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import { parseIp } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import { macFromNumber, parseMacNumber } from "../net/mac.ts";
import { type AllocationView, decide } from "./allocation-decision.ts";
import { type FreedListener, LeaseTable, leaseView, planView } from "./lease-table.ts";
import type { MacSource } from "./mac-choice.ts";
import { MacDomains, macDomainOf } from "./mac-domains.ts";
import { hold, type IpRecord } from "./recorded-lease.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { poolNotForNamespace } from "./refusal-messages.ts";
import { type LeaseRecord, type NodeIp, SubnetState } from "./subnet.ts";
import type {
  AddressLease,
  AddressRequest,
  AllocationDecision,
  ConfigurationResult,
  Counts,
  NodeAddress,
  Reservation,
  SubnetConfig,
  Usage,
} from "./types.ts";
import { countsOf, usageOf } from "./usage.ts";

/**
 * All subnets, and the owner of each address. Without I/O, clock and randomness: the same calls give the same results. Invalid input of users
 * never makes it throw; a refusal is a returned value.
 *
 * Guarantees: no address of a subnet and no MAC of a broadcast domain has two holders; an owner has one lease, and the same request gives the
 * same lease; a lease ends only by `release`, by a request that moves it, or with its subnet.
 */
export class Ipam {
  readonly #macs: MacSource;
  /** name → subnet */
  readonly #subnets = new Map<string, SubnetState>();
  /** IPPool → its subnet */
  readonly #pools = new Map<string, SubnetState>();
  readonly #leases = new LeaseTable((subnet, owner) => this.#freed(subnet, owner));
  readonly #domains = new MacDomains();
  /** address → the node that has it */
  #nodes = new Map<string, NodeIp>();
  readonly #view: AllocationView;
  #freed: FreedListener = () => undefined;

  constructor(options: { readonly macs: MacSource }) {
    this.#macs = options.macs;
    this.#view = {
      subnet: (name) => this.#subnets.get(name),
      poolSubnet: (pool) => this.#pools.get(pool),
      lease: (owner) => this.#leases.get(owner),
      subnetNames: () => this.#subnets.keys(),
      poolNames: () => this.#pools.keys(),
      macs: this.#macs,
    };
  }

  /**
   * Sets the listener that is called when a refused request may now succeed: something of a subnet is free, or its configuration has changed.
   * It is called in the middle of an operation and must not call back.
   */
  onFreed(listener: FreedListener): void {
    this.#freed = listener;
  }

  /** Adds a subnet or changes its configuration. Leases stay, including those outside the new ranges. */
  configure(config: SubnetConfig): ConfigurationResult {
    let subnet = this.#subnets.get(config.name);
    const domain = macDomainOf(config);
    const problems: Refusal[] = [];
    if (subnet === undefined) {
      subnet = new SubnetState(config, this.#domains.join(domain));
      this.#subnets.set(config.name, subnet);
    } else if (macDomainOf(subnet.config) !== domain) {
      this.#changeDomain(subnet, domain, problems);
    }
    this.#disownPools(subnet);
    // A pool's name is unique in the cluster, so where two subnets claim it, the older claim is out of date.
    for (const { name } of config.pools) this.#pools.set(name, subnet);
    const reserved = [...(subnet.config.reservedMacs ?? [])];
    problems.push(...subnet.apply(config, [...this.#nodes.values()]));
    for (const { holder } of [...reserved, ...(config.reservedMacs ?? [])]) this.#freed(config.name, holder);
    this.#freed(config.name);
    return { problems, outside: this.#outside(subnet) };
  }

  /** Sets the addresses of all nodes. No subnet gives them to anyone else from now on. */
  setNodeAddresses(nodes: readonly NodeAddress[]): void {
    const before = this.#nodes;
    this.#nodes = new Map();
    for (const { address, node } of nodes) {
      const ip = parseIp(address);
      if (ip !== undefined && !this.#nodes.has(ip.text)) this.#nodes.set(ip.text, { ip, node });
    }
    const changed: Ip[] = [];
    for (const [text, { ip, node }] of this.#nodes) if (before.get(text)?.node !== node) changed.push(ip);
    for (const [text, { ip }] of before) if (!this.#nodes.has(text)) changed.push(ip);
    if (changed.length === 0) return;
    const all = [...this.#nodes.values()];
    for (const subnet of this.#subnets.values()) {
      if (!subnet.containsAny(changed)) continue;
      subnet.apply(subnet.config, all);
      this.#freed(subnet.name);
    }
  }

  /** Removes a subnet. Refused while it has leases, unless forced; then they are dropped. */
  remove(name: string, options: { readonly force?: boolean } = {}): { readonly ok: true } | Refusal {
    const subnet = this.#subnets.get(name);
    if (subnet === undefined) return { ok: true };
    if (subnet.leases > 0) {
      const holder = this.leases(name).next().value?.owner;
      if (options.force !== true) {
        const message = `Subnet "${name}" is in use: ${subnet.leases} of its addresses are allocated, one of them to "${holder}"; delete their owners first.`;
        return refuse("SubnetInUse", message, { subnet: name, value: name, holder });
      }
      for (const lease of [...this.#leases.values()]) {
        if (subnet.leases === 0) break;
        if (lease.subnet === subnet) this.#leases.drop(lease);
      }
    }
    this.#disownPools(subnet);
    this.#domains.leave(macDomainOf(subnet.config));
    for (const { holder } of subnet.config.reservedMacs ?? []) this.#freed(name, holder);
    subnet.apply({ name, cidr: {}, gateway: {}, exclude: [], pools: [] }, []);
    this.#subnets.delete(name);
    return { ok: true };
  }

  /** Forgets everything: subnets, leases, node addresses. To be called when leadership is lost. */
  clear(): void {
    this.#subnets.clear();
    this.#pools.clear();
    this.#leases.clear();
    this.#domains.clear();
    this.#nodes.clear();
  }

  /**
   * Restores a lease from a record. To be called at the start, with the most trusted records first. What another owner already holds stays with
   * that owner and is named in `conflicts`; the rest of the record is restored. Idempotent.
   */
  reserve(record: IpRecord): Reservation {
    const subnet = this.#subnets.get(record.subnet);
    if (subnet === undefined) {
      const message = `"${record.owner}" holds an address in subnet "${record.subnet}", which does not exist.`;
      const about = { subnet: record.subnet, value: record.subnet, holder: record.owner };
      return { lease: this.leaseOf(record.owner), conflicts: [refuse("SubnetUnknown", message, about)] };
    }
    const existing = this.#leases.get(record.owner);
    const { lease, conflicts } = hold(subnet, record, existing);
    if (lease !== undefined && existing === undefined) this.#leases.add(lease);
    return { lease: lease && leaseView(lease), conflicts };
  }

  /** The refusal if a record names an address of an IPPool that is reserved for other namespaces. Its lease is not changed. */
  poolRefusal(record: IpRecord, namespace: string): Refusal | undefined {
    const subnet = this.#subnets.get(record.subnet);
    for (const ip of [record.v4, record.v6].flatMap((text) => parseIp(text ?? "") ?? [])) {
      const space = subnet?.space(ip.family);
      const pool = space?.zoneOf(space.offset(ip))?.pool ?? "";
      if (subnet !== undefined && !subnet.poolIsFor(pool, namespace))
        return poolNotForNamespace(subnet, pool, namespace, ip);
    }
    return undefined;
  }

  /** All records have been restored: free addresses between them are given last. See `AddressSpace.ageFree`. */
  loaded(): void {
    for (const { v4, v6 } of this.#subnets.values()) {
      v4?.ageFree();
      v6?.ageFree();
    }
  }

  /** The result that `allocate` would return. Changes nothing. */
  decide(request: AddressRequest): AllocationDecision {
    const plan = decide(this.#view, request);
    return plan.ok ? { ok: true, how: plan.how, lease: planView(request.owner, plan) } : plan;
  }

  /** Decides a request and, unless it is refused, takes the addresses. Takes microseconds, independent of the size of the subnet. */
  allocate(request: AddressRequest): AllocationDecision {
    const plan = decide(this.#view, request);
    if (!plan.ok) return plan;
    if (plan.how !== "same") {
      if (request.from !== undefined) this.release(request.from);
      this.#leases.carryOut(request.owner, plan);
    }
    return { ok: true, how: plan.how, lease: planView(request.owner, plan) };
  }

  /** Releases the lease of an owner and returns it; `undefined` if there is none. */
  release(owner: string): AddressLease | undefined {
    const lease = this.#leases.get(owner);
    if (lease === undefined) return undefined;
    const view = leaseView(lease);
    this.#leases.drop(lease);
    return view;
  }

  /** The lease of an owner. */
  leaseOf(owner: string): AddressLease | undefined {
    const lease = this.#leases.get(owner);
    return lease && leaseView(lease);
  }

  /** The owner of an address of a subnet; `undefined` if it has none or the text is not an address. */
  holderOf(subnet: string, address: string): string | undefined {
    const state = this.#subnets.get(subnet);
    const space = address.includes(":") ? state?.v6 : state?.v4;
    const at = space?.parse(address);
    return at === undefined ? undefined : space?.holder(at)?.owner;
  }

  /** The owners of an address in all subnets: subnets of different VPCs may have equal addresses. O(subnets). */
  holdersOf(address: string): { readonly subnet: string; readonly owner: string }[] {
    return [...this.#subnets.keys()].flatMap((subnet) => {
      const owner = this.holderOf(subnet, address);
      return owner === undefined ? [] : [{ subnet, owner }];
    });
  }

  /** The owner of a MAC in the broadcast domain of a subnet. */
  macHolder(subnet: string, mac: string): string | undefined {
    const number = parseMacNumber(mac);
    const macs = this.#subnets.get(subnet)?.macs;
    return number === undefined ? undefined : (macs?.holder(number)?.owner ?? macs?.reservedFor(number));
  }

  /** The leases of a subnet, in no particular order. O(all leases). */
  *leases(subnet: string): Generator<AddressLease, undefined, undefined> {
    for (const lease of this.#leases.values()) if (lease.subnet.name === subnet) yield leaseView(lease);
  }

  /** The number of leases in a subnet. */
  leaseCount(subnet: string): number {
    return this.#subnets.get(subnet)?.leases ?? 0;
  }

  /** The names of all subnets. */
  subnetNames(): Iterable<string> {
    return this.#subnets.keys();
  }

  /** The numbers of free and used addresses in a subnet or in one of its pools. Cheap. */
  counts(subnet: string, pool?: string): Dual<Counts> {
    return this.#perFamily(subnet, (space) => countsOf(space, pool));
  }

  /** `counts` with the ranges of these addresses. O(ranges). */
  usage(subnet: string, pool?: string): Dual<Usage> {
    return this.#perFamily(subnet, (space) => usageOf(space, pool));
  }

  /**
   * A number that grows whenever a request that this subnet refused may now be met (an address or a MAC of its network was
   * released, the subnet or its pools changed); 0 if there is no such subnet.
   */
  revision(name: string): number {
    const subnet = this.#subnets.get(name);
    return subnet === undefined ? 0 : subnet.revision + subnet.macs.releases;
  }

  #perFamily<T>(name: string, of: (space: NonNullable<SubnetState["v4"]>) => T): Dual<T> {
    const subnet = this.#subnets.get(name);
    const result: { v4?: T; v6?: T } = {};
    if (subnet?.v4 !== undefined && subnet.has(4)) result.v4 = of(subnet.v4);
    if (subnet?.v6 !== undefined && subnet.has(6)) result.v6 = of(subnet.v6);
    return result;
  }

  #outside(subnet: SubnetState): AddressLease[] {
    const found = new Set<LeaseRecord>();
    for (const space of [subnet.v4, subnet.v6]) for (const lease of space?.outside() ?? []) found.add(lease);
    return [...found].map(leaseView);
  }

  #disownPools(subnet: SubnetState): void {
    for (const { name } of subnet.config.pools) if (this.#pools.get(name) === subnet) this.#pools.delete(name);
  }

  /** Moves a subnet's MACs to another domain. A MAC that is in use there keeps both owners and is reported in `problems`. */
  #changeDomain(subnet: SubnetState, name: string, problems: Refusal[]): void {
    for (const { mac } of subnet.config.reservedMacs ?? [])
      subnet.macs.unreserve(parseMacNumber(mac) ?? 0, subnet.name);
    this.#domains.leave(macDomainOf(subnet.config));
    const before = subnet.macs;
    subnet.macs = this.#domains.join(name);
    // The counter of the new domain may be lower than that of the old one; `revision` must not decrease.
    subnet.revision += before.releases;
    for (const lease of this.#leases.values()) {
      if (lease.subnet !== subnet || lease.mac === undefined) continue;
      before.release(lease.mac, lease);
      this.#freed(subnet.name, lease.owner);
      const other = subnet.macs.holder(lease.mac);
      if (other === undefined) {
        subnet.macs.take(lease.mac, lease);
        continue;
      }
      const mac = macFromNumber(lease.mac);
      const message = `"${lease.owner}" of subnet "${subnet.name}" and "${other.owner}" of subnet "${other.subnet.name}" are now in the same network and have the same MAC address ${mac}; recreate one of them.`;
      problems.push(refuse("MacInUse", message, { subnet: subnet.name, value: mac, holder: other.owner }));
    }
  }
}
