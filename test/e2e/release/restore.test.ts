// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from "node:url";
import t from "tap";
import { type RunResult, run as runProgram } from "../../../hack/host/run.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { addressesOf, idlePod, remove, run, useNamespace } from "../testing/pods.ts";
import { timed } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const WEFTCTL = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const PORT = 9_000;
const EVERY_MS = 10;
/** How late an echo may be on a busy machine: it is not lost. */
const LAST_MS = 5_000;
/** What units write, whatever the time and the order. */
const TABLES = [
  ...(["Logical_Switch", "Logical_Router", "Logical_Router_Port", "Logical_Router_Policy"] as const),
  ...(["Logical_Router_Static_Route", "Port_Group", "Address_Set", "ACL", "Load_Balancer"] as const),
];

t.test(
  "a backup of the northbound database is restored, and no datagram is lost: of pods that it has, and of those that are newer",
  { skip: whyNoLab(), timeout: 300_000 },
  async (t) => {
    const world = await openWorld(t);
    const namespace = await useNamespace(t, world, "weft-restore");
    const central = (...args: readonly string[]): Promise<RunResult> =>
      runProgram(process.execPath, [WEFTCTL, `--kubeconfig=${world.lab.paths.kubeconfig}`, "central", ...args], {
        env: { PATH: `${world.lab.paths.bin}:${process.env["PATH"]}` },
        allowFailure: true,
      });
    const [older, server] = await run(world, [
      idlePod(namespace, "older", "weft-1"),
      idlePod(namespace, "server", "weft-2"),
      idlePod(namespace, "gone", "weft-2"),
    ]);
    const echo = await echoServer(podNetns(server!.metadata.uid), PORT);
    t.teardown(() => echo.stop());

    t.equal((await central("backup")).code, 0);
    const node = world.own("ovn-central")[0]?.spec.nodeName ?? "";
    const backup = (await central("restore", node)).stdout.trim().split("\n").at(-1) ?? "";
    t.match(backup, /^ovnnb_db-\d{8}T\d{6}Z\.db$/, "the backups are listed");

    await remove(world, namespace, ["gone"]);
    const [newer] = await run(world, [idlePod(namespace, "newer", "weft-1")]);
    const before = contents(world);
    const from = (pod: typeof older) =>
      datagramStream(podNetns(pod!.metadata.uid), addressesOf(server!)[0], PORT, EVERY_MS, LAST_MS);
    const streams = { older: await from(older), newer: await from(newer) };
    const { result, took } = await timed(() => central("restore", node, backup));
    t.match(
      [result.code, result.stdout, result.stderr],
      [0, /^Restored: [1-9]\d* rows inserted, .*[1-9]\d* deleted\n$/],
    );
    // northd and the nodes have gone on from what there is now.
    await world.lab.kubectl([
      "-n",
      "kube-system",
      "exec",
      "deploy/ovn-central",
      "--",
      "ovn-nbctl",
      "--wait=hv",
      "sync",
    ]);
    t.comment(`restored in ${took}: ${result.stdout}`);
    for (const [name, stream] of Object.entries(streams)) {
      const shots = await stream.stop();
      const lost = shots.flatMap(({ echoed }, i) => (echoed === undefined ? [i * EVERY_MS] : []));
      t.same(lost, [], `none of ${shots.length} datagrams of the ${name} pod is lost (those that are: when, in ms)`);
    }
    t.same(contents(world), before, "all rows are as before, with their uuids");

    const unknown = await central("restore", node, "ovnnb_db-never.db");
    t.match([unknown.code, unknown.stderr], [2, /there is no backup ovnnb_db-never\.db .*nothing was changed/]);
    t.match((await central("restore", "weft-9")).stderr, /no pod of ovn-central is on weft-9/);
  },
);

/** The rows of {@link TABLES} and the ports, without what northd writes. */
function contents({ nb }: World): readonly string[] {
  const ports = [...nb.mirror.rows("Logical_Switch_Port")].map((row) => JSON.stringify({ ...row, up: undefined }));
  const rows = TABLES.flatMap((table) =>
    [...nb.mirror.rows(table)].map((row) => `${table} ${JSON.stringify(row, Object.keys(row).sort())}`),
  );
  return [...ports, ...rows].sort();
}
