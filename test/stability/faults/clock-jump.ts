// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { chooseNode } from "./crash.ts";
import type { ClusterFault } from "./fault.ts";

const options = z.strictObject({
  node: z.string().default("one"),
  /** Seconds forwards, or backwards if negative. */
  by: z
    .int()
    .min(-86_400)
    .max(86_400)
    .refine((by) => by !== 0, "must not be 0"),
});

/** The difference in nanoseconds between the clock and the node's uptime (proc_uptime(5), in hundredths of a second), before the clock was set. */
const FILE = "/run/weft-stability-clock";
const UPTIME = "read -r up idle </proc/uptime; up=$(($(echo $up | tr -d .) * 10000000))";

/** Sets the clock to the recorded difference in FILE plus a number of seconds. Idempotent. */
function setTo(seconds: number): string {
  return `to=$(($(cat ${FILE}) + up + ${seconds} * 1000000000)); date --set="@$((to / 1000000000)).$(printf %09d $((to % 1000000000)))"`;
}

/** A node's realtime clock is set forwards or backwards, and back again when the fault ends. Time synchronization may end it before. */
export const CLOCK_JUMP = plugin({
  name: "clock_jump",
  summary: "a node's clock is set forwards or backwards: node, by (seconds)",
  options,
  bind: ({ node: which, by }): ClusterFault => ({
    needs: ["clock"],
    shown: `set the clock of ${which === "one" ? "one node" : which} by ${by} s`,
    lasts: true,
    async inject(stage) {
      const node = chooseNode(stage, which);
      const end = ["sh", "-ec", `[ -e ${FILE} ] || exit 0; ${UPTIME}; ${setTo(0)}; rm ${FILE}`];
      const done = stage.record({ by: "target", kind: "command", node, command: end });
      const note = `[ -e ${FILE} ] || echo $(($(date +%s%N) - up)) >${FILE}`;
      await stage.target.command(node, ["sh", "-ec", `${UPTIME}; ${note}; ${setTo(by)}`]);
      return {
        hit: node,
        async end() {
          await stage.target.command(node, end);
          done();
        },
      };
    },
  }),
});
