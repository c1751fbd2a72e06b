// SPDX-License-Identifier: Apache-2.0

import type { EipRuleFact } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";
import type { ExternalLink } from "../vpc/vpc-external.ts";
import { linkOf, type NatEip, readEip } from "./nat-eip.ts";
import { type NatProblem, natProblem } from "./nat-problem.ts";
import { familyMismatch, isDefaultVpc, type NatPair, pairsOf } from "./nat-rule.ts";

/** The inside addresses or ranges of a VPC, "" if none. */
interface Inside {
  readonly ok: true;
  readonly vpc: string;
  readonly v4: string;
  readonly v6: string;
}

type Link = ExternalLink & { readonly ok: true };

/** The objects that a rule uses: its OvnEip, and the connection of its VPC to that OvnEip's subnet. */
export interface NatUse {
  readonly eip: NatEip | NatProblem;
  /** Absent if the OvnEip or the inside addresses have a problem. */
  readonly link: Link | NatProblem | undefined;
  readonly inDefaultVpc: boolean;
}

/** The translation of a rule. */
export interface NatDecision {
  readonly ok: true;
  readonly pairs: readonly NatPair[];
  readonly link: Link;
}

/** Reads the objects that a rule uses. */
export function readUse(reader: FactReader, rule: EipRuleFact, inside: Inside | NatProblem): NatUse {
  const eip = readEip(reader, rule);
  return {
    eip,
    link: eip.ok && inside.ok ? linkOf(reader, inside.vpc, eip) : undefined,
    inDefaultVpc: inside.ok && isDefaultVpc(reader, inside.vpc),
  };
}

/**
 * The translation of a rule, or the first problem: the rule itself is invalid, its OvnEip, its inside addresses,
 * another rule that excludes it, the connection, the families. A rule that is being deleted translates nothing.
 */
export function decideUse(
  { eip, link }: NatUse,
  rule: EipRuleFact,
  inside: Inside | NatProblem,
  { invalid, rival }: { readonly invalid?: NatProblem | undefined; readonly rival: NatProblem | undefined },
): NatDecision | NatProblem {
  if (invalid !== undefined) return invalid;
  if (!eip.ok) return eip;
  if (!inside.ok) return inside;
  if (rival !== undefined) return rival;
  if (link?.ok === false) return link;
  const pairs = pairsOf(eip, inside);
  if (pairs.length === 0) return familyMismatch(eip, inside);
  if (link === undefined || rule.deleting) return natProblem("Pending", "not decided yet");
  return { ok: true, pairs, link };
}
