// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import { GatewayGroups } from "../compile/gateway/gateway-groups.ts";
import { SubnetGateways } from "../compile/gateway/gateway-nodes.ts";
import { NameCollisions } from "../compile/name-collisions.ts";
import { NodeSubnets } from "../compile/node/node-subnets.ts";
import { ServiceRanges } from "../compile/service/service-ranges.ts";
import { ADDRESSES_IN_USE, type Settled, settling, type Unrecorded } from "../compile/subnet/subnet-verdict.ts";
import { VpcBfdNodes } from "../compile/vpc/vpc-bfd-nodes.ts";
import { VpcPeers } from "../compile/vpc/vpc-peers.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { FactStore } from "../facts/store.ts";
import type { SubnetSpecFact } from "../facts/subnet.ts";
import type { FactKind } from "../facts/types.ts";
import { GroupIndex } from "../policy/group-index.ts";
import { SecurityGroupIndex } from "../policy/security-group-index.ts";
import { AddressHolders } from "./address-holders.ts";
import { Zones } from "./zones.ts";

/**
 * The facts that follow from other facts alone: verdicts on subnets, who is in which group, which security groups exist, whose names run together, which
 * objects hold addresses, which nodes are the gateways of a subnet, which VPCs are peered, and which zones there are. What they
 * say depends on the facts, not on the order in which these came.
 */
export class DerivedFacts {
  readonly #facts: FactStore;
  readonly #groups: GroupIndex;
  /** Subnet → how it was settled last, among which others, and with which node's address in its range. */
  readonly #settled = new Map<
    string,
    Settled & { readonly others: readonly SubnetSpecFact[]; readonly node: string | undefined }
  >();
  #started = false;
  readonly #securityGroups: SecurityGroupIndex;
  readonly #nameCollisions: NameCollisions;
  readonly #addressHolders: AddressHolders;
  readonly #gateways: SubnetGateways;
  readonly #nodeSubnets: NodeSubnets;
  readonly #gatewayGroups: GatewayGroups;
  readonly #bfdNodes: VpcBfdNodes;
  readonly #vpcPeers: VpcPeers;
  readonly #zones: Zones;
  readonly #serviceRanges: ServiceRanges;
  readonly #unrecorded: Unrecorded;

  /** `recording` says whose addresses in a subnet are being recorded; who has it calls {@link reconsider} when such an address is given back. */
  constructor(facts: FactStore, recording: Unrecorded["holders"] = () => []) {
    this.#facts = facts;
    this.#unrecorded = { last: (subnet) => this.#settled.get(subnet), holders: recording };
    this.#groups = new GroupIndex(facts);
    this.#securityGroups = new SecurityGroupIndex(facts);
    this.#nameCollisions = new NameCollisions(facts);
    this.#addressHolders = new AddressHolders(facts);
    this.#gateways = new SubnetGateways(facts);
    this.#nodeSubnets = new NodeSubnets(facts);
    this.#gatewayGroups = new GatewayGroups(facts);
    this.#bfdNodes = new VpcBfdNodes(facts);
    this.#vpcPeers = new VpcPeers(facts);
    this.#zones = new Zones(facts);
    this.#serviceRanges = new ServiceRanges(facts);
  }

  /** Takes in all facts at once. */
  start(): void {
    this.#started = true;
    this.#nameCollisions.start();
    this.#addressHolders.start();
    this.#bfdNodes.start();
    this.#zones.start();
    this.#serviceRanges.start();
    this.#settle();
    this.#gateways.start();
    this.#nodeSubnets.start();
    this.#gatewayGroups.start();
    this.#vpcPeers.start();
    this.#securityGroups.start();
    this.#groups.start();
  }

