// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { HTTP_PORT } from "../contexts/pod-manifest.ts";
import { plugin } from "../plugin.ts";
import { addressOfFamily } from "../run/stage.ts";
import { COMMON, pair, requests } from "./requests.ts";
import type { Scenario } from "./scenario.ts";

/** A request on one TCP connection to a pod on another node, which all iterations share: its end is a failure, and the next one opens another. */
export const STREAM = plugin({
  name: "stream",
  summary: "requests on one long TCP connection to a pod on another node: family, timeout",
  options: z.strictObject({ ...COMMON, timeout: z.number().positive().max(120).default(30) }),
  bind: ({ family, timeout }): Scenario => ({
    needs: ["pod-traffic"],
    requires: ["pods"],
    async prepare(stage) {
      const { from, to } = pair(stage);
      const address = addressOfFamily(to.addresses, family, to.name);
      return requests(stage, from, "answer", { kind: "stream", address, port: HTTP_PORT, timeoutMs: timeout * 1000 });
    },
  }),
});
