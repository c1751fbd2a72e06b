// SPDX-License-Identifier: Apache-2.0

import { Registry } from "prom-client";
import t from "tap";
import { commitMetrics } from "./engine-metrics.ts";

t.test("transactions are shown by result, with their size in units", async (t) => {
  const registry = new Registry();
  const observer = commitMetrics(registry);
  observer.ended("committed", 3);
  observer.committed(40);
  observer.ended("refused", 5);
  observer.ended("unknown", 9_000);
  const text = await registry.metrics();
  for (const line of [
    'ovs_client_request_latency_milliseconds_count{db="ovn-nb",method="transact",code="0"} 1',
    'ovs_client_request_latency_milliseconds_count{db="ovn-nb",method="transact",code="1"} 2',
    'weft_nb_transaction_units_bucket{le="20"} 0',
    'weft_nb_transaction_units_bucket{le="50"} 1',
  ])
    t.ok(text.includes(`${line}\n`), line);
});
