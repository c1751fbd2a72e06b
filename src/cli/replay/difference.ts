// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { everyFact } from "../../facts/store.ts";
import { reachChanges } from "../../reachability/change.ts";
import type { Replay } from "../../recording/replay.ts";
import { formatMilliTime } from "../../time/rfc3339.ts";
import { modelOfFacts } from "../cluster-model.ts";
import type { ExplainReport } from "../explain.ts";
import { reachPart, rowsPart } from "../plan.ts";
import { planRows } from "../plan-rows.ts";

/** The maximum number of printed facts. */
const SHOWN = 50;

/** The changes between two times: facts, reachability, and rows. */
export function differenceReport(before: Replay, after: Replay, allRows: boolean): ExplainReport {
  const [old, now] = [before, after].map(({ facts, header }) => modelOfFacts(facts, header.clusterId));
  if (old === undefined || now === undefined) throw new TypeError("two states are compared");
  const reachability = reachChanges(old, now, now.facts.all("pods"));
  const { plan, text: rows } = planRows(old.fragments, now.fragments);
  const { deferred: _, ...changed } = plan;
  const facts = changedFacts(before, after);
  const [from, to] = [formatMilliTime(before.last), formatMilliTime(after.last)];
  const data = { from, to, facts, reachability, rows: changed };
  const rest = facts.length - SHOWN;
  const factsText =
    facts.length === 0
      ? "Facts: no change.\n"
      : `${["Facts:", ...facts.slice(0, SHOWN).map((line) => `  ${line}`), ...(rest > 0 ? [`and ${rest} more (-o json has all)`] : [])].join("\n")}\n`;
  return { data, text: [factsText, reachPart(reachability), rowsPart(rows, allRows)].join("\n"), ok: true };
}

function changedFacts(before: Replay, after: Replay): readonly string[] {
  const gone = [...everyFact(before.facts)].flatMap(({ kind, key }) =>
    after.facts.get(kind, key) === undefined ? [`- ${kind} ${key}`] : [],
  );
  const come = [...everyFact(after.facts)].flatMap(({ kind, key, new: fact }) => {
    const former = before.facts.get(kind, key);
    if (former === undefined) return [`+ ${kind} ${key}`];
    return samePlain(former, fact) ? [] : [`~ ${kind} ${key}`];
  });
  return [...gone, ...come];
}
