// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test("northd is killed, restarted and stopped", { skip: whyNoLab(), timeout: 590_000 }, async (t) => {
  // A file has ten minutes: one part of the task.
  await testTask(t, "parts-ovn.yaml", { parts: ["northd"] });
});
