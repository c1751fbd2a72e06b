// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { KubeObject } from "../../../src/kube/object.ts";
import { PODS } from "../../../src/kube/resources.ts";
import { plugin } from "../plugin.ts";
import { eventually } from "./eventually.ts";
import type { Verifier } from "./verifier.ts";

const options = z.strictObject({ seconds: z.number().min(0).max(600).default(120) });

const POD = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), deletionTimestamp: z.string().optional() }),
  status: z
    .object({
      phase: z.string().default(""),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .default({ phase: "", conditions: [] }),
});

/** The pods that are not Ready, without those that have completed or are being deleted. */
export function unready(pods: readonly unknown[]): readonly string[] {
  return pods.flatMap((raw) => {
    const { metadata, status } = POD.parse(raw);
    const ready = status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
    if (ready || status.phase === "Succeeded" || metadata.deletionTimestamp !== undefined) return [];
    return [`${metadata.namespace}/${metadata.name} is not Ready`];
  });
}

/** Every pod of the cluster is Ready again. */
export const PODS_READY = plugin({
  name: "pods_ready",
  summary: "every pod of the cluster is Ready again",
  options,
  bind: ({ seconds }): Verifier => ({
    needs: ["kubernetes"],
    when: "loaded",
    async begin(target) {
      return async (stage) => [
        await eventually(stage, "pods_ready", seconds * 1000, async () =>
          unready((await target.kube.list<KubeObject>(PODS)).items),
        ),
      ];
    },
  }),
});
