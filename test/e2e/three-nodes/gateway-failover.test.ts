// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { sufferDeaths } from "../testing/failover.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NODES = { first: "weft-2", second: "weft-3", pods: ["weft-1"] } as const;

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return (openLab().settings?.nodes ?? 0) >= 3 ? false : "needs three nodes: of two chassis, OVN decides nothing";
}

t.test("another node takes over when a gateway node dies", { skip: noLab(), timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  await sufferDeaths(t, world, NODES);
});
