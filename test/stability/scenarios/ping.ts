// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { UDP_PORT } from "../contexts/pod-manifest.ts";
import { plugin } from "../plugin.ts";
import { COMMON, podToPod } from "./requests.ts";

/** A datagram from a pod to one on another node, which echoes it. One socket sends them all, so they are one flow. */
export const PING = plugin({
  name: "ping",
  summary: "a datagram to a pod on another node, and its echo: family, timeout",
  options: z.strictObject(COMMON),
  bind: podToPod("echo", "udp", UDP_PORT),
});
