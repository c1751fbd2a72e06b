// SPDX-License-Identifier: Apache-2.0

import type { Derivation } from "../../facts/derivation.ts";
import type { FactReader } from "../../facts/store.ts";

const KEY = "services";

/**
 * The fact `serviceRanges`: from where ClusterIPs are given, by the controller's flag and by ServiceCIDRs, which extend it while the cluster runs. Who
 * depends on it is woken when it changes and not when another ServiceCIDR says the same.
 */
export const clusterServiceRanges: Derivation<"serviceRanges"> = {
  kind: "serviceRanges",
  keys: () => [KEY],
  changedBy: ({ kind }) => (kind === "serviceCidrs" || kind === "cluster" ? [KEY] : []),
  derive: (facts) => {
    const flag: readonly string[] = Object.values(facts.get("cluster", "cluster")?.serviceCidr ?? {});
    return {
      key: KEY,
      cidrs: [...new Set([...flag, ...facts.all("serviceCidrs").flatMap((one) => one.cidrs)])].sort(),
    };
  },
};

/** The ranges of Services, canonical. */
export function rangesOfServices(reader: FactReader): readonly string[] {
  const derived = reader.get("serviceRanges", KEY);
  return derived?.cidrs ?? Object.values(reader.get("cluster", "cluster")?.serviceCidr ?? {});
}
