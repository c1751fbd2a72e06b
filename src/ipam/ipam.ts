// SPDX-License-Identifier: Apache-2.0

import type { Family, Ip } from "../net/address.ts";
import { parseIp } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import { macFromNumber, parseMacNumber } from "../net/mac.ts";
import { type AllocationPlan, type AllocationView, decide } from "./decide.ts";
import { type MacSource, MacTable } from "./macs.ts";
import { OwnerMap } from "./owner-map.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { poolNotForNamespace } from "./refusal-messages.ts";
import { hold, type IpRecord } from "./reserve.ts";
import { LeaseRecord, type NodeIp, SubnetState } from "./subnet.ts";
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

/** Something of a subnet is free, or may be: what `owner` held, or more than that where it is absent. */
export type FreedListener = (subnet: string, owner?: string) => void;

/**
 * All subnets, and who holds which address. No I/O, no clock and no randomness of its own: the same calls give the same
 * answers. Nothing that users write makes it throw; a no is a value.
 *
 * What it promises: no address of a subnet and no MAC of a broadcast domain has two holders; an owner has one lease and
 * gets the same one whenever it asks for the same; a lease goes only by `release`, by a request that moves, or with
 * its subnet.
 */
export class Ipam {
  readonly #macs: MacSource;
  /** name → subnet */
  readonly #subnets = new Map<string, SubnetState>();
  /** IPPool → its subnet */
  readonly #pools = new Map<string, SubnetState>();
  /** owner → what it holds */
  #leases = new OwnerMap<LeaseRecord>();
  /** MAC domain → its MACs, and how many subnets share it */
  readonly #domains = new Map<string, { readonly table: MacTable<LeaseRecord>; subnets: number }>();
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
   * Whom to tell, one listener, that what was refused may now be met: something of a subnet is free, or that its configuration has changed.
   * It only takes note, for it is called in the midst of things.
   */
  onFreed(listener: FreedListener): void {
    this.#freed = listener;
  }

  /** Adds a subnet, or takes a new configuration of it over. Leases stay, also those that it now leaves outside. */
  configure(config: SubnetConfig): ConfigurationResult {
    let subnet = this.#subnets.get(config.name);
    const domain = config.macDomain ?? `subnet/${config.name}`;
    const problems: Refusal[] = [];
    if (subnet === undefined) {
      subnet = new SubnetState(config, this.#joinDomain(domain));
      this.#subnets.set(config.name, subnet);
    } else if ((subnet.config.macDomain ?? `subnet/${config.name}`) !== domain) {
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

  /** Says which addresses nodes have: all of them, each time. They are given in no subnet from now on. */
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

  /** Forgets a subnet. Refused while anything is held in it, unless forced; then its leases go too. */
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
        if (lease.subnet === subnet) this.#drop(lease);
      }
    }
    this.#disownPools(subnet);
    this.#leaveDomain(subnet);
    for (const { holder } of subnet.config.reservedMacs ?? []) this.#freed(name, holder);
    subnet.apply({ name, cidr: {}, gateway: {}, exclude: [], pools: [] }, []);
    this.#subnets.delete(name);
    return { ok: true };
  }

  /** Forgets everything: subnets, leases, node addresses. For one who is no longer the leader. */
  clear(): void {
    this.#subnets.clear();
    this.#pools.clear();
    this.#leases = new OwnerMap();
    this.#domains.clear();
    this.#nodes.clear();
  }

  /**
   * Holds what a record says is held already. For start: most trusted records first. What disagrees with what is known is
   * named in `conflicts` and not taken from its holder; the rest of the record is held. The same record twice is fine.
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
    if (lease !== undefined && existing === undefined) {
      this.#leases.add(lease);
      subnet.leases++;
    }
    return { lease: lease && leaseView(lease), conflicts };
  }

  /** Why a record may not have what it names, where that is an IPPool's of other namespaces; it may hold it all the same. */
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

  /** All that is held has been loaded: the gaps in it are given last. See `Space.ageFree`. */
  loaded(): void {
    for (const { v4, v6 } of this.#subnets.values()) {
      v4?.ageFree();
      v6?.ageFree();
    }
  }

