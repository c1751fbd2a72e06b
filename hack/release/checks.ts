// SPDX-License-Identifier: Apache-2.0

import { releaseNotes } from "./changelog.ts";

/** The state of the checkout that decides whether a release may be made. */
export interface CheckoutState {
  /** Of package.json. */
  readonly version: string;
  /** Of Chart.yaml. */
  readonly chart: { readonly version: string; readonly appVersion: string };
  readonly changelog: string;
  /** Lines of `git status --porcelain`. */
  readonly changes: readonly string[];
  /** Tags of the commit. */
  readonly tags: readonly string[];
}

/** Semantic Versioning 2.0.0 without build metadata, which registries do not take in tags. */
const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/;

/** Why no release can be made from a checkout; empty if it can. A dry run needs no tag, and uses unreleased notes. */
export function problems(state: CheckoutState, options: { dryRun: boolean; allowDirty: boolean }): readonly string[] {
  const { version, chart, changes, tags } = state;
  const found: string[] = [];
  if (!VERSION.test(version)) found.push(`package.json: ${version} is not a semantic version, as 1.2.3 or 1.2.3-rc.1`);
  if (chart.version !== version) found.push(`charts/weft/Chart.yaml: version is ${chart.version}, not ${version}`);
  if (chart.appVersion !== version)
    found.push(`charts/weft/Chart.yaml: appVersion is ${chart.appVersion}, not ${version}`);
  if (!options.allowDirty && changes.length > 0) {
    const more = changes.length > 3 ? ` and ${changes.length - 3} more` : "";
    found.push(`the tree has changes that are not committed: ${changes.slice(0, 3).join(", ")}${more}`);
  }
  if (releaseNotes(state.changelog, version, options.dryRun) === undefined) {
    found.push(
      options.dryRun
        ? `CHANGELOG.md has neither "## [${version}] - DATE" nor anything under "## [Unreleased]"`
        : `CHANGELOG.md lacks "## [${version}] - DATE"`,
    );
  }
  if (!options.dryRun && !tags.includes(`v${version}`)) {
    found.push(`the commit has no tag v${version}${tags.length === 0 ? "" : ` (but ${tags.join(", ")})`}`);
  }
  return found;
}
