// SPDX-License-Identifier: Apache-2.0

import { PINGER_COMPONENT } from "../../api/names.ts";
import { KubeError, unlessNotFound } from "../../kube/errors.ts";
import { informer } from "../../kube/informer.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { DAEMON_SETS, PODS } from "../../kube/resources.ts";
import { deadline } from "../deadline.ts";

/** Labels of the probers' pods. */
const PROBERS = `app=${PINGER_COMPONENT},app.kubernetes.io/part-of=weft`;

/**
 * Deletes the DaemonSet of the probers and waits until their pods have ended: they are in the pod network, and a pod whose daemon is gone does not end. Resolves
 * with whether all have ended in time; rejects with a KubeError.
 */
export async function removeProbers(
  kube: Kube,
  namespace: string,
  timeoutMs: number,
  interrupted: AbortSignal,
): Promise<boolean> {
  await kube.delete(DAEMON_SETS, { namespace, name: PINGER_COMPONENT }).catch(unlessNotFound);
  const { signal, end } = deadline(timeoutMs, interrupted);
  const pods = informer<KubeObject, true>(kube, PODS, { namespace, labelSelector: PROBERS, project: () => true });
  const gone = Promise.withResolvers<void>();
  const look = (): void => {
    if (pods.synced && [...pods.values()].length === 0) gone.resolve();
  };
  signal.addEventListener("abort", () => gone.reject(new KubeError("aborted", "wait for the probers to end")));
  pods.subscribe(look);
  pods.start();
  try {
    await pods.whenSynced(signal);
    look();
    await gone.promise;
    return true;
  } catch (error) {
    interrupted.throwIfAborted();
    if (error instanceof KubeError && error.code === "aborted") return false;
    throw error;
  } finally {
    end();
    gone.promise.catch(() => undefined);
    await pods.stop();
  }
}

/** Whether a pod is one of the probers, which {@link removeProbers} removes. `namespace`: Weft's. */
export function isProber({ metadata }: KubeObject, namespace: string): boolean {
  const { labels = {}, namespace: own } = metadata;
  return own === namespace && labels["app"] === PINGER_COMPONENT && labels["app.kubernetes.io/part-of"] === "weft";
}
