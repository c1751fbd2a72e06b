// SPDX-License-Identifier: Apache-2.0

import type { KubeConnection } from "../../kube/connect.ts";
import { type Check, formatChecks, summary } from "../env-check/check.ts";
import { checkCluster } from "../env-check/cluster.ts";
import { readFacts } from "../env-check/facts.ts";
import { checkNodes } from "../env-check/nodes.ts";
import { InstallError } from "./error.ts";
import type { Values } from "./helm-run.ts";
import { say } from "./terminal.ts";

/** Where to look, and at what. */
export interface PreflightOptions {
  readonly namespace: string;
  /** Also on the nodes, with short-lived pods. */
  readonly nodes?: boolean;
}

/** Runs the checks for these values of the chart; on the nodes too if requested. */
export async function preflight(
  connection: KubeConnection,
  { namespace, nodes }: PreflightOptions,
  values: Values,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const facts = await readFacts(connection, namespace);
  signal.throwIfAborted();
  const checks = checkCluster(facts, values);
  if (nodes !== true) {
    const found = "modules, MTU, CNI configurations and open ports are not checked without --nodes";
    return [...checks, { subject: "nodes", name: "on the nodes", result: "skipped", found }];
  }
  say("checking the nodes");
  return [...checks, ...(await checkNodes(connection.kube, facts, values, namespace, signal))];
}

/** Prints what is not in order. Rejects with InstallError `refused` if a check has failed, unless such checks are to be ignored. */
export async function requireSuitable(
  connection: KubeConnection,
  options: PreflightOptions & { readonly ignoreFailedChecks?: boolean },
  values: Values,
  signal: AbortSignal,
): Promise<void> {
  const checks = await preflight(connection, options, values, signal);
  const failed = checks.filter(({ result }) => result === "failed");
  const shown = checks.filter(({ result }) => result !== "ok");
  if (shown.length > 0) process.stderr.write(formatChecks(shown));
  if (failed.length === 0 || options.ignoreFailedChecks === true) return;
  throw new InstallError("refused", `the cluster is not suitable for Weft (${summary(checks)}); nothing was changed`);
}
