// SPDX-License-Identifier: Apache-2.0

import type { Malformed } from "./meta.ts";
/** One SecurityGroup. */
export interface SecurityGroupFact extends Malformed {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly allowSameGroupTraffic: boolean;
  /** Absent if it is invalid. */
  readonly tier?: 0 | 1;
  readonly rules: readonly SecurityGroupRuleFact[];
  /** Problems of the group itself. */
  readonly problems: readonly { readonly path: string; readonly reason: string; readonly message: string }[];
}

/** One rule of a SecurityGroup. An invalid part is absent; `problems` has a message for each. */
export interface SecurityGroupRuleFact {
  readonly direction: "ingress" | "egress";
  /** Its index in the list of its direction. */
  readonly index: number;
  /** 1 to 16384; an invalid one is replaced by the nearest valid one. */
  readonly priority: number;
  readonly family?: 4 | 6;
  readonly protocol?: "all" | "icmp" | "tcp" | "udp";
  readonly policy?: "allow" | "drop" | "pass";
  readonly remote?:
    | { readonly kind: "cidr"; readonly cidr: string }
    | { readonly kind: "group"; readonly name: string };
  /** A canonical CIDR, or `any`. */
  readonly local?: string;
  readonly ports?: "any" | PortRangeFact;
  readonly sourcePorts?: "any" | PortRangeFact;
  readonly problems: readonly string[];
}

/** Ports from `first` to `last`, both included. */
export interface PortRangeFact {
  readonly first: number;
  readonly last: number;
}
