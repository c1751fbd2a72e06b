// SPDX-License-Identifier: Apache-2.0

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** How one spec ended. */
export interface SpecResult {
  /** As in Kubernetes' `conformance.yaml`. */
  readonly name: string;
  /** `skipped`: the spec itself found that it does not fit the cluster. Specs that were not selected have no result. */
  readonly outcome: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** Why it failed or was skipped; empty where it passed. */
  readonly message: string;
}

/** What of Ginkgo's JSON report (`types.Report`) is read here. */
interface GinkgoReport {
  readonly SpecReports?: readonly {
    readonly ContainerHierarchyTexts: readonly string[] | null;
    readonly LeafNodeType: string;
    readonly LeafNodeText: string;
    readonly State: string;
    /** Nanoseconds. */
    readonly RunTime: number;
    readonly Failure?: { readonly Message?: string };
  }[];
}

/** A report of each run has a name that sorts by time; Ginkgo also writes one when it is interrupted. */
export function reportName(time: Date): string {
  return `report-${time.toISOString()}.json`;
}

/**
 * The last result of each spec, by the reports in `folder`, which may be absent. A report that a killed run left incomplete counts as none.
 */
export async function readReports(folder: string): Promise<readonly SpecResult[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const last = new Map<string, SpecResult>();
  let newest: readonly GinkgoReport[] = [];
  for (const name of names.filter((one) => one.startsWith("report-")).sort()) {
    newest = await readReport(join(folder, name));
    for (const result of specResults(newest.map(specsOnly))) last.set(result.name, result);
  }
  // A failure outside of specs says nothing about later runs.
  for (const result of specResults(newest)) last.set(result.name, result);
  return [...last.values()].sort(byName);
}

function specsOnly({ SpecReports = [] }: GinkgoReport): GinkgoReport {
  return { SpecReports: SpecReports.filter(({ LeafNodeType }) => LeafNodeType === "It") };
}

async function readReport(file: string): Promise<readonly GinkgoReport[]> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** The specs that were selected, by a report's content; a failure before or after all specs (BeforeSuite) is one of them. */
export function specResults(reports: readonly GinkgoReport[]): readonly SpecResult[] {
  return reports
    .flatMap(({ SpecReports }) => SpecReports ?? [])
    .map((spec) => ({ ...spec, message: spec.Failure?.Message ?? "" }))
    .filter(({ LeafNodeType, State, message }) =>
      // Ginkgo gives no reason for specs that the command line leaves out.
      LeafNodeType === "It" ? State !== "pending" && (State !== "skipped" || message !== "") : State !== "passed",
    )
    .map(({ ContainerHierarchyTexts, LeafNodeText, LeafNodeType, State, RunTime, message }) => ({
      name: [...(ContainerHierarchyTexts ?? []), LeafNodeText || LeafNodeType].join(" "),
      outcome: outcomeOf(State),
      ms: RunTime / 1e6,
      message: State === "passed" ? "" : message || State,
    }))
    .sort(byName);
}

function byName(a: SpecResult, b: SpecResult): number {
  return a.name < b.name ? -1 : 1;
}

function outcomeOf(state: string): SpecResult["outcome"] {
  return state === "passed" || state === "skipped" ? state : "failed";
}
