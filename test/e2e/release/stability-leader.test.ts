// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test("the leader of two controllers is killed and stopped", { skip: whyNoLab(), timeout: 590_000 }, async (t) => {
  await testTask(t, "leader.yaml");
});
