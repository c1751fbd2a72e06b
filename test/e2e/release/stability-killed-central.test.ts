// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test("controller and northd are killed and restarted", { skip: whyNoLab(), timeout: 590_000 }, async (t) => {
  await testTask(t, "parts.yaml", { killed: ["controller", "northd"], away: [], stopped: [] });
});
