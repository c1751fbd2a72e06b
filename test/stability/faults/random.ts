// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { asStabilityError } from "../errors.ts";
import { find, type Plugin, plugin } from "../plugin.ts";
import type { ClusterFault, Injected } from "./fault.ts";
import { FORMS, parseWords } from "./words.ts";

const shape = z.strictObject({
  /** Faults in words, without a time. */
  of: z.array(z.string()).min(1).max(100),
  /** Number of different faults at the same time. */
  count: z.int().min(1).max(10).default(1),
});

/** Several faults at the same time, chosen by the task's seed. `faults` are the plugins that words may name. */
export function randomOf(faults: () => readonly Plugin<ClusterFault>[]): Plugin<ClusterFault> {
  const options = shape.transform(({ of, count }, context) => {
    const bound = of.flatMap((words, n) => {
      const one = boundFault(faults(), words);
      if (typeof one !== "string") return [one];
      context.addIssue({ code: "custom", message: one, path: ["of", n] });
      return [];
    });
    return { bound, count: Math.min(count, of.length) };
  });
  return plugin({
    name: "random",
    summary: "some faults of a list at once, chosen by the seed: of (in words), count",
    options,
    bind: ({ bound, count }): ClusterFault => ({
      needs: [...new Set(bound.flatMap(({ needs }) => needs))],
      shown: `${count} of ${bound.length} faults`,
      lasts: bound.some(({ lasts }) => lasts),
      async inject(stage) {
        const chosen = bound
          .map((fault) => ({ fault, rank: stage.random() }))
          .sort((a, b) => a.rank - b.rank)
          .slice(0, count);
        const injected: { readonly shown: string; readonly one: Injected }[] = [];
        try {
          for (const { fault } of chosen) injected.push({ shown: fault.shown, one: await fault.inject(stage) });
        } catch (error) {
          await Promise.allSettled(injected.map(({ one }) => one.end()));
          throw error;
        }
        return {
          hit: injected.map(({ shown, one }) => `${shown} (${one.hit})`).join(" and "),
          async end() {
            const ends = await Promise.allSettled(injected.map(({ one }) => one.end()));
            for (const end of ends)
              if (end.status === "rejected") throw asStabilityError("fault", "a fault did not end", end.reason);
          },
        };
      },
    }),
  });
}

/** The fault that words describe, or the error in them. */
function boundFault(faults: readonly Plugin<ClusterFault>[], words: string): ClusterFault | string {
  const worded = parseWords(words);
  if (worded === undefined) return `cannot read the fault "${words}"; write ${FORMS.join(" | ")}`;
  if (worded.seconds !== undefined) return `"${words}" must not say for how long: the hook does`;
  const found = find(faults, "fault", worded.plugin);
  const configured = found.ok ? found.value.configure(worded.options) : found;
  return configured.ok ? configured.value : (configured.issues[0]?.message ?? "is not valid");
}
