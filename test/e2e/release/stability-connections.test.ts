// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test(
  "connections to the databases are reset, and a backup is restored",
  { skip: whyNoLab(), timeout: 590_000 },
  async (t) => {
    await testTask(t, "connections.yaml");
  },
);
