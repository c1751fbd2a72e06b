// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DaemonMetrics } from "./metrics.ts";

t.test("the process exposes its own metrics", async (t) => {
  const { registry } = new DaemonMetrics("weft-1");
  for (const text of [await registry.metrics(), await registry.metrics()]) {
    t.match(text, /process_resident_memory_bytes [1-9]/);
    t.match(text, /process_open_fds [1-9]/);
    t.match(text, /process_cpu_seconds_total [0-9]+(\.[0-9]+)?\n/);
  }
});

t.test("the first request of a node has a rate: its series begin at 0", async (t) => {
  const metrics = new DaemonMetrics("weft-1", { processMetrics: false });
  const line = (method: string, status: number, count: number) =>
    `cni_op_latency_seconds_count{node_name="weft-1",method="${method}",status_code="${status}"} ${count}\n`;
  const before = await metrics.registry.metrics();
  t.ok(before.includes(line("add", 200, 0)));
  t.ok(before.includes(line("del", 204, 0)));
  metrics.operation("add", 200, 0.02);
  t.ok((await metrics.registry.metrics()).includes(line("add", 200, 1)));
});
