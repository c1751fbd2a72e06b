// SPDX-License-Identifier: Apache-2.0

import { SYSTEM_CLOCK } from "../../src/time/clock.ts";
import { stability } from "./cli.ts";
import { BUILT_IN_PLUGINS } from "./plugins.ts";

const print = (text: string): void => console.log(text);
const error = (text: string): void => console.error(text);
/** Progress with the time of day, because a run takes minutes. */
const log = (text: string): void => error(`${new Date().toISOString().slice(11, 23)} ${text}`);

function interrupt(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      log("interrupted: ending faults and cleaning up (once more ends at once, and leaves that to the next run)");
      controller.abort();
    });
  return controller.signal;
}

const world = { plugins: BUILT_IN_PLUGINS, clock: SYSTEM_CLOCK, interrupt, print, log, error };
process.exitCode = await stability(process.argv.slice(2), world);
