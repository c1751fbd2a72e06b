// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import type { ExplainReport } from "./explain.ts";
import { formatLag, isInStep, readLag } from "./lag.ts";
import { formatStatus, readStatus } from "./status.ts";
import { ToolError, type ToolTarget } from "./tools/targets.ts";

/**
 * The network's state, by the API server and, with `capture`, by commands in the pods of the leader and of ovn-central; what these cannot tell is a warning. `now`: ms
 * since 1970. Rejects with a `KubeError` if the API server cannot be reached.
 */
export async function statusCommand(
  kube: Kube,
  namespace: string,
  now: number,
  capture?: (target: ToolTarget) => Promise<string>,
): Promise<ExplainReport> {
  const status = await readStatus(kube, namespace, now);
  const warnings: string[] = [];
  const lag =
    capture &&
    (await readLag(kube, namespace, status.leader, capture).catch((error: unknown) => {
      if (!(error instanceof ToolError || error instanceof KubeError)) throw error;
      warnings.push(`how far changes have come is not known: ${error.message}`);
      return undefined;
    }));
  const led = status.leader !== undefined && status.blocked.length === 0;
  const runs = status.parts.every(({ ready, wanted }) => ready >= wanted);
  const joined = status.nodes.every(({ chassisProblem }) => chassisProblem === undefined);
  const accepted = [...status.subnets, ...status.vpcs].every(({ ready }) => ready === "yes");
  const names = new Map(status.nodes.map(({ name, chassis }) => [chassis, name]));
  return {
    data: { ...status, ...(lag !== undefined && { lag }) },
    text: `${formatStatus(status)}${lag === undefined ? "" : `\n${formatLag(lag, names)}`}`,
    ok: led && runs && joined && accepted && (lag === undefined || isInStep(lag)),
    warnings,
  };
}
