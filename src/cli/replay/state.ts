// SPDX-License-Identifier: Apache-2.0

import { everyFact } from "../../facts/store.ts";
import { formatPlan } from "../../reconcile/plan-text.ts";
import { planSize } from "../../reconcile/transaction-plan.ts";
import type { RecordedChange, RecordedCommit, Replay } from "../../recording/replay.ts";
import { committedText, desiredOf, desiredText } from "../../recording/rows-text.ts";
import { causesOf } from "../../recording/why.ts";
import { formatMilliTime } from "../../time/rfc3339.ts";
import { modelOfFacts } from "../cluster-model.ts";
import type { ExplainReport } from "../explain.ts";

/** The parts of a state that are shown. */
export interface StateQuestion {
  readonly at: number | undefined;
  readonly only: string | undefined;
  readonly commits: number;
  readonly check: boolean;
}

/** The maximum numbers of causes for each unit, and of units, that are shown for a transaction. */
const SHOWN = { causes: 5, units: 20, differences: 20 };

/** The facts that the controller had received at a time, the transactions that it had committed, and their causes. */
export function stateReport(replay: Replay, { at, only, commits, check }: StateQuestion): ExplainReport {
  const { fromFacts, differences } = rowsOf(replay);
  const matches = (name: string): boolean => only === undefined || name.includes(only);
  const chosen = replay.commits.filter(({ units }) => units.some(matches)).slice(commits === 0 ? Infinity : -commits);
  const history = chosen.map((commit) => described(replay, commit, matches));
  const facts = [...everyFact(replay.facts)];
  const counts = Object.fromEntries(
    replay.facts.kinds.flatMap((kind) => (replay.facts.size(kind) > 0 ? [[kind, replay.facts.size(kind)]] : [])),
  );
  const shown = only === undefined ? [] : facts.filter(({ key }) => key.includes(only));
  const data = {
    at: formatMilliTime(at ?? replay.last),
    controller: replay.header.process,
    facts: counts,
    commits: history,
    ...(only !== undefined && {
      objects: shown.map(({ kind, key, new: fact }) => ({ kind, key, fact })),
      rows: fromFacts.split("\n").filter((line) => line.includes(only)),
    }),
    differences,
  };
  const text = [
    `State at ${data.at}, as recorded by ${data.controller}.\n`,
    `Facts: ${Object.entries(counts)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", ")}\n`,
    ...(only === undefined ? [] : [objectsText(data.objects ?? []), rowsText(data.rows ?? [])]),
    commitsText(history),
    differences.length === 0
      ? "The rows that follow from the facts are those that were committed.\n"
      : `Rows that follow from the facts (>) and those that were committed (<) differ:\n${indented(differences.slice(0, SHOWN.differences))}`,
  ];
  return { data, text: text.join("\n"), ok: !check || differences.length === 0, warnings: warningsOf(replay) };
}

/** All rows that follow from the facts, one line each. */
export function rowsReport(replay: Replay, check: boolean): ExplainReport {
  const { fromFacts, differences } = rowsOf(replay);
  const ok = !check || differences.length === 0;
  return {
    data: fromFacts.split("\n").filter((line) => line !== ""),
    text: fromFacts,
    ok,
    warnings: warningsOf(replay),
  };
}

function rowsOf(replay: Replay): { readonly fromFacts: string; readonly differences: readonly string[] } {
  const desired = desiredOf(modelOfFacts(replay.facts, replay.header.clusterId).fragments);
  const fromFacts = desiredText(desired);
  const wanted = new Set(fromFacts.split("\n"));
  const present = new Set(committedText(replay.rows.rows(), desired).split("\n"));
  const differences = [
    ...[...wanted].filter((line) => !present.has(line)).map((line) => `> ${line}`),
    ...[...present].filter((line) => !wanted.has(line)).map((line) => `< ${line}`),
  ];
  return { fromFacts, differences };
}

/** The limits of the report. */
function warningsOf(replay: Replay): readonly string[] {
  const unread = replay.facts.kinds.flatMap((kind) => replay.facts.unread(kind).map((key) => `${kind} ${key}`));
  return [
    ...(replay.unknownKinds.size > 0
      ? [`the recording has facts that this version does not know: ${[...replay.unknownKinds].sort().join(", ")}`]
      : []),
    ...(unread.length > 0
      ? [`these objects could not be read when they were recorded, or not by this version: ${unread.join(", ")}`]
      : []),
  ];
}

interface DescribedCommit {
  readonly at: string;
  readonly operations: number;
  readonly units: readonly { readonly unit: string; readonly because: readonly string[] }[];
  readonly plan: string;
}

function described(replay: Replay, commit: RecordedCommit, matches: (unit: string) => boolean): DescribedCommit {
  const plan = { ...commit.plan, deferred: new Set<string>(), misdirected: [] };
  const names = new Map(plan.inserts.map(({ uuid, table, label }) => [uuid, `${table} ${label}`]));
  const name = (uuid: string): string | undefined => {
    const row = replay.rows.get(uuid);
    return names.get(uuid) ?? (row && `${row.table} ${String(row.columns["name"] ?? uuid)}`);
  };
  return {
    at: formatMilliTime(commit.at),
    operations: planSize(plan),
    units: commit.units.filter(matches).map((unit) => ({
      unit,
      because: causesOf(replay, commit, unit, SHOWN.causes).map(changeText),
    })),
    plan: formatPlan(plan, name),
  };
}

/** A change in one line: the changed fields of the fact. */
function changeText({ at, change }: RecordedChange): string {
  const { kind, key, old, new: now } = change;
  const what =
    now === undefined
      ? "gone"
      : old === undefined
        ? "new"
        : `changed: ${Object.keys({ ...old, ...now })
            .filter((field) => JSON.stringify(Reflect.get(old, field)) !== JSON.stringify(Reflect.get(now, field)))
            .join(", ")}`;
  return `${formatMilliTime(at)} ${kind} ${key} ${what}`;
}

function commitsText(commits: readonly DescribedCommit[]): string {
  if (commits.length === 0) return "No transaction before.\n";
  const parts = commits.map(({ at, operations, units, plan }) =>
    [
      `${at}, ${operations} operations`,
      ...units
        .slice(0, SHOWN.units)
        .flatMap(({ unit, because }) => [
          `  ${unit}, ${because.length === 0 ? "no cause recorded" : "because of"}`,
          ...because.map((cause) => `    ${cause}`),
        ]),
      ...(units.length > SHOWN.units ? [`  and ${units.length - SHOWN.units} more (-o json has all)`] : []),
      ...plan
        .trimEnd()
        .split("\n")
        .map((line) => `  ${line}`),
    ].join("\n"),
  );
  return `Last transactions:\n${parts.join("\n")}\n`;
}

function objectsText(objects: readonly { kind: string; key: string; fact?: unknown }[]): string {
  if (objects.length === 0) return "No such fact.\n";
  return `Facts of that name:\n${indented(objects.map(({ kind, key, fact }) => `${kind} ${key} ${JSON.stringify(fact)}`))}`;
}

function rowsText(rows: readonly string[]): string {
  return rows.length === 0 ? "No such row.\n" : `Rows of that name:\n${indented(rows)}`;
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}\n`).join("");
}
