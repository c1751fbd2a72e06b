// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { chooseNode } from "./crash.ts";
import type { ClusterFault } from "./fault.ts";

const command = z.array(z.string().min(1)).min(1);
const options = z.strictObject({
  name: z.string().min(1),
  node: z.string().default("one"),
  begin: command,
  /** Undoes it; it must succeed also if there is nothing to undo. */
  end: command,
});

/** Any command on a node, as root, and the one that undoes it. */
export const COMMAND = plugin({
  name: "command",
  summary: "any command on a node, and the one that takes it back: name, node, begin, end",
  options,
  bind: ({ name, node: which, begin, end }): ClusterFault => ({
    needs: ["node-command"],
    shown: name,
    lasts: true,
    async inject(stage) {
      const node = chooseNode(stage, which);
      const done = stage.record({ by: "target", kind: "command", node, command: end });
      await stage.target.command(node, begin);
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