  /** What `allocate` would answer. Takes nothing. */
  decide(request: AddressRequest): AllocationDecision {
    const plan = decide(this.#view, request);
    return plan.ok ? { ok: true, how: plan.how, lease: planView(request.owner, plan) } : plan;
  }

  /** Decides a request and, if it is met, holds what was decided. Microseconds, whatever the size of the subnet. */
  allocate(request: AddressRequest): AllocationDecision {
    const plan = decide(this.#view, request);
    if (!plan.ok) return plan;
    if (plan.how !== "same") {
      if (request.from !== undefined) this.release(request.from);
      this.#carryOut(request.owner, plan);
    }
    return { ok: true, how: plan.how, lease: planView(request.owner, plan) };
  }

  /** Lets go of what an owner holds. Gives what that was; `undefined` if it held nothing. */
  release(owner: string): AddressLease | undefined {
    const lease = this.#leases.get(owner);
    if (lease === undefined) return undefined;
    const view = leaseView(lease);
    this.#drop(lease);
    return view;
  }

  /** What an owner holds. */
  leaseOf(owner: string): AddressLease | undefined {
    const lease = this.#leases.get(owner);
    return lease && leaseView(lease);
  }

  /** Who holds an address of a subnet; `undefined` also for what is no address. */
  holderOf(subnet: string, address: string): string | undefined {
    const state = this.#subnets.get(subnet);
    const space = address.includes(":") ? state?.v6 : state?.v4;
    const at = space?.parse(address);
    return at === undefined ? undefined : space?.holder(at)?.owner;
  }

  /** Who holds an address, in whichever subnets: those of different VPCs may have the same ones. Looks at every subnet. */
  holdersOf(address: string): { readonly subnet: string; readonly owner: string }[] {
    return [...this.#subnets.keys()].flatMap((subnet) => {
      const owner = this.holderOf(subnet, address);
      return owner === undefined ? [] : [{ subnet, owner }];
    });
  }

  /** Who has a MAC in the broadcast domain of a subnet. */
  macHolder(subnet: string, mac: string): string | undefined {
    const number = parseMacNumber(mac);
    const macs = this.#subnets.get(subnet)?.macs;
    return number === undefined ? undefined : (macs?.holder(number)?.owner ?? macs?.reservedFor(number));
  }

  /** What is held in a subnet, in no particular order. Looks at every lease there is. */
  *leases(subnet: string): Generator<AddressLease, undefined, undefined> {
    for (const lease of this.#leases.values()) if (lease.subnet.name === subnet) yield leaseView(lease);
  }

  /** How many leases there are in a subnet. */
  leaseCount(subnet: string): number {
    return this.#subnets.get(subnet)?.leases ?? 0;
  }

  /** The names of all subnets. */
  subnetNames(): Iterable<string> {
    return this.#subnets.keys();
  }

  /** How many addresses are free and in use, in a subnet or in one of its pools. Cheap. */
  counts(subnet: string, pool?: string): Dual<Counts> {
    return this.#perFamily(subnet, (space) => countsOf(space, pool));
  }

  /** `counts`, and which they are. Costs as much as there are ranges. */
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

  #carryOut(owner: string, plan: AllocationPlan): void {
    const { subnet, v4, v6, mac } = plan;
    let lease = plan.existing;
    if (lease !== undefined && lease.subnet !== subnet) {
      this.#drop(lease);
      lease = undefined;
    }
    if (lease === undefined) {
      lease = new LeaseRecord(owner, subnet, undefined, undefined, undefined);
      this.#leases.add(lease);
      subnet.leases++;
    }
    if (lease.v4 !== v4) {
      if (lease.v4 !== undefined) subnet.v4?.release(lease.v4);
      lease.v4 = v4;
      if (v4 !== undefined) subnet.v4?.take(v4, lease);
    }
    if (lease.v6 !== v6) {
      if (lease.v6 !== undefined) subnet.v6?.release(lease.v6);
      lease.v6 = v6;
      if (v6 !== undefined) subnet.v6?.take(v6, lease);
    }
    if (lease.mac !== mac) {
      if (lease.mac !== undefined) subnet.macs.release(lease.mac, lease);
      lease.mac = mac;
      if (mac !== undefined) subnet.macs.take(mac, lease);
    }
    if (plan.how === "moved") {
      subnet.revision++;
      this.#freed(subnet.name, owner);
    }
  }

  #drop(lease: LeaseRecord): void {
    const { subnet } = lease;
    if (lease.v4 !== undefined) subnet.v4?.release(lease.v4);
    if (lease.v6 !== undefined) subnet.v6?.release(lease.v6);
    if (lease.mac !== undefined) subnet.macs.release(lease.mac, lease);
    this.#leases.delete(lease.owner);
    subnet.leases--;
    subnet.revision++;
    this.#freed(subnet.name, lease.owner);
  }

  #outside(subnet: SubnetState): AddressLease[] {
    const found = new Set<LeaseRecord>();
    for (const space of [subnet.v4, subnet.v6]) for (const lease of space?.outside() ?? []) found.add(lease);
    return [...found].map(leaseView);
  }

  #disownPools(subnet: SubnetState): void {
    for (const { name } of subnet.config.pools) if (this.#pools.get(name) === subnet) this.#pools.delete(name);
  }

  #joinDomain(name: string): MacTable<LeaseRecord> {
    const domain = this.#domains.get(name) ?? { table: new MacTable<LeaseRecord>(), subnets: 0 };
    domain.subnets++;
    this.#domains.set(name, domain);
    return domain.table;
  }

  #leaveDomain(subnet: SubnetState): void {
    const name = subnet.config.macDomain ?? `subnet/${subnet.name}`;
    const domain = this.#domains.get(name);
    if (domain !== undefined && --domain.subnets === 0) this.#domains.delete(name);
  }

  /** Moves a subnet's MACs to another domain. A MAC that somebody there has stays with both, and is named. */
  #changeDomain(subnet: SubnetState, name: string, problems: Refusal[]): void {
    for (const { mac } of subnet.config.reservedMacs ?? [])
      subnet.macs.unreserve(parseMacNumber(mac) ?? 0, subnet.name);
    this.#leaveDomain(subnet);
    const before = subnet.macs;
    subnet.macs = this.#joinDomain(name);
    // What the new domain has counted may be less than what the old one had: `revision` must not fall.
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

function leaseView(lease: LeaseRecord): AddressLease {
  return view(lease.owner, lease.subnet, lease.v4, lease.v6, lease.mac);
}

function planView(owner: string, plan: AllocationPlan): AddressLease {
  return view(owner, plan.subnet, plan.v4, plan.v6, plan.mac);
}

function view(
  owner: string,
  subnet: SubnetState,
  v4: LeaseRecord["v4"],
  v6: LeaseRecord["v6"],
  mac: number | undefined,
): AddressLease {
  return {
    owner,
    subnet: subnet.name,
    v4: v4 === undefined ? undefined : text(subnet, 4, v4),
    v6: v6 === undefined ? undefined : text(subnet, 6, v6),
    mac: mac === undefined ? undefined : macFromNumber(mac),
  };
}

function text(subnet: SubnetState, family: Family, at: NonNullable<LeaseRecord["v4"]>): string | undefined {
  return subnet.space(family)?.text(at);
}
