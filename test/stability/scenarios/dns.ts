// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { SERVICES } from "../../../src/kube/resources.ts";
import { plugin } from "../plugin.ts";
import { addressOfFamily } from "../run/stage.ts";
import { COMMON, pair, requests } from "./requests.ts";
import type { Scenario } from "./scenario.ts";

const SPEC = z.object({ clusterIPs: z.array(z.string()) });

/** A DNS query for the API server's Service to the cluster's DNS, each from a new port. */
export const DNS = plugin({
  name: "dns",
  summary: "a DNS query to the cluster's DNS: name, family (of the way to it), timeout",
  options: z.strictObject({ ...COMMON, name: z.string().default("kubernetes.default.svc.cluster.local") }),
  bind: ({ family, timeout, name }): Scenario => ({
    needs: ["pod-traffic", "kubernetes"],
    requires: ["pods"],
    async prepare(stage) {
      const service = await stage.target.kube.get(SERVICES, { namespace: "kube-system", name: "kube-dns" });
      const server = addressOfFamily(SPEC.parse(service.spec).clusterIPs, family, "Service kube-dns");
      return requests(stage, pair(stage).from, "query", { kind: "dns", name, server, timeoutMs: timeout * 1000 });
    },
  }),
});
