// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { firstPackets } from "../testing/first-packet.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

t.test(
  "pods that start under a policy get no packet that it forbids, not even the first",
  { skip: whyNoLab() },
  async (t) => {
    await firstPackets(t, await openWorld(t), { pods: 20, ms: 120_000 });
  },
);
