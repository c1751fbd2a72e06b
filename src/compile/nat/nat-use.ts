// SPDX-License-Identifier: Apache-2.0

import type { EipRuleFact } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";
import type { ExternalLink } from "../vpc/vpc-external.ts";
import { linkOf, type NatEip, type NatProblem, natProblem, readEip } from "./nat-eip.ts";
import { familyMismatch, isDefaultVpc, type NatPair, pairsOf } from "./nat-rule.ts";

/** What is inside: addresses or ranges of a VPC, "" for none. */
interface Inside {
  readonly ok: true;
  readonly vpc: string;
  readonly v4: string;
  readonly v6: string;
}

type Link = ExternalLink & { readonly ok: true };

/** What a rule uses: its OvnEip, and the connection of its VPC to that one's subnet. */
export interface NatUse {
  readonly eip: NatEip | NatProblem;
  /** Absent where the OvnEip or what is inside has a problem. */
  readonly link: Link | NatProblem | undefined;
  readonly inDefaultVpc: boolean;
}

/** What is translated. */
export interface NatDecision {
  readonly ok: true;
  readonly pairs: readonly NatPair[];
  readonly link: Link;
}

/** Reads what a rule uses. */
export function readUse(reader: FactReader, rule: EipRuleFact, inside: Inside | NatProblem): NatUse {
  const eip = readEip(reader, rule);
  return {
    eip,
    link: eip.ok && inside.ok ? linkOf(reader, inside.vpc, eip) : undefined,
    inDefaultVpc: inside.ok && isDefaultVpc(reader, inside.vpc),
  };
}

/**
 * What a rule translates, or the first problem: what is invalid in itself, its OvnEip, what is inside, another rule that excludes it, the connection, the
 * families. A rule that is being deleted translates nothing.
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
