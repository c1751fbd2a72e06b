// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test(
  "policies and domain names work while the processes that apply them are killed",
  { skip: whyNoLab(), timeout: 590_000 },
  async (t) => {
    await testTask(t, "policies-and-names.yaml");
  },
);
