// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNotThreeCentrals } from "../testing/three-centrals.ts";

t.test(
  "leaders of three members are killed and stopped",
  { skip: whyNotThreeCentrals(), timeout: 890_000 },
  async (t) => {
    // A part of the task: all of it takes longer than a file may on a busy machine.
    await testTask(t, "centrals.yaml", {
      killed: ["nb leader", "sb leader", "northd leader"],
      stopped: ["nb leader", "sb leader"],
    });
  },
);
