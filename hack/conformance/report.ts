// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";

/** How one spec ended. */
export interface SpecResult {
  /** As in Kubernetes' `conformance.yaml`. */
  readonly name: string;
  readonly passed: boolean;
  readonly ms: number;
  /** Empty where it passed. */
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

/** The specs that ran, by Ginkgo's JSON report; a failure before or after all specs (BeforeSuite) is one of them. */
export async function readReport(file: string): Promise<readonly SpecResult[]> {
  return specResults(JSON.parse(await readFile(file, "utf8")));
}

/** The same of the report's content. */
export function specResults(reports: readonly GinkgoReport[]): readonly SpecResult[] {
  return reports
    .flatMap(({ SpecReports }) => SpecReports ?? [])
    .filter(
      ({ LeafNodeType, State }) =>
        (LeafNodeType === "It" && State !== "skipped" && State !== "pending") ||
        (LeafNodeType !== "It" && State !== "passed"),
    )
    .map((spec) => ({
      name: [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText || spec.LeafNodeType].join(" "),
      passed: spec.State === "passed",
      ms: spec.RunTime / 1e6,
      message: spec.State === "passed" ? "" : (spec.Failure?.Message ?? spec.State),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
