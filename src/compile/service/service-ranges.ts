// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "../../facts/fact-change.ts";
import type { FactReader, FactStore } from "../../facts/store.ts";

const KEY = "services";

/**
 * Keeps the fact `serviceRanges`: from where ClusterIPs are given, by the controller's flag and by ServiceCIDRs, which extend it while the cluster runs. Who depends on it is woken when it changes and not when
 * another ServiceCIDR says the same.
 */
export class ServiceRanges {
  readonly #facts: FactStore;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Processes all facts at once. */
  start(): void {
    const facts = this.#facts;
    const flag: readonly string[] = Object.values(facts.get("cluster", "cluster")?.serviceCidr ?? {});
    const cidrs = [...new Set([...flag, ...facts.all("serviceCidrs").flatMap((one) => one.cidrs)])].sort();
    facts.set("serviceRanges", KEY, { key: KEY, cidrs });
  }

  /** A fact has changed. */
  noteFact({ kind }: FactChange): void {
    if (kind === "serviceCidrs" || kind === "cluster") this.start();
  }
}

/** The ranges of Services, canonical. */
export function rangesOfServices(reader: FactReader): readonly string[] {
  const derived = reader.get("serviceRanges", KEY);
  return derived?.cidrs ?? Object.values(reader.get("cluster", "cluster")?.serviceCidr ?? {});
}
