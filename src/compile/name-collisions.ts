// SPDX-License-Identifier: Apache-2.0

import {
  ipPoolAddressSetName,
  nodePortGroupName,
  peeringPortName,
  routerPortName,
  routerSwitchPortName,
  virtualPortName,
} from "../api/names.ts";
import { samePlain } from "../collections/plain.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { FactStore } from "../facts/store.ts";
import type { SubnetSpecFact } from "../facts/subnet.ts";
import type { FactTypes } from "../facts/types.ts";
import { isRouted } from "../facts/underlay.ts";
import { externalRole, type NameClaim, nameCollisionKey, oldestOf, peeringRole } from "./name-claims.ts";

/** A claim to one name. */
interface KeyedNameClaim extends NameClaim {
  /** Prefixed with the kind of row: a port and an address set may have the same name. */
  readonly name: string;
}

/**
 * Derives the facts `nameCollisions`: which names claimed by an object belong to an older one. Of objects with the same name the oldest has
 * it, by creation time and then by key, as long as it exists: a later object never takes a name over. The result depends only on the objects,
 * so all controllers agree.
 *
 * Ports of routers (towards switches and towards peered routers), router ports of switches and virtual ports share one namespace, address sets of pools have another, and port groups of
 * nodes a third. The cost of a change depends on the names of the changed object only.
 */
export class NameCollisions {
  readonly #facts: FactStore;
  /** Key of a fact → the names that its object claims. */
  readonly #claims = new Map<string, readonly KeyedNameClaim[]>();
  /** Name → its claims. */
  readonly #byName = new Map<string, Set<KeyedNameClaim>>();
  #started = false;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Reads all facts. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const { key } of this.#facts.all("vpcs")) this.#noteVpc(key);
    for (const { key } of this.#facts.all("subnetSpecs")) this.#noteSubnet(key);
    for (const { key } of this.#facts.all("vips")) this.#noteVip(key);
    for (const { key } of this.#facts.all("ipPools")) this.#notePool(key);
    for (const { key } of this.#facts.all("nodes")) this.#noteNode(key);
  }

  /** Processes a changed fact. Call it before units are notified, so that they read up-to-date derived facts. */
  noteFact({ kind, key }: FactChange): void {
    if (!this.#started) return;
    if (kind === "vpcs") this.#noteVpc(key);
    if (kind === "subnetSpecs") this.#noteSubnet(key);
    if (kind === "vips") this.#noteVip(key);
    if (kind === "ipPools") this.#notePool(key);
    if (kind === "nodes") this.#noteNode(key);
  }

  #noteVpc(name: string): void {
    const vpc = this.#facts.get("vpcs", name);
    this.#set(nameCollisionKey.vpc(name), vpc === undefined ? [] : claimsOfVpc(vpc));
  }

  #noteSubnet(name: string): void {
    const subnet = this.#facts.get("subnetSpecs", name);
    this.#set(
      nameCollisionKey.subnet(name),
      // The switch of another subnet has no port towards its VPC's router.
      subnet !== undefined && isRouted(subnet) ? claimsOfSubnet(subnet) : [],
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

  #noteNode(name: string): void {
    const node = this.#facts.get("nodes", name);
    this.#set(nameCollisionKey.node(name), node === undefined ? [] : [claimOfNode(node)]);
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
    for (const other of concerned) this.#recordCollisions(other);
  }

  #recordCollisions(about: string): void {
    const taken: Record<string, string> = {};
    for (const claim of this.#claims.get(about) ?? []) {
      const oldest = oldestOf(this.#byName.get(claim.name) ?? []);
      if (oldest !== undefined && oldest !== claim) taken[claim.role] = oldest.text;
    }
    this.#facts.set("nameCollisions", about, Object.keys(taken).length === 0 ? undefined : { key: about, taken });
  }
}

function claimsOfSubnet({ name, vpc, created }: SubnetSpecFact): readonly KeyedNameClaim[] {
  const of = { about: nameCollisionKey.subnet(name), created, text: `subnet "${name}" of VPC "${vpc}"` };
  return [
    { ...of, role: "router-port", name: `port/${routerPortName(vpc, name).plain}` },
    { ...of, role: "switch-port", name: `port/${routerSwitchPortName(name, vpc).plain}` },
  ];
}

/** A peering or an external subnet may be added to a VPC at any time, so it loses against subnets and Vips of any age. */
function claimsOfVpc({ name, peerings, externals, created }: FactTypes["vpcs"]): readonly KeyedNameClaim[] {
  const of = { about: nameCollisionKey.vpc(name), created: `~${created}` };
  const ports = externals.flatMap((subnet) => {
    const text = `the port of VPC "${name}" in external subnet "${subnet}"`;
    return [
      { ...of, text, role: externalRole.router(subnet), name: `port/${routerPortName(name, subnet).plain}` },
      { ...of, text, role: externalRole.switch(subnet), name: `port/${routerSwitchPortName(subnet, name).plain}` },
    ];
  });
  const links = peerings.map(({ remoteVpc }) => ({
    ...of,
    text: `the peering of VPC "${name}" with VPC "${remoteVpc}"`,
    role: peeringRole(remoteVpc),
    name: `port/${peeringPortName(name, remoteVpc).plain}`,
  }));
  return [...links, ...ports];
}

function claimOfVip({ name, created }: FactTypes["vips"]): KeyedNameClaim {
  const of = { about: nameCollisionKey.vip(name), created, text: `Vip "${name}"` };
  return { ...of, role: "port", name: `port/${virtualPortName(name).plain}` };
}

function claimOfPool({ name, created }: FactTypes["ipPools"]): KeyedNameClaim {
  const of = { about: nameCollisionKey.ipPool(name), created, text: `IPPool "${name}"` };
  return { ...of, role: "address-set", name: `set/${ipPoolAddressSetName(name).plain}` };
}

function claimOfNode({ name, created }: FactTypes["nodes"]): KeyedNameClaim {
  const of = { about: nameCollisionKey.node(name), created, text: `node "${name}"` };
  return { ...of, role: "group", name: `group/${nodePortGroupName(name).plain}` };
}
