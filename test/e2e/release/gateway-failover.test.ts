// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { SETTLED_MS, sufferDeaths, useFailover } from "../testing/failover.ts";
import { readiness } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

/** The gateway node that fails is not the one with the pods, because pods of a dead node are lost anyway. */
const NODES = { first: "weft-2", second: "weft-1", pods: ["weft-1"] } as const;

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return openLab().settings?.nodes === 2 ? false : "needs two nodes: with more of them OVN decides who is alive";
}

t.test(
  "with two nodes the other one takes over when a gateway node dies",
  { skip: noLab(), timeout: 600_000 },
  async (t) => {
    const world = await openWorld(t);
    await sufferDeaths(t, world, NODES);
  },
);

t.test("nodes between which only the tunnels are cut both continue", { skip: noLab(), timeout: 300_000 }, async (t) => {
  const world = await openWorld(t);
  const failover = await useFailover(t, world, "weft-split", { ...NODES, pods: ["weft-1", "weft-2"] });
  const { first } = NODES;
  t.teardown(() => failover.links(first, "up"));
  const until = (what: string, split: boolean): Promise<unknown> =>
    world.subnets.until(
      "weft-split-one",
      what,
      (subnet) => readiness(subnet)?.message.includes("are down: each pod leaves by its own node") === split,
      60_000,
    );
  await failover.active(first);
  await delay(SETTLED_MS);
  const named = new Set<string>();
  const stop = world.subnets.subscribe(() =>
    named.add(world.subnets.get("weft-split-one")?.status?.activateGateway ?? ""),
  );
  t.teardown(stop);
  const end = async (): Promise<void> => undefined;
  await failover.suffer(t, {
    ...{ what: "split", end },
    // With ECMP, pods of either node leave through both.
    loses: ({ node, ecmp }) => (node === first ? (ecmp ? "unknown" : "none") : ecmp ? "some" : "all"),
    begin: () => failover.links(first, "down", ["br1"]),
    effective: () => until("is split", true),
  });
  await failover.suffer(t, {
    ...{ what: "connected again", end, loses: () => "unknown" },
    begin: () => failover.links(first, "up", ["br1"]),
    effective: () => until("is not split", false),
  });
  t.same([...named], [first], "the status names one gateway all the time");
});
