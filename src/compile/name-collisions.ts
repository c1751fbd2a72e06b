// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../api/annotations.ts";
import {
  ipPoolAddressSetName,
  peeringPortName,
  routerPortName,
  routerSwitchPortName,
  virtualPortName,
} from "../api/names.ts";
import { samePlain } from "../collections/plain.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { FactStore } from "../facts/store.ts";
import type { SubnetSpecFact } from "../facts/subnet.ts";
import type { FactKind, FactTypes } from "../facts/types.ts";
import {
  type NameClaim,
  nameCollisionKey,
  oldestOf,
  peeringRole,
  portGroupNameCollisions,
} from "./port-group-name-collisions.ts";

/** A claim to one name. */
interface KeyedNameClaim extends NameClaim {
  /** With what it is a name of in front: a port and an address set may have one name. */
  readonly name: string;
}

/**
 * Says in derived facts (`nameCollisions`) which names that objects would have are an older object's. Of objects with the same name the oldest has
 * it, by creation time and then by key, as long as it exists: a later object never takes a name over. What is said depends on the objects
 * alone, so each controller says the same.
 *
 * Ports of routers (towards switches and towards peered routers), router ports of switches and virtual ports are one set of names, address sets of pools another, and port groups of
 * nodes and of subnets on nodes the third ({@link portGroupNameCollisions}). A change costs what the changed object's own names do; only what
 * concerns port groups is settled for all at once when a subnet or a node comes or goes.
 */
export class NameCollisions {
  readonly #facts: FactStore;
  /** Key of a fact → the names that its object would have. */
  readonly #claims = new Map<string, readonly KeyedNameClaim[]>();
  /** Name → those who would have it. */
  readonly #byName = new Map<string, Set<KeyedNameClaim>>();
  /** Keys of the facts about port groups. */
  #groups: ReadonlySet<string> = new Set();
  #started = false;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Takes in all facts at once. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const { key } of this.#facts.all("vpcs")) this.#noteVpc(key);
    for (const { key } of this.#facts.all("subnetSpecs")) this.#noteSubnet(key);
    for (const { key } of this.#facts.all("vips")) this.#noteVip(key);
    for (const { key } of this.#facts.all("ipPools")) this.#notePool(key);
    this.#settleGroups();
  }

  /** A fact has changed. Call it before the units are told, so that they find what follows from it. */
  noteFact({ kind, key, old, new: now }: FactChange): void {
    if (!this.#started) return;
    if (kind === "vpcs") this.#noteVpc(key);
    if (kind === "subnetSpecs") this.#noteSubnet(key);
    if (kind === "vips") this.#noteVip(key);
    if (kind === "ipPools") this.#notePool(key);
    if (kind === "cluster") this.#settleGroups();
    if ((kind === "nodes" || kind === "subnetSpecs") && this.#groupsOf(old) !== this.#groupsOf(now))
      this.#settleGroups();
  }

  #noteVpc(name: string): void {
    const vpc = this.#facts.get("vpcs", name);
    this.#set(nameCollisionKey.vpc(name), vpc === undefined ? [] : claimsOfVpc(vpc));
  }

  #noteSubnet(name: string): void {
    const subnet = this.#facts.get("subnetSpecs", name);
    this.#set(
      nameCollisionKey.subnet(name),
      subnet === undefined || !isOvnProvider(subnet.provider) ? [] : claimsOfSubnet(subnet),
    );
  }

  #noteVip(name: string): void {
    const vip = this.#facts.get("vips", name);
    this.#set(nameCollisionKey.vip(name), vip?.type === "" ? [claimOfVip(vip)] : []);
  }

