// SPDX-License-Identifier: Apache-2.0

import { pauseOrAbort } from "../run/pause.ts";
import type { Stage } from "../run/stage.ts";
import type { Verdict } from "../sla/sla.ts";

/**
 * Repeats a check until it finds nothing wrong, for at most `ms` milliseconds, so that removals and starts can complete. A check that fails counts as
 * something wrong.
 */
export async function eventually(
  { clock, signal }: Pick<Stage, "clock" | "signal">,
  name: string,
  ms: number,
  complaints: () => Promise<readonly string[]>,
): Promise<Verdict> {
  const begun = clock.now();
  for (;;) {
    const wrong = await complaints().catch((error: unknown) => [
      `could not be checked: ${error instanceof Error ? error.message : error}`,
    ]);
    const took = Math.round((clock.now() - begun) / 100) / 10;
    if (wrong.length === 0) return { name, outcome: "passed", text: `holds after ${took} s` };
    if (clock.now() - begun >= ms || signal.aborted) {
      const more = wrong.length > 10 ? `; and ${wrong.length - 10} more` : "";
      return { name, outcome: "failed", text: `${wrong.slice(0, 10).join("; ")}${more} (after ${took} s)` };
    }
    await pauseOrAbort(clock, 500, signal);
  }
}
