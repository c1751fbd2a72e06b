// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { firstPackets } from "../testing/first-packet.ts";
import { findProcess, killProcess, PROGRAM } from "../testing/processes.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

t.test(
  "two hundred pods start under a policy, and no packet gets in that it forbids",
  { skip: whyNoLab() },
  async (t) => {
    await firstPackets(t, await openWorld(t), { pods: 200, ms: 120_000 });
  },
);

t.test("no forbidden packet gets in while the controller is killed", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const disturb = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      const uid = (): string => world.own("kube-ovn-controller")[0]?.metadata.uid ?? "";
      // No event that a test could watch shows when a killed process runs again.
      await until("a controller runs", 60_000, async () => findProcess(uid(), PROGRAM.controller) !== undefined);
      await killProcess(uid(), PROGRAM.controller);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
  };
  await firstPackets(t, world, { pods: 100, disturb, ms: 120_000 });
});
