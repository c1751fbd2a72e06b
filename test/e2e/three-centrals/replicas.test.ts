// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import { steadyDatagrams } from "../testing/steady-datagrams.ts";
import { whyNotThreeCentrals } from "../testing/three-centrals.ts";
import { timed } from "../testing/when.ts";
import { openWorld } from "../testing/world.ts";

/** With these helm takes the lab's three centrals for one, wherever it may be. */
const ONE = ["central.replicas=1", "central.nodes=null"];

t.test("three centrals become one and three again", { skip: whyNotThreeCentrals(), timeout: 900_000 }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, "weft-replicas");
  const undisturbed = await steadyDatagrams(t, world, namespace);
  t.teardown(() => deploy(world.lab, createProgress()));
  const rows = () =>
    (["Logical_Switch", "Logical_Switch_Port", "Logical_Router", "ACL", "Load_Balancer"] as const).flatMap((table) =>
      [...world.nb.mirror.rows(table)].map(({ _uuid }) => `${table}/${_uuid}`).sort(),
    );
  const before = rows();

  const change = async (t: Test, replicas: number, set: readonly string[]): Promise<void> => {
    const [deployed, pod] = await undisturbed(t, async () => {
      const deployed = await timed(() => deploy(world.lab, createProgress(), { set }));
      return [deployed, await timed(() => run(world, [idlePod(namespace, `with-${replicas}`, "weft-3")]))];
    });
    t.equal(world.own("ovn-central").length, replicas);
    const now = new Set(rows());
    t.same(
      before.filter((row) => !now.has(row)),
      [],
      "each row is there",
    );
    t.comment(`${replicas} replicas: deployed in ${deployed?.took}, the next pod was Ready after ${pod?.took}`);
  };

  await t.test("three become one", (t) => change(t, 1, ONE));
  await t.test("one becomes three", (t) => change(t, 3, []));
});
