// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { KubeObject } from "../../../src/kube/object.ts";
import { PODS } from "../../../src/kube/resources.ts";
import { plugin } from "../plugin.ts";
import { eventually } from "./eventually.ts";
import type { Verifier } from "./verifier.ts";

const POD = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.object({ hostNetwork: z.boolean().default(false) }).default({ hostNetwork: false }),
  status: z
    .object({ phase: z.string().default(""), podIPs: z.array(z.object({ ip: z.string() })).default([]) })
    .default({ phase: "", podIPs: [] }),
});

/** The VPC of a pod, from its annotation: the same address in two of them is not a duplicate. */
const ROUTER = "ovn.kubernetes.io/logical_router";

/** Addresses that two running pods of one VPC have. */
export function duplicates(pods: readonly unknown[]): readonly string[] {
  const holders = new Map<string, string>();
  return pods.flatMap((raw) => {
    const { metadata, spec, status } = POD.parse(raw);
    if (spec.hostNetwork || ["Succeeded", "Failed"].includes(status.phase)) return [];
    const name = `${metadata.namespace}/${metadata.name}`;
    return status.podIPs.flatMap(({ ip }) => {
      const key = `${metadata.annotations[ROUTER] ?? ""} ${ip}`;
      const other = holders.get(key);
      holders.set(key, name);
      return other === undefined ? [] : [`${other} and ${name} both have ${ip}`];
    });
  });
}

/** No two running pods of a VPC have the same address. */
export const NO_DUPLICATES = plugin({
  name: "no_duplicates",
  summary: "no two running pods of a VPC have the same address",
  options: z.strictObject({}),
  bind: (): Verifier => ({
    needs: ["kubernetes"],
    when: "loaded",
    async begin(target) {
      return async (stage) => [
        await eventually(stage, "no_duplicates", 0, async () =>
          duplicates((await target.kube.list<KubeObject>(PODS)).items),
        ),
      ];
    },
  }),
});
