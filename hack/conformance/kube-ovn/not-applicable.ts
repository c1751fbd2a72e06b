// SPDX-License-Identifier: Apache-2.0

import { goPattern } from "../not-applicable.ts";

/** Specs that fail on the lab for a reason that is not a fault of Weft, by suite: a part of their names, and the reason. */
export const NOT_APPLICABLE_IN_SUITE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "kube-ovn": {
    subinterface: "needs 802.1Q in the kernel",
    "subnet add gateway event and metrics": "looks for Kube-OVN's iptables rules; Weft's rules are nftables'",
    "subnet add nat outgoing policy rules":
      "looks for Kube-OVN's iptables rules and ipsets; Weft's rules are nftables'",
  },
};

/** The specs of a suite that are not run without `--all`, as a regular expression of Go; "" for none. */
export function skippedInSuite(suite: string): string {
  return Object.keys(NOT_APPLICABLE_IN_SUITE[suite] ?? {})
    .map(goPattern)
    .join("|");
}
