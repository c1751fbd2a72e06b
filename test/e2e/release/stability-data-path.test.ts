// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test(
  "vswitchd is killed, restarted and stopped, nodes are partitioned, links flap",
  { skip: whyNoLab(), timeout: 590_000 },
  async (t) => {
    await testTask(t, "data-path.yaml");
  },
);
