// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { KubeError, unlessNotFound } from "../../../src/kube/errors.ts";
import type { ObjectRef } from "../../../src/kube/object.ts";
import { DEPLOYMENTS } from "../../../src/kube/resources.ts";
import { StabilityError, textOf } from "../errors.ts";
import { emptyDisk } from "../faults/full-disk.ts";
import type { Target } from "../targets/target.ts";
import { shownStep, type UndoStep } from "./undo-step.ts";

/** How long the deletion of an object may take: a namespace waits for its pods' sandboxes. */
const GONE_MS = 120_000;
/** How long requests to a killed API server are repeated. */
const RETRY_MS = 60_000;

/** Undoes one step. Rejects with StabilityError `cleanup`. */
export async function undo(target: Target, step: UndoStep): Promise<void> {
  try {
    if (step.by === "target") await target.undo(step);
    else if (step.by === "part") await emptyDisk(target, step.part, step.node);
    else if (step.kind === "scale") {
      const ref = { namespace: step.namespace, name: step.name };
      const patch = { type: "merge" as const, body: { spec: { replicas: step.replicas } } };
      await retried(() => target.kube.patch(DEPLOYMENTS, ref, patch, { subresource: "scale" }).catch(unlessNotFound));
    } else await deleted(target, step);
  } catch (error) {
    throw new StabilityError("cleanup", `cannot ${shownStep(step)}: ${textOf(error)}`, { cause: error });
  }
}

async function deleted(target: Target, step: Extract<UndoStep, { kind: "delete" }>): Promise<void> {
  const { resource, namespace, name } = step;
  const ref: ObjectRef = namespace === undefined ? { name } : { namespace, name };
  await retried(() => target.kube.delete(resource, ref, { propagationPolicy: "Background" }).catch(unlessNotFound));
  const deadline = Date.now() + GONE_MS;
  // The end of a namespace is an event of a watch; a poll twice a second needs no state of a connection that faults break.
  for (;;) {
    const there = await retried(() =>
      target.kube.get(resource, ref).then(
        () => true,
        (error: unknown) => unlessNotFound(error) ?? false,
      ),
    );
    if (!there) return;
    if (Date.now() > deadline) throw new Error(`it still exists after ${GONE_MS / 1000} s`);
    await delay(500);
  }
}

/** Repeats requests that an unavailable or busy API server did not answer. */
async function retried<R>(work: () => Promise<R>): Promise<R> {
  const deadline = Date.now() + RETRY_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const passing = error instanceof KubeError && ["unavailable", "timeout", "conflict"].includes(error.code);
      if (!passing || Date.now() > deadline) throw error;
      await delay(500);
    }
  }
}
