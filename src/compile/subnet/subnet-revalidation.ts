// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import { changeOf, type Deriver } from "../../facts/derivation.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import { type FactStore, strictReader } from "../../facts/store.ts";
import type { SubnetSpecFact } from "../../facts/subnet.ts";
import { isUnderlay } from "../../facts/underlay.ts";
import type { VpcFact } from "../../facts/vpc.ts";
import { parseIp } from "../../net/address.ts";
import { AddressTable } from "../../net/address-table.ts";
import { recordedPeerings } from "../vpc/vpc-peerings.ts";
import { OverlappingSubnets } from "./overlapping-subnets.ts";
import {
  ADDRESSES_IN_USE,
  type Settled,
  type SubnetSurroundings,
  settleSubnet,
  type Unrecorded,
} from "./subnet-validation.ts";
import { vlanTag } from "./vlan-conflict.ts";

/**
 * Maintains the facts `subnets` (accepted configurations) and `verdicts`. A change settles the subnets that it
 * concerns: a changed subnet and those that it overlaps, those of a VPC whose peerings change, those whose range
 * contains a node's address, those of Vlans with one id.
 */
export class SubnetVerdicts implements Deriver {
  readonly #facts: FactStore;
  readonly #unrecorded: Unrecorded;
  /** Subnet → how it was settled last. */
  readonly #settled = new Map<string, Settled>();
  readonly #neighbours = new OverlappingSubnets();
  /** Nodes by their addresses. */
  readonly #nodes = new AddressTable();

  /**
   * `recording` returns the holders of a subnet whose addresses are being recorded; its implementation calls {@link
   * reconsider} when such an address is released.
   */
  constructor(facts: FactStore, recording: Unrecorded["holders"] = () => []) {
    this.#facts = facts;
    this.#unrecorded = { last: (subnet) => this.#settled.get(subnet), holders: recording };
  }

  start(): void {
    for (const spec of this.#facts.all("subnetSpecs")) this.#neighbours.set(spec.name, spec);
    for (const node of this.#facts.all("nodes")) this.#placeNode(node.name);
    this.#settle(this.#facts.all("subnetSpecs").map(({ name }) => name));
  }

  noteFact(change: FactChange): void {
    const [spec, vpc, node] = [changeOf("subnetSpecs", change), changeOf("vpcs", change), changeOf("nodes", change)];
    const vlan = changeOf("vlans", change);
    if (spec !== undefined) this.#noteSpec(spec);
    else if (vpc !== undefined) this.#noteVpc(vpc);
    else if (node !== undefined) this.#noteNode(node);
    else if (vlan !== undefined) this.#noteVlan(vlan);
    else if (change.kind === "serviceRanges") this.#settle(this.#facts.all("subnetSpecs").map(({ name }) => name));
    else if (change.kind === "ips" || change.kind === "addressHolders") {
      const { old, new: now } = change as FactChange<"ips" | "addressHolders">;
      this.reconsider([old, now].flatMap((holder) => holder?.subnet ?? []));
    }
  }

  /** Addresses may have been released without a change of an object: in the given subnets, or in any. */
  reconsider(subnets: Iterable<string> = this.#settled.keys()): void {
    // For which its new addresses may have waited.
    const waiting = (subnet: string): boolean =>
      this.#facts.get("verdicts", subnet)?.refused?.reason === ADDRESSES_IN_USE;
    this.#settle([...subnets].filter(waiting));
  }

  #noteSpec({ key }: FactChange<"subnetSpecs">): void {
    const before = this.#neighboursOf(key);
    this.#neighbours.set(key, this.#facts.get("subnetSpecs", key));
    // A change of a subnet concerns only it, and subnets whose addresses overlap the former or present ones.
    this.#settle([key, ...before, ...this.#neighboursOf(key)]);
  }

  #noteVpc({ key, old, new: now }: FactChange<"vpcs">): void {
    if (old !== undefined && now !== undefined && samePlain(peeringsIn(old), peeringsIn(now))) return;
    const vpcs = new Set([key, ...[old, now].flatMap((vpc) => (vpc === undefined ? [] : remotesOf(vpc)))]);
    this.#settle([...vpcs].flatMap((vpc) => this.#facts.by("subnetSpecs", "vpc", vpc).map(({ name }) => name)));
  }

