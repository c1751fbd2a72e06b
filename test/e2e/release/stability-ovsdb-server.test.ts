// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test("the nodes' ovsdb-server is killed and stopped", { skip: whyNoLab(), timeout: 590_000 }, async (t) => {
  // A test file has ten minutes; the task itself includes restarts.
  await testTask(t, "parts-ovsdb-server.yaml", { actions: ["kill"] });
});
