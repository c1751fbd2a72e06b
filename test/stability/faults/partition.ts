// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { chooseNode } from "./crash.ts";
import type { ClusterFault } from "./fault.ts";

const options = z.strictObject({
  /** `one` (by the seed), or the name of a node. */
  from: z.string().default("one"),
  /** `others` (all other nodes), `control-plane`, or the name of a node. */
  to: z.string().default("others"),
  /** Only packets from the first to the second are lost. */
  one_way: z.boolean().default(false),
});

/** Packets between two parties are lost until the fault ends. */
export const PARTITION = plugin({
  name: "partition",
  summary: "packets between two parties are lost: from, to (others, control-plane, or a node), one_way",
  options,
  bind: ({ from, to, one_way: oneWay }): ClusterFault => ({
    needs: ["partition"],
    shown: `disconnect ${from === "one" ? "one node" : from} ${oneWay ? "to" : "from"} ${to}`,
    lasts: true,
    async inject(stage) {
      const first = chooseNode(stage, from);
      const others = to === "others" ? stage.target.nodes.filter((node) => node !== first) : [to];
      const seconds = others.map((name) => (name === "control-plane" ? name : chooseNode(stage, name, [first])));
      const done = stage.record({ by: "target", kind: "heal" });
      for (const second of seconds) {
        await stage.target.cut(first, second);
        if (!oneWay) await stage.target.cut(second, first);
      }
      return {
        hit: `${first} ${oneWay ? "→" : "↔"} ${seconds.join(", ")}`,
        async end() {
          await stage.target.heal();
          done();
        },
      };
    },
  }),
});
