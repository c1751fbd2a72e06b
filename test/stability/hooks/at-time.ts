// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import type { Trigger } from "./trigger.ts";

/** Fires this number of seconds after the load has begun. */
export const AT_TIME = plugin({
  name: "seconds",
  summary: "so many seconds after the load has begun",
  options: z.number().min(0),
  bind: (seconds): Trigger => ({
    shown: `after ${seconds} s`,
    seconds,
    async wait({ clock, begun, signal }) {
      await pauseOrAbort(clock, begun + seconds * 1000 - clock.now(), signal);
      return !signal.aborted;
    },
  }),
});
