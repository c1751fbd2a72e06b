// SPDX-License-Identifier: Apache-2.0

import type { KubeConnection } from "../../kube/connect.ts";
import { withChart } from "./chart.ts";
import { findValues } from "./found-values.ts";
import type { Helm, ReleaseValues, Values } from "./helm-run.ts";
import { waitForRollout } from "./rollout.ts";

/** Choices of {@link install}. */
export interface InstallOptions extends Omit<ReleaseValues, "found"> {
  readonly namespace: string;
  readonly dryRun: boolean;
  readonly wait: boolean;
  readonly timeoutMs: number;
}

/** Dependencies of {@link install}. */
export interface InstallParts {
  readonly connection: Pick<KubeConnection, "kube" | "log">;
  readonly helm: Helm;
  /** Whether the cluster is suitable for these values; rejects with InstallError `refused` if not. */
  check(values: Values): Promise<void>;
  say(line: string): void;
  /** Ends the installation; what is already installed stays. */
  readonly signal: AbortSignal;
}

/**
 * Installs the chart, or upgrades it, after a check of the cluster, and waits until Weft runs. Resolves with the manifests of a dry run, or "". Rejects
 * with InstallError.
 */
export async function install(parts: InstallParts, options: InstallOptions): Promise<string> {
  const { connection, helm, say, signal } = parts;
  return await withChart(async (chart) => {
    const values: ReleaseValues = { ...options, found: await findValues(connection.kube, options.namespace) };
    await parts.check(await helm.effectiveValues(chart, values));
    say(options.dryRun ? "asking the API server what would be applied" : "installing the chart");
    const manifests = await helm.install(chart, values, { dryRun: options.dryRun });
    if (!options.dryRun && options.wait) {
      await waitForRollout(connection, options.namespace, options.timeoutMs, say, signal);
    }
    return manifests;
  });
}
