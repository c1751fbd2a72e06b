// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import type { Kube } from "../kube/kube.ts";
import { keyOf } from "../kube/object.ts";
import { type ReachChange, type ReachChanges, reachChanges } from "../reachability/change.ts";
import { buildClusterModel, type ClusterModel, readObjects } from "./cluster-model.ts";
import { dryRun } from "./dry-run.ts";
import type { ExplainReport } from "./explain.ts";
import { ManifestError, type ManifestObject, readManifest } from "./manifest.ts";
import { planRows } from "./plan-rows.ts";
import { formatTable } from "./table.ts";

/** Options of `plan`. */
export interface PlanOptions {
  /** Files, or `-`. */
  readonly file: readonly string[];
  readonly namespace: string;
  readonly delete?: boolean;
  /** Whether to print all rows, however many. */
  readonly allRows?: boolean;
  /** Whether a change of reachability makes the exit code 1. */
  readonly exitCode?: boolean;
}

/** The number of lines of each part that are printed. */
const SHOWN = { changes: 50, rows: 120 };

/** Answers `plan`. Writes nothing. Rejects with a `ManifestError`, a `KubeError`, or the error of reading a file. */
export async function planCommand(kube: Kube, options: PlanOptions): Promise<ExplainReport> {
  const { file: files, namespace, delete: deleting = false, allRows = false, exitCode = false } = options;
  const manifests = await Promise.all(
    files.map(async (file) => readManifest(await readInput(file), file === "-" ? "standard input" : file, namespace)),
  );
  const wanted = manifests.flatMap(({ objects }) => objects);
  const present = await readObjects(kube);
  const { objects, notes } = await dryRun(kube, present, wanted, deleting);
  const [before, after] = [buildClusterModel(present), buildClusterModel(objects)];
  const reach = reachChanges(before, after, after.facts.all("pods"));
  const rows = planRows(before.fragments, after.fragments);
  const remarks = [
    ...notes,
    ...manifests.flatMap(({ ignored }) => ignored),
    ...problemsOf(after, deleting ? [] : wanted),
    ...newPods(before, after),
  ];
  const { deferred: _, ...plan } = rows.plan;
  const data = { reachability: reach, notes: remarks, rows: plan };
  const text = [reachPart(reach), rowsPart(rows.text, allRows), notesPart(remarks)].filter((part) => part !== "");
  return { data, text: text.join("\n"), ok: !exitCode || reach.changes.length === 0, warnings: after.warnings };
}

async function readInput(file: string): Promise<string> {
  if (file === "-") return await readAll(process.stdin);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new ManifestError(`failed to read ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** The changes of reachability as text; at most 50 lines. */
export function reachPart({ changes, totals }: ReachChanges): string {
  if (changes.length === 0) return "Reachability: no change.\n";
  const rows = changes
    .slice(0, SHOWN.changes)
    .map(({ change, from, to, what, open, because = "" }: ReachChange) => [
      change === "loses" ? "-" : "+",
      `${from} → ${to}`,
      `${change} ${what}`,
      open,
      because,
    ]);
  const rest = changes.length - rows.length;
  const { gaining, losing, pairs } = totals;
  return [
    "Reachability:",
    formatTable(["", "FROM → TO", "CHANGE", "OPEN AFTERWARDS", "BECAUSE"], rows).trimEnd(),
    ...(rest > 0 ? [`and ${rest} more (-o json has all)`] : []),
    `Of ${pairs} pairs of pods, ${losing} lose something and ${gaining} gain something.\n`,
  ].join("\n");
}

/** The rows that change, as human-readable text; at most 120 lines unless `all`. */
export function rowsPart(text: string, all: boolean): string {
  if (text === "") return "Northbound rows: no change.\n";
  const lines = text.trimEnd().split("\n");
  const shown = all ? lines : lines.slice(0, SHOWN.rows);
  const rest = lines.length - shown.length;
  return `${["Northbound rows:", ...shown, ...(rest > 0 ? [`and ${rest} more lines (--all-rows prints them)`] : [])].join("\n")}\n`;
}

function notesPart(notes: readonly string[]): string {
  return notes.length === 0 ? "" : `Notes:\n${notes.map((note) => `  ${note}`).join("\n")}\n`;
}

/** The controller's conditions for the objects of a manifest: what is not accepted, or not enforced as written. */
function problemsOf({ fragments }: ClusterModel, wanted: readonly ManifestObject[]): readonly string[] {
  const keys = new Map(wanted.map((one) => [`${one.kind}/${keyOf(one)}`, one.label]));
  return [...fragments.values()].flatMap(({ effects }) =>
    effects.flatMap((effect) => {
      if (effect.kind === "report") {
        const { resource, namespace, name } = effect.about;
        const label = keys.get(`${resource}/${namespace === "" ? name : `${namespace}/${name}`}`);
        return label === undefined ? [] : [`${label}: ${effect.message}`];
      }
      if (effect.kind !== "condition" || effect.ready) return [];
      const label = keys.get(`${effect.resource}/${effect.name}`);
      return label === undefined ? [] : [`${label}: ${effect.message}`];
    }),
  );
}

function newPods(before: ClusterModel, after: ClusterModel): readonly string[] {
  return after.facts
    .all("pods")
    .filter(({ key, alive }) => alive && before.facts.get("pods", key) === undefined)
    .map(({ key }) => `Pod ${key} would be new: it has no address yet, so it is not among the pairs`);
}
