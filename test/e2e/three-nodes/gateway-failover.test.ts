// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { deaths, SETTLED_MS, useFailover } from "../testing/failover.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NODES = { first: "weft-2", second: "weft-3", pods: ["weft-1"] } as const;

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return (openLab().settings?.nodes ?? 0) >= 3 ? false : "needs three nodes: of two chassis, OVN decides nothing";
}

t.test("another node takes over when a gateway node dies", { skip: noLab(), timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  const failover = await useFailover(t, world, "weft-failover", NODES);
  for (const fault of deaths(world, NODES, failover)) {
    await t.test(`${NODES.first} is ${fault.what}`, async (t) => {
      await failover.active(NODES.first);
      await delay(SETTLED_MS);
      await failover.suffer(t, fault);
      await failover.active(NODES.first);
    });
  }
});
