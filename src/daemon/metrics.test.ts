// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DaemonMetrics } from "./metrics.ts";

t.test("the process shows its own figures", async (t) => {
  const { registry } = new DaemonMetrics("weft-1");
  for (const text of [await registry.metrics(), await registry.metrics()]) {
    t.match(text, /process_resident_memory_bytes [1-9]/);
    t.match(text, /process_open_fds [1-9]/);
    t.match(text, /process_cpu_seconds_total [0-9]+(\.[0-9]+)?\n/);
  }
});
