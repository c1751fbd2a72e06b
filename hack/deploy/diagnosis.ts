// SPDX-License-Identifier: Apache-2.0

import { type PodView, whyNotReady } from "../../src/cli/install/not-ready.ts";
import { WORKLOADS } from "../../src/cli/install/workloads.ts";
import type { Lab } from "../lab/lab.ts";
import { RELEASE_NAMESPACE } from "./values.ts";

/** How much of a container's log is shown. */
const LOG_LINES = 12;

/** What prevents `workloads` ("daemonset/ovs-ovn") from being ready, as `weftctl install` says it. */
export async function whyNotReadyInLab(lab: Lab, workloads: readonly string[]): Promise<string> {
  const { stdout } = await lab.kubectl([
    `--namespace=${RELEASE_NAMESPACE}`,
    "get",
    "pods",
    "--selector=component=network",
    "--output=json",
  ]);
  const { items } = JSON.parse(stdout) as { readonly items: readonly PodView[] };
  const apps = WORKLOADS.filter(({ name }) => workloads.some((workload) => workload.endsWith(`/${name}`)));
  const why = await whyNotReady(
    items,
    apps.map(({ app }) => app),
    async (pod, container, previous) => {
      const args = [`--namespace=${RELEASE_NAMESPACE}`, "logs", pod, `--container=${container}`, `--tail=${LOG_LINES}`];
      const log = await lab.kubectl([...args, ...(previous ? ["--previous"] : [])], { allowFailure: true });
      return log.stdout.trim() || log.stderr.trim();
    },
  );
  return [`not ready: ${workloads.join(", ")}`, ...why].join("\n  ");
}
