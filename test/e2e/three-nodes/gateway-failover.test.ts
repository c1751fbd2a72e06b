// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { sufferDeaths } from "../testing/failover.ts";
import { whyNotThreeNodes } from "../testing/node-faults.ts";
import { openWorld } from "../testing/world.ts";

const NODES = { first: "weft-2", second: "weft-3", pods: ["weft-1"] } as const;

t.test(
  "another node takes over when a gateway node dies",
  { skip: whyNotThreeNodes(), timeout: 600_000 },
  async (t) => {
    const world = await openWorld(t);
    await sufferDeaths(t, world, NODES);
  },
);
