// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test("etcd and the API server are killed and stopped", { skip: whyNoLab(), timeout: 590_000 }, async (t) => {
  // A file has ten minutes; restarts are in the task.
  await testTask(t, "parts-control-plane.yaml", { actions: ["kill"] });
});
