// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { DEPLOYMENTS, PODS } from "../../../src/kube/resources.ts";
import { isReady } from "../../e2e/testing/pods.ts";
import { when } from "../../e2e/testing/when.ts";
import { StabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { Context } from "./context.ts";
import { follow } from "./follow.ts";

const options = z.strictObject({ replicas: z.int().min(1).max(5).default(2) });
const REF = { namespace: "kube-system", name: "kube-ovn-controller" } as const;
const SPEC = z.object({ replicas: z.int() });

/** Sets the number of controllers, so that there is a standby; afterwards it is as before. */
export const CONTROLLERS = plugin({
  name: "controllers",
  summary: "so many weft-controllers, one of which leads: replicas",
  options,
  bind: ({ replicas }): Context => ({
    order: 5,
    needs: ["kubernetes"],
    requires: [],
    async setUp({ target: { kube, nodes }, record }) {
      if (replicas > nodes.length + 1)
        throw new StabilityError("context", `${replicas} controllers are more than ${nodes.length} nodes can run`);
      const before = SPEC.parse((await kube.get(DEPLOYMENTS, REF)).spec).replicas;
      record({ by: "kubernetes", kind: "scale", ...REF, replicas: before });
      const patch = { type: "merge" as const, body: { spec: { replicas } } };
      await kube.patch(DEPLOYMENTS, REF, patch, { subresource: "scale" });
      await using pods = follow(kube, PODS, { namespace: REF.namespace, labelSelector: `app=${REF.name}` });
      await when(
        (listener) => pods.subscribe(listener),
        () => pods.values().length === replicas && pods.values().every((pod) => isReady(pod)),
        `${replicas} controllers are Ready`,
        120_000,
      );
    },
  }),
});
