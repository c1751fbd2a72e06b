// SPDX-License-Identifier: Apache-2.0

import type { KubeConnection } from "../../kube/connect.ts";
import { withChart } from "./chart.ts";
import { droppedMessage, droppedValues } from "./dropped-values.ts";
import { InstallError } from "./error.ts";
import { findValues } from "./found-values.ts";
import type { Helm, ReleaseValues, Values } from "./helm-run.ts";
import { waitForRollout } from "./rollout.ts";

/** Choices of {@link install}. */
export interface InstallOptions extends Omit<ReleaseValues, "found"> {
  readonly namespace: string;
  /** Name of the release. */
  readonly release: string;
  /** Whether values of the release that are not given again may change. */
  readonly resetValues: boolean;
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
 * Installs the chart, or upgrades it, after a check of the values and of the cluster, and waits until Weft runs. Resolves with the manifests of a dry
 * run, or "". Rejects with InstallError.
 */
export async function install(parts: InstallParts, options: InstallOptions): Promise<string> {
  const { connection, helm, say, signal } = parts;
  return await withChart(async (chart) => {
    const values: ReleaseValues = { ...options, found: await findValues(connection.kube, options.namespace) };
    const next = await helm.effectiveValues(chart, values);
    if (!options.resetValues) await requireAllValues(helm, options, next);
    await parts.check(next);
    say(options.dryRun ? "asking the API server what would be applied" : "installing the chart");
    const manifests = await helm.install(chart, values, { dryRun: options.dryRun });
    if (!options.dryRun && options.wait) {
      await waitForRollout(connection, options.namespace, options.timeoutMs, say, signal);
    }
    return manifests;
  });
}

async function requireAllValues(helm: Helm, options: InstallOptions, next: Values): Promise<void> {
  const recorded = await helm.recordedValues();
  if (recorded === undefined) return;
  const dropped = droppedValues(recorded, await helm.givenValues({ ...options, found: {} }), next);
  if (dropped.length > 0)
    throw new InstallError("refused", droppedMessage(dropped, options.namespace, options.release));
}
