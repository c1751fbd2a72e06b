// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

t.test(
  "daemon and controller are killed: no request and no pod fails, nothing leaks",
  { skip: whyNoLab() },
  async (t) => {
    const { runs } = await testTask(t, "smoke.yaml");
    for (const { slas } of runs.flatMap(({ repeats }) => repeats.flatMap(({ loads }) => loads)))
      for (const { outcome, text } of slas) t.equal(outcome, "passed", text);
  },
);
