// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { HTTP_PORT } from "../contexts/pod-manifest.ts";
import { plugin } from "../plugin.ts";
import { COMMON, podToPod } from "./requests.ts";

/** A request on one TCP connection to a pod on another node, which all iterations share: its end is a failure, and the next iteration opens another. */
export const STREAM = plugin({
  name: "stream",
  summary: "requests on one long TCP connection to a pod on another node: family, timeout",
  options: z.strictObject({ ...COMMON, timeout: z.number().positive().max(120).default(30) }),
  bind: podToPod("answer", "stream", HTTP_PORT),
});
