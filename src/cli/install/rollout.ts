// SPDX-License-Identifier: Apache-2.0

import type { KubeConnection } from "../../kube/connect.ts";
import { KubeError, unlessNotFound } from "../../kube/errors.ts";
import { informer } from "../../kube/informer.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { PODS } from "../../kube/resources.ts";
import { waitFor } from "../../kube/wait.ts";
import { deadline } from "../deadline.ts";
import { InstallError } from "./error.ts";
import { type LogReader, type PodView, whyNotReady } from "./not-ready.ts";
import { type RolloutState, rolloutOf, WORKLOADS, type Workload } from "./workloads.ts";

/** How many lines of a container's log are shown. */
const LOG_LINES = 12;

/** The part of a connection that {@link waitForRollout} uses. */
export type RolloutView = Pick<KubeConnection, "kube" | "log">;

/**
 * Waits until all workloads of the chart are rolled out; calls `say` for each step. Rejects with InstallError
 * `not-ready` after `timeoutMs`, which names what is missing and why; with its reason when `interrupted` fires.
 */
export async function waitForRollout(
  { kube, log }: RolloutView,
  namespace: string,
  timeoutMs: number,
  say: (line: string) => void,
  interrupted?: AbortSignal,
): Promise<void> {
  const { signal, end } = deadline(timeoutMs, interrupted);
  const late = (
    await Promise.all(
      WORKLOADS.map(async (workload) => ((await rolledOut(kube, namespace, workload, signal, say)) ? [] : [workload])),
    )
  ).flat();
  end();
  interrupted?.throwIfAborted();
  if (late.length === 0) return;
  const pods: PodView[] = [];
  for await (const pod of listEach<PodView>(kube, PODS, { namespace, labelSelector: "component=network" }))
    pods.push(pod);
  const read: LogReader = (pod, container, previous) =>
    log({ namespace, name: pod }, { container, previous, lines: LOG_LINES }).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
  const apps = late.map(({ app }) => app);
  const missing = late.map(({ name, what }) => `${name} (${what})`).join(", ");
  const why = await whyNotReady(pods, apps, read);
  throw new InstallError(
    "not-ready",
    [`not ready after ${Math.round(timeoutMs / 1000)} s: ${missing}`, ...why].join("\n  "),
  );
}

/** Whether a workload is rolled out before `signal` fires. */
async function rolledOut(
  kube: Kube,
  namespace: string,
  { type, name, what, optional = false }: Workload,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<boolean> {
  if (optional && (await kube.get(type, { namespace, name }).catch(unlessNotFound)) === undefined) return true;
  let reported = "";
  const watched = informer<KubeObject, RolloutState>(kube, type, {
    namespace,
    fieldSelector: `metadata.name=${name}`,
    project: (object) => rolloutOf(object, optional),
  });
  watched.start();
  try {
    return await waitFor(
      watched,
      `${namespace}/${name}`,
      (state) => {
        if (state !== undefined && state.text !== reported) {
          reported = state.text;
          say(`${name}: ${reported} (${what})`);
        }
        return state?.done === true ? true : undefined;
      },
      signal,
    );
  } catch (error) {
    if (error instanceof KubeError && error.code === "aborted") return false;
    throw error;
  } finally {
    await watched.stop();
  }
}
