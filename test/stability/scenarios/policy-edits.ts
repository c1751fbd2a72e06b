// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { KubeObject, NewObject } from "../../../src/kube/object.ts";
import { NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import { HTTP_PORT, SERVED } from "../contexts/pod-manifest.ts";
import { plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { addressOfFamily, namespaceOfRun } from "../run/stage.ts";
import type { Request } from "../targets/target.ts";
import { COMMON, pair } from "./requests.ts";
import type { Scenario } from "./scenario.ts";

const options = z.strictObject({
  family: COMMON.family,
  /** Seconds for an edit to take effect. */
  timeout: z.number().positive().max(300).default(30),
});
/** Timeout of an attempt, because one that a policy drops gets no answer. */
const ATTEMPT_MS = 200;

/**
 * A NetworkPolicy closes the pods to new connections and is deleted again: how long until packets follow each change. For a separate run (other scenarios
 * would be denied too) and a runner with one iteration at a time.
 */
export const POLICY_EDITS = plugin({
  name: "policy_edits",
  summary: "a NetworkPolicy closes pods and is deleted again, judged by packets: family, timeout",
  options,
  bind: ({ family, timeout }): Scenario => ({
    needs: ["pod-traffic", "kubernetes"],
    requires: ["pods"],
    async prepare(stage) {
      const { kube } = stage.target;
      const namespace = namespaceOfRun(stage);
      const { from, to } = pair(stage);
      const prober = await stage.target.prober(from);
      const address = addressOfFamily(to.addresses, family, to.name);
      const request: Request = { kind: "http", address, port: HTTP_PORT, timeoutMs: ATTEMPT_MS };
      const until = async (open: boolean): Promise<void> => {
        const deadline = stage.clock.now() + timeout * 1000;
        while ((await prober.send(request)).ok !== open) {
          if (stage.clock.now() > deadline)
            throw new Error(`the port was not ${open ? "open" : "closed"} within ${timeout} s`);
          await pauseOrAbort(stage.clock, 20, stage.signal);
        }
      };
      return {
        async iterate(actions, n) {
          const name = `closed-${n}`;
          const policy: NewObject<KubeObject> = {
            metadata: { namespace, name },
            spec: { podSelector: { matchLabels: SERVED }, policyTypes: ["Ingress"], ingress: [] },
          };
          await kube.create(NETWORK_POLICIES, policy);
          try {
            await actions.timed("closed", () => until(false));
          } finally {
            await kube.delete(NETWORK_POLICIES, { namespace, name });
          }
          await actions.timed("opened", () => until(true));
        },
        stop: () => prober.stop(),
      };
    },
  }),
});
