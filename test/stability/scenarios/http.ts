// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import { addressOfFamily, serviceOf } from "../run/stage.ts";
import { COMMON, pair, requests } from "./requests.ts";
import type { Scenario } from "./scenario.ts";

/** An HTTP request to the Service's ClusterIP, each over a new connection, so each may reach another pod. */
export const HTTP = plugin({
  name: "http",
  summary: "an HTTP request by ClusterIP with a new connection: family, timeout",
  options: z.strictObject(COMMON),
  bind: ({ family, timeout }): Scenario => ({
    needs: ["pod-traffic"],
    requires: ["pods", "service"],
    async prepare(stage) {
      const { name, addresses, port } = serviceOf(stage);
      const address = addressOfFamily(addresses, family, `Service ${name}`);
      return requests(stage, pair(stage).from, "request", { kind: "http", address, port, timeoutMs: timeout * 1000 });
    },
  }),
});
