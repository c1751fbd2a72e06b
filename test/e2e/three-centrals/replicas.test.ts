// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { addressesOf, idlePod, run, useNamespace } from "../testing/pods.ts";
import { timed } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const PORT = 9_000;
/** How late a reply may be on a busy machine without being counted as lost. */
const LAST_MS = 5_000;
/** Values with which helm deploys one replica instead of the lab's three, on any node. */
const ONE = ["central.replicas=1", "central.nodes=null"];

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return openLab().settings?.centrals === 3 ? false : "needs three centrals: npm run lab -- up --nodes 3 --centrals 3";
}

t.test("three centrals become one and three again", { skip: noLab(), timeout: 900_000 }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, "weft-replicas");
  const [client, server] = await run(world, [
    idlePod(namespace, "client", "weft-1"),
    idlePod(namespace, "server", "weft-2"),
  ]);
  const echo = await echoServer(podNetns(server!.metadata.uid), PORT);
  t.teardown(() => echo.stop());
  t.teardown(() => deploy(world.lab, createProgress()));
  const rows = () =>
    (["Logical_Switch", "Logical_Switch_Port", "Logical_Router", "ACL", "Load_Balancer"] as const).flatMap((table) =>
      [...world.nb.mirror.rows(table)].map(({ _uuid }) => `${table}/${_uuid}`).sort(),
    );
  const before = rows();

  const change = async (t: Test, replicas: number, set: readonly string[]): Promise<void> => {
    const stream = await datagramStream(podNetns(client!.metadata.uid), addressesOf(server!)[0], PORT, 10, LAST_MS);
    const deployed = await timed(() => deploy(world.lab, createProgress(), { set }));
    t.equal(world.own("ovn-central").length, replicas);
    const { took } = await timed(() => run(world, [idlePod(namespace, `with-${replicas}`, "weft-3")]));
    const shots = await stream.stop();
    const lost = shots.flatMap(({ echoed }, i) => (echoed === undefined ? [i * 10] : []));
    t.same(lost, [], `none of ${shots.length} datagrams is lost (those that are: when, in ms)`);
    const now = new Set(rows());
    t.same(
      before.filter((row) => !now.has(row)),
      [],
      "each row is there",
    );
    t.comment(`${replicas} replicas: deployed in ${deployed.took}, the next pod was Ready after ${took}`);
  };

  await t.test("three become one", (t) => change(t, 1, ONE));
  await t.test("one becomes three", (t) => change(t, 3, []));
});
