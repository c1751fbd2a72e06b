// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { asStabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { chooseNode } from "./crash.ts";
import type { ClusterFault } from "./fault.ts";

const options = z.strictObject({
  node: z.string().default("one"),
  /** Seconds for which the links are alternately down and up. */
  down: z.number().positive().max(60).default(0.5),
  up: z.number().positive().max(60).default(2),
});

/** The links of a node to all others alternately go down and up until the fault ends. */
export const FLAP = plugin({
  name: "flap",
  summary: "a node's links go down and up by turns: node, down, up (seconds)",
  options,
  bind: ({ node: which, down, up }): ClusterFault => ({
    needs: ["partition"],
    shown: `flap the links of ${which === "one" ? "one node" : which}`,
    lasts: true,
    async inject(stage) {
      const { target, clock } = stage;
      const node = chooseNode(stage, which);
      const others = target.nodes.filter((other) => other !== node);
      const done = stage.record({ by: "target", kind: "heal" });
      const over = new AbortController();
      const flapping = (async () => {
        while (!over.signal.aborted) {
          for (const other of others) {
            await target.cut(node, other);
            await target.cut(other, node);
          }
          await pauseOrAbort(clock, down * 1000, over.signal);
          await target.heal();
          await pauseOrAbort(clock, up * 1000, over.signal);
        }
      })();
      // Reported when the fault ends.
      flapping.catch(() => undefined);
      return {
        hit: node,
        async end() {
          over.abort();
          await flapping.catch((error: unknown) => {
            throw asStabilityError("fault", "the links did not flap", error);
          });
          await target.heal();
          done();
        },
      };
    },
  }),
});
