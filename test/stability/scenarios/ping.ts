// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { UDP_PORT } from "../contexts/pod-manifest.ts";
import { plugin } from "../plugin.ts";
import { addressOfFamily } from "../run/stage.ts";
import { COMMON, pair, requests } from "./requests.ts";
import type { Scenario } from "./scenario.ts";

/** A datagram from a pod to one on another node, which echoes it. One socket sends them all, so it is one flow. */
export const PING = plugin({
  name: "ping",
  summary: "a datagram to a pod on another node, and its echo: family, timeout",
  options: z.strictObject(COMMON),
  bind: ({ family, timeout }): Scenario => ({
    needs: ["pod-traffic"],
    requires: ["pods"],
    async prepare(stage) {
      const { from, to } = pair(stage);
      const address = addressOfFamily(to.addresses, family, to.name);
      return requests(stage, from, "echo", { kind: "udp", address, port: UDP_PORT, timeoutMs: timeout * 1000 });
    },
  }),
});
