// SPDX-License-Identifier: Apache-2.0

import { selectorInVpc } from "./group.ts";
import type { PodSelector } from "./types.ts";

/** Where pods are. A VPC is a custom one by its name, or the default VPC as `undefined`. */
export interface PodVpcs {
  /** The custom VPCs in which a selector selects pods. */
  readonly of: (selector: PodSelector) => readonly string[];
  /** The VPCs that are peered with one. */
  readonly peeredWith: (vpc: string | undefined) => readonly (string | undefined)[];
}

/** For a cluster without custom VPCs: all pods are in the default VPC. */
export const ONE_VPC: PodVpcs = { of: () => [], peeredWith: () => [] };

/** The pods of a selector that subjects in one VPC may have as peers: one selector for each VPC. */
export type Near = (selector: PodSelector) => readonly PodSelector[];

/**
 * Which VPCs' pods a peer of a policy selects, seen from the subjects in one VPC: those of the same VPC and of VPCs that are peered with it, whose addresses differ from its own.
 * Peered VPCs in which a selector selects no pod are left out, so that a VPC with many peerings does not multiply the groups of all policies.
 */
export function nearTo(vpc: string | undefined, { of, peeredWith }: PodVpcs): Near {
  const peered = peeredWith(vpc);
  return (selector) => {
    const there = peered.some((other) => other !== undefined) ? of(selector) : [];
    const others = peered.filter((other) => other === undefined || there.includes(other));
    return [vpc, ...others].map((one) => selectorInVpc(selector, one));
  };
}
