// SPDX-License-Identifier: Apache-2.0

import type { Derivation } from "../../facts/derivation.ts";
import type { FactReader } from "../../facts/store.ts";

const KEY = "services";

/**
 * The fact `serviceRanges`: the ranges of ClusterIPs, from the controller's flag and from ServiceCIDRs, which extend
 * them while the cluster runs. Its readers are notified when it changes, not when another ServiceCIDR has the same
 * range.
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
