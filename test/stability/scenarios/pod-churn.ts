// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { PODS } from "../../../src/kube/resources.ts";
import { isReady } from "../../e2e/testing/pods.ts";
import { follow } from "../contexts/follow.ts";
import { netexecPod } from "../contexts/pod-manifest.ts";
import { plugin } from "../plugin.ts";
import { namespaceOfRun } from "../run/stage.ts";
import type { Scenario } from "./scenario.ts";

const options = z.strictObject({
  /** Seconds for a pod to become Ready, and to be gone. */
  timeout: z.number().positive().max(600).default(60),
});

/** A pod is created, becomes Ready and is deleted; on the nodes in turn. */
export const POD_CHURN = plugin({
  name: "pod_churn",
  summary: "a pod is created, becomes Ready, is deleted and goes: timeout",
  options,
  bind: ({ timeout }): Scenario => ({
    needs: ["kubernetes"],
    requires: ["namespace"],
    async prepare(stage) {
      const { kube, nodes, image } = stage.target;
      const namespace = namespaceOfRun(stage);
      const pods = follow(kube, PODS, { namespace });
      await pods.ready();
      return {
        async iterate(actions, n) {
          const name = `churn-${n}`;
          const node = nodes[n % nodes.length] ?? "";
          const key = `${namespace}/${name}`;
          await actions.timed("create", () => kube.create(PODS, netexecPod(image, { namespace, name, node })));
          try {
            await actions.timed("ready", () => pods.until(key, "is Ready", (pod) => isReady(pod), timeout * 1000));
          } finally {
            await actions.timed("delete", () => kube.delete(PODS, { namespace, name }));
          }
          await actions.timed("gone", () => pods.gone(key, timeout * 1000));
        },
        stop: () => pods.stop(),
      };
    },
  }),
});
