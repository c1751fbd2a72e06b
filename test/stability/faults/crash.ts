// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { StabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { Stage } from "../run/stage.ts";
import type { ClusterFault } from "./fault.ts";

const options = z.strictObject({
  /** `one` (by the seed), or the name of a node. */
  node: z.string().default("one"),
});

/** A node by its name, or one by the seed. Throws StabilityError `fault`. */
export function chooseNode({ target, random }: Stage, name: string, not: readonly string[] = []): string {
  const nodes = target.nodes.filter((node) => !not.includes(node));
  const found = name === "one" ? nodes[Math.floor(random() * nodes.length)] : nodes.find((node) => node === name);
  if (found === undefined)
    throw new StabilityError("fault", `there is no node ${name}; the target has ${target.nodes.join(", ")}`);
  return found;
}

/** All processes of a node end at once, as in a power cut; at the end of the fault it boots. */
export const CRASH = plugin({
  name: "crash",
  summary: "all processes of a node end at once, its namespaces go; it boots at the end: node",
  options,
  bind: ({ node: name }): ClusterFault => ({
    needs: ["node-crash"],
    shown: name === "one" ? "crash one node" : `crash ${name}`,
    lasts: true,
    async inject(stage) {
      const node = chooseNode(stage, name);
      const done = stage.record({ by: "target", kind: "boot", node });
      await stage.target.crash(node);
      return {
        hit: node,
        async end() {
          await stage.target.boot(node);
          done();
        },
      };
    },
  }),
});