  #notePool(name: string): void {
    const pool = this.#facts.get("ipPools", name);
    this.#set(nameCollisionKey.ipPool(name), pool === undefined ? [] : [claimOfPool(pool)]);
  }

  #set(about: string, claims: readonly KeyedNameClaim[]): void {
    const before = this.#claims.get(about) ?? [];
    if (samePlain(before, claims)) return;
    if (claims.length === 0) this.#claims.delete(about);
    else this.#claims.set(about, claims);
    for (const claim of before) {
      const others = this.#byName.get(claim.name);
      if (others?.delete(claim) && others.size === 0) this.#byName.delete(claim.name);
    }
    for (const claim of claims) {
      const others = this.#byName.get(claim.name);
      if (others === undefined) this.#byName.set(claim.name, new Set([claim]));
      else others.add(claim);
    }
    const concerned = new Set([about]);
    for (const { name } of [...before, ...claims]) {
      for (const other of this.#byName.get(name) ?? []) concerned.add(other.about);
    }
    for (const other of concerned) this.#tell(other);
  }

  #tell(about: string): void {
    const taken: Record<string, string> = {};
    for (const claim of this.#claims.get(about) ?? []) {
      const oldest = oldestOf(this.#byName.get(claim.name) ?? []);
      if (oldest !== undefined && oldest !== claim) taken[claim.role] = oldest.text;
    }
    this.#facts.set("nameCollisions", about, Object.keys(taken).length === 0 ? undefined : { key: about, taken });
  }

  #settleGroups(): void {
    const facts = this.#facts;
    const found = portGroupNameCollisions(
      facts.all("subnetSpecs").filter((subnet) => this.#hasGroups(subnet)),
      facts.all("nodes"),
    );
    for (const key of this.#groups) if (!found.has(key)) facts.set("nameCollisions", key, undefined);
    for (const [key, taken] of found) facts.set("nameCollisions", key, { key, taken });
    this.#groups = new Set(found.keys());
  }

  /** What of a subnet or a node decides the names of groups; they are settled anew where it changes. */
  #groupsOf(fact: FactTypes[FactKind] | undefined): string | undefined {
    if (fact === undefined || !("created" in fact) || ("vpc" in fact && !this.#hasGroups(fact))) return undefined;
    return fact.created;
  }

  /** Whether a subnet has port groups on nodes, or would have with another type of gateway. */
  #hasGroups({ name, vpc, provider }: Pick<SubnetSpecFact, "name" | "vpc"> & { readonly provider?: string }): boolean {
    const cluster = this.#facts.get("cluster", "cluster");
    return vpc === cluster?.router && name !== cluster.joinSubnet && isOvnProvider(provider ?? "");
  }
}

function claimsOfSubnet({ name, vpc, created }: SubnetSpecFact): readonly KeyedNameClaim[] {
  const of = { about: nameCollisionKey.subnet(name), created, text: `subnet "${name}" of VPC "${vpc}"` };
  return [
    { ...of, role: "router-port", name: `port/${routerPortName(vpc, name).plain}` },
    { ...of, role: "switch-port", name: `port/${routerSwitchPortName(name, vpc).plain}` },
  ];
}

/** A peering may be added to a VPC at any time, so it gives way to subnets and Vips however young they are. */
function claimsOfVpc({ name, peerings, created }: FactTypes["vpcs"]): readonly KeyedNameClaim[] {
  return peerings.map(({ remoteVpc }) => ({
    about: nameCollisionKey.vpc(name),
    created: `~${created}`,
    text: `the peering of VPC "${name}" with VPC "${remoteVpc}"`,
    role: peeringRole(remoteVpc),
    name: `port/${peeringPortName(name, remoteVpc).plain}`,
  }));
}

function claimOfVip({ name, created }: FactTypes["vips"]): KeyedNameClaim {
  const of = { about: nameCollisionKey.vip(name), created, text: `Vip "${name}"` };
  return { ...of, role: "port", name: `port/${virtualPortName(name).plain}` };
}

function claimOfPool({ name, created }: FactTypes["ipPools"]): KeyedNameClaim {
  const of = { about: nameCollisionKey.ipPool(name), created, text: `IPPool "${name}"` };
  return { ...of, role: "address-set", name: `set/${ipPoolAddressSetName(name).plain}` };
}
