// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";

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

/** The specs that were selected, by Ginkgo's JSON report; a failure before or after all specs (BeforeSuite) is one of them. */
export async function readReport(file: string): Promise<readonly SpecResult[]> {
  return specResults(JSON.parse(await readFile(file, "utf8")));
}

/** The same of the report's content. */
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
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function outcomeOf(state: string): SpecResult["outcome"] {
  return state === "passed" || state === "skipped" ? state : "failed";
}