  #noteNode({ key, old, new: now }: FactChange<"nodes">): void {
    if (samePlain(old?.internal, now?.internal)) return;
    this.#placeNode(key);
    const router = this.#facts.get("cluster", "cluster")?.router ?? "";
    this.#settle(
      [old, now].flatMap((node) => (node === undefined ? [] : this.#neighbours.inVpc(router, node.internal))),
    );
  }

  /** The id may be free for another Vlan now, or not any more. */
  #noteVlan({ key, old, new: now }: FactChange<"vlans">): void {
    const tags = [old, now].flatMap((vlan) => (vlan === undefined ? [] : vlanTag(vlan)));
    if (tags[0] === tags[1]) return;
    const rivals = tags.flatMap((tag) => this.#facts.by("vlans", "tag", tag).map(({ name }) => name));
    const vlans = [...new Set([key, ...rivals])];
    this.#settle(vlans.flatMap((vlan) => this.#facts.by("subnets", "vlan", vlan).map(({ name }) => name)));
  }

  #placeNode(name: string): void {
    const node = this.#facts.get("nodes", name);
    this.#nodes.set(name, node === undefined ? [] : [node.internal]);
  }

  #neighboursOf(subnet: string): readonly string[] {
    const peersOf = (vpc: string): readonly string[] =>
      recordedPeerings(this.#facts, vpc).map(({ remoteVpc }) => remoteVpc);
    return this.#neighbours.of(subnet, peersOf);
  }

  #surroundingsOf(spec: SubnetSpecFact): SubnetSurroundings {
    const others = this.#neighboursOf(spec.name).flatMap((name) => this.#facts.get("subnetSpecs", name) ?? []);
    return { others, node: this.#nodeIn(spec), links: recordedPeerings(this.#facts, spec.vpc) };
  }

  /** The node with the lowest address in a subnet's range. Another plugin's network, or one outside, may be the nodes' own network. */
  #nodeIn(spec: SubnetSpecFact): SubnetSurroundings["node"] {
    const { vpc, provider, cidr } = spec;
    if (vpc !== this.#facts.get("cluster", "cluster")?.router || !isOvnProvider(provider) || isUnderlay(spec))
      return undefined;
    const { v4, v6 } = this.#nodes.overlapping(cidr);
    for (const [family, name] of [
      ["v4", v4[0]],
      ["v6", v6[0]],
    ] as const) {
      const address = name && parseIp(this.#facts.get("nodes", name)?.internal[family] ?? "")?.text;
      if (name !== undefined && address !== undefined) return { node: name, address };
    }
    return undefined;
  }

  /** Settles subnets again; changes are published only after all of them are settled. */
  #settle(names: readonly string[]): void {
    const facts = this.#facts;
    const settled: Settled[] = [];
    for (const name of new Set(names)) {
      const subject = { part: "derived fact", where: "subnets", kind: "subnetSpecs", key: name } as const;
      const spec = facts.get("subnetSpecs", name);
      if (spec === undefined) {
        for (const kind of ["verdicts", "subnets"] as const) facts.set(kind, name, undefined);
        // A subnet that could not be read is unknown, which differs from one that does not exist.
        this.#setUnread(name, facts.isUnread("subnetSpecs", name));
        this.#settled.delete(name);
        facts.failures.succeeded(subject);
        continue;
      }
      try {
        const outcome = settleSubnet(strictReader(facts), spec, this.#surroundingsOf(spec), this.#unrecorded);
        settled.push(outcome);
        this.#settled.set(name, outcome);
        facts.failures.succeeded(subject);
      } catch (error) {
        // Its accepted configuration stays active.
        this.#settled.delete(name);
        this.#setUnread(name, true);
        facts.failures.failed(subject, error, () => this.#settle([name]));
      }
    }
    for (const { subnet, verdict } of settled) {
      facts.set("subnets", subnet.name, subnet);
      facts.set("verdicts", subnet.name, verdict);
    }
  }

  #setUnread(subnet: string, unread: boolean): void {
    for (const kind of ["subnets", "verdicts"] as const) this.#facts.setUnread(kind, subnet, unread);
  }
}

function peeringsIn({ peerings, former }: VpcFact): readonly unknown[] {
  return [peerings, former.vpcPeerings];
}

function remotesOf({ peerings, former }: VpcFact): readonly string[] {
  return [...peerings, ...(former.vpcPeerings ?? [])].map(({ remoteVpc }) => remoteVpc);
}
