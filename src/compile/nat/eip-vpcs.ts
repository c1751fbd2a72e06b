// SPDX-License-Identifier: Apache-2.0

import type { Dependency } from "../../facts/dependency.ts";
import { Dependents } from "../../facts/dependents.ts";
import type { Deriver } from "../../facts/derivation.ts";
import type { EipVpcFact } from "../../facts/external.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import { type EipRuleFact, oldestRule } from "../../facts/nat-rule.ts";
import { type FactReader, type FactStore, recordingReader, strictReader } from "../../facts/store.ts";
import type { FactTypes } from "../../facts/types.ts";
import { portVpcOf } from "../vpc/vpc-external.ts";

/** The fields of a rule that determine its VPC; "" if not set. */
interface Inside {
  readonly ipType?: "ip" | "vip";
  readonly ipName: string;
  readonly subnet?: string;
  readonly vpc: string;
}

/**
 * Maintains the facts `eipVpcs`: the one VPC in which an OvnEip is used. The routers of two VPCs must not both answer
 * for an address.
 */
export class EipVpcs implements Deriver {
  readonly #facts: FactStore;
  /** The facts that each OvnEip's result depends on. */
  readonly #dependents = new Dependents();

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  start(): void {
    for (const { key } of this.#facts.all("ovnEips")) this.#settle(key);
  }

  noteFact({ kind, key, touched }: FactChange): void {
    const concerned = new Set(touched.flatMap((dependency) => this.#dependents.of(dependency)));
    if (kind === "ovnEips") concerned.add(key);
    for (const eip of concerned) this.#settle(eip);
  }

  #settle(key: string): void {
    const facts = this.#facts;
    const seen: Dependency[] = [];
    const subject = { part: "derived fact", where: "eipVpcs", kind: "ovnEips", key } as const;
    try {
      const eip = facts.get("ovnEips", key);
      facts.set("eipVpcs", key, eip && useOf(recordingReader(strictReader(facts), seen), eip));
      facts.failures.succeeded(subject);
    } catch (error) {
      // The former fact stays.
      facts.failures.failed(subject, error, () => this.#settle(key));
    }
    this.#dependents.set(key, seen);
  }
}

/**
 * The VPC of the router port with the address, or else of the oldest rule that names the OvnEip and whose VPC is
 * known.
 */
function useOf(reader: FactReader, eip: FactTypes["ovnEips"]): EipVpcFact | undefined {
  const { key } = eip;
  const port = portVpcOf(reader, eip);
  if (port !== undefined) return { key, vpc: port, user: `the port of VPC "${port}"` };
  const known = (kind: string, rule: EipRuleFact, inside: Inside) => {
    const vpc = vpcOf(reader, inside);
    return vpc === "" ? [] : { ...rule, vpc, who: `${kind} "${rule.name}"` };
  };
  const first = oldestRule([
    ...reader.by("ovnFips", "eip", key).flatMap((rule) => known("OvnFip", rule, rule.target)),
    ...reader.by("ovnDnatRules", "eip", key).flatMap((rule) => known("OvnDnatRule", rule, rule.target)),
    ...reader.by("ovnSnatRules", "eip", key).flatMap((rule) => known("OvnSnatRule", rule, rule)),
  ]);
  return first && { key, vpc: first.vpc, user: first.who };
}

/** "" if it is not known. */
function vpcOf(reader: FactReader, { ipType, ipName, subnet = "", vpc }: Inside): string {
  if (subnet === "" && ipName === "") return vpc;
  const name = subnet !== "" ? subnet : reader.get(ipType === "vip" ? "vips" : "ips", ipName)?.subnet;
  return reader.get("subnets", name ?? "")?.vpc ?? "";
}
