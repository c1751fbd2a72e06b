// SPDX-License-Identifier: Apache-2.0

import type { Dependency } from "../../facts/dependency.ts";
import { Dependents } from "../../facts/dependents.ts";
import type { Deriver } from "../../facts/derivation.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import { type FactStore, recordingReader, strictReader } from "../../facts/store.ts";
import { readPeerings } from "./vpc-peerings.ts";

/**
 * Maintains the facts `vpcPeers`: the VPCs with which a VPC has an active peering, so that policies and groups
 * include their pods.
 */
export class VpcPeers implements Deriver {
  readonly #facts: FactStore;
  /** The facts that each VPC's peerings depend on. */
  readonly #dependents = new Dependents();

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  start(): void {
    for (const { key } of this.#facts.all("vpcs")) this.#settle(key);
  }

  noteFact({ kind, key, touched }: FactChange): void {
    const concerned = new Set(touched.flatMap((dependency) => this.#dependents.of(dependency)));
    if (kind === "vpcs") concerned.add(key);
    for (const vpc of concerned) this.#settle(vpc);
  }

  #settle(key: string): void {
    const facts = this.#facts;
    const seen: Dependency[] = [];
    const subject = { part: "derived fact", where: "vpcPeers", kind: "vpcs", key } as const;
    try {
      const vpc = facts.get("vpcs", key);
      const { links } =
        vpc === undefined ? { links: [] } : readPeerings(recordingReader(strictReader(facts), seen), vpc);
      const vpcs = [...new Set(links.map(({ remoteVpc }) => remoteVpc))].sort();
      facts.set("vpcPeers", key, vpcs.length === 0 ? undefined : { key, vpcs });
      facts.failures.succeeded(subject);
    } catch (error) {
      // The former fact stays, as the peerings do.
      facts.failures.failed(subject, error, () => this.#settle(key));
    }
    this.#dependents.set(key, seen);
  }
}