  /** Addresses may have been given back without a change of an object: in one subnet, or in whichever. */
  reconsider(subnets: Iterable<string> = this.#settled.keys()): void {
    for (const subnet of subnets) {
      if (!this.#waits(subnet)) continue;
      this.#settle();
      return;
    }
  }

  /** Begins to hear of changes. One part that throws keeps the others from nothing. */
  follow(): void {
    const facts = this.#facts;
    facts.derive((change) => this.#nameCollisions.noteFact(change), "nameCollisions");
    facts.derive((change) => this.#addressHolders.noteFact(change), "addressHolders");
    facts.derive((change) => this.#bfdNodes.noteFact(change), "bfdPorts");
    facts.derive((change) => this.#zones.noteFact(change), "zones");
    facts.derive((change) => this.#serviceRanges.noteFact(change), "serviceRanges");
    // Subnets before groups: whatever else a change wakes must find the accepted configuration of now.
    facts.derive((change) => this.#noteSubnets(change), "subnets");
    facts.derive((change) => this.#gateways.noteFact(change), "subnetGateways");
    facts.derive((change) => this.#nodeSubnets.noteFact(change), "nodeSubnets");
    facts.derive((change) => this.#gatewayGroups.noteFact(change), "gatewayGroups");
    facts.derive((change) => this.#vpcPeers.noteFact(change), "vpcPeers");
    facts.derive((change) => this.#securityGroups.noteFact(change), "security groups");
    facts.derive((change) => this.#groups.noteFact(change), "groups");
  }

  #noteSubnets(change: FactChange): void {
    const { kind, key } = change;
    // A subnet that comes, goes or changes is of no concern but to those with addresses that it names: a hundred that come are settled once each.
    if (SETTLING.has(kind)) this.#settle(kind === "subnetSpecs" || kind === "nodes");
    else if (kind === "ips" || kind === "addressHolders")
      this.#noteHolder(change as FactChange<"ips" | "addressHolders">);
    // Of a subnet that could not be read nothing is known, which is not the same as that there is none.
    if (kind === "subnetSpecs") this.#setUnread(key, this.#facts.isUnread(kind, key));
  }

  #setUnread(subnet: string, unread: boolean): void {
    for (const kind of ["subnets", "verdicts"] as const) this.#facts.setUnread(kind, subnet, unread);
  }

  /** An address may have been given back for which a subnet's new addresses wait, or be held that is in their way as well. */
  #noteHolder({ old, new: now }: FactChange<"ips" | "addressHolders">): void {
    if (this.#waits(old?.subnet) || this.#waits(now?.subnet)) this.#settle();
  }

  /** Whether new addresses of a subnet wait until others are given back. */
  #waits(subnet = ""): boolean {
    return this.#facts.get("verdicts", subnet)?.refused?.reason === ADDRESSES_IN_USE;
  }

  /**
   * Settles all subnets anew, or those only that have changed themselves or of whose neighbours one has, or in whose range another node's address is; what is
   * equal is cut off by the store. Subnets and nodes change rarely and are few.
   */
  #settle(changedOnly = false): void {
    if (!this.#started) return;
    const facts = this.#facts;
    const settled: Settled[] = [];
    let unsettled = 0;
    for (const { spec, others, node, settle } of settling(facts, this.#unrecorded)) {
      const before = this.#settled.get(spec.name);
      if (changedOnly && before?.spec === spec && before.node === node && sameList(before.others, others)) continue;
      const subject = { part: "derived fact", where: "subnets", kind: "subnetSpecs", key: spec.name } as const;
      try {
        const outcome = settle();
        if (before?.spec !== spec || !samePlain(before.verdict, outcome.verdict)) settled.push(outcome);
        this.#settled.set(spec.name, { ...outcome, others, node });
        facts.failures.succeeded(subject);
      } catch (error) {
        // Its accepted configuration stays active.
        unsettled++;
        this.#settled.delete(spec.name);
        this.#setUnread(spec.name, true);
        facts.failures.failed(subject, error, () => this.#settle());
      }
    }
    for (const { name } of facts.all("subnets")) {
      if (facts.get("subnetSpecs", name) !== undefined) continue;
      facts.set("verdicts", name, undefined);
      facts.set("subnets", name, undefined);
      this.#settled.delete(name);
    }
    for (const { subnet, verdict } of settled) {
      facts.set("subnets", subnet.name, subnet);
      facts.set("verdicts", subnet.name, verdict);
    }
    const last = [...this.#settled.values()];
    const any = unsettled > 0 || last.some(({ subnet }) => subnet.private || subnet.acls.length > 0);
    facts.set("policyUse", "subnets", any ? { key: "subnets", any } : undefined);
  }
}

function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

/** What subnets are settled by. */
const SETTLING: ReadonlySet<FactKind> = new Set(["subnetSpecs", "vpcs", "nodes", "serviceRanges"]);
