// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { ROOT } from "../../../hack/build/npm.ts";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { RELEASE_NAMESPACE } from "../../../hack/deploy/values.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { type RunResult, run as runProgram } from "../../../hack/host/run.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { ensureTool } from "../../../hack/tools/tools.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { unlessNotFound } from "../../../src/kube/errors.ts";
import { NODES, PODS } from "../../../src/kube/resources.ts";
import { addressesOf, idlePod, isReady, run, useNamespace } from "../testing/pods.ts";
import { timed, when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const WEFTCTL = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const PORT = 9_000;
const EVERY_MS = 10;
/** How late an echo may be on a busy machine: it is not lost. */
const LAST_MS = 5_000;
const LOST = ["weft-1", "weft-3"];
const LEFT = "weft-2";
const TABLES = ["Logical_Switch", "Logical_Router", "ACL", "Load_Balancer"] as const;

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return openLab().settings?.centrals === 3 ? false : "needs three centrals: npm run lab -- up --nodes 3 --centrals 3";
}

t.test(
  "two of three nodes are lost permanently: the third goes on as docs/central.md says, and three members it is again",
  { skip: noLab(), timeout: 1_200_000 },
  async (t) => {
    const world = await openWorld(t);
    const { lab } = world;
    const namespace = await useNamespace(t, world, "weft-majority");
    const weftctl = (...args: readonly string[]): Promise<RunResult> =>
      runProgram(process.execPath, [WEFTCTL, `--kubeconfig=${lab.paths.kubeconfig}`, ...args], {
        env: { PATH: `${lab.paths.bin}:${process.env["PATH"]}` },
        allowFailure: true,
        timeoutMs: 180_000,
      });
    t.equal((await weftctl("central", "status")).code, 0, "three members are well");
    const [client, server] = await run(world, [idlePod(namespace, "client", LEFT), idlePod(namespace, "server", LEFT)]);
    const echo = await echoServer(podNetns(server!.metadata.uid), PORT);
    t.teardown(() => echo.stop());
    const before = rowsOf(world);
    const from = () => datagramStream(podNetns(client!.metadata.uid), addressesOf(server!)[0], PORT, EVERY_MS, LAST_MS);
    const stream = await from();

    for (const node of LOST) await lab.kill(node);
    await when(
      (listener) => world.nodes.subscribe(listener),
      () => world.nodes.values().filter((node) => !isReady(node)).length === LOST.length,
      "Kubernetes has noticed that two nodes are lost",
      120_000,
    );
    const lost = await weftctl("central", "status");
    t.equal(lost.code, 1);
    t.match(lost.stdout, /OVN_Northbound has no leader: .* continue with weft-2, which has the latest entry/);

    // The runbook's second step.
    for (const name of LOST) {
      await world.kube.delete(NODES, { name });
      for (const { metadata, spec } of world.pods.values())
        if (spec.nodeName === name)
          await world.kube.delete(PODS, metadata, { gracePeriodSeconds: 0 }).catch(unlessNotFound);
    }
    // The third.
    const addresses: readonly { readonly type: string; readonly address: string }[] =
      world.nodes.get(LEFT)?.status["addresses"] ?? [];
    const address = addresses.find(({ type }) => type === "InternalIP")?.address;
    const values: { readonly central: object } = JSON.parse(
      readFileSync(join(lab.paths.state, "weft-values.json"), "utf8"),
    );
    const central = { ...values.central, replicas: 1, nodes: { [LEFT]: address } };
    const file = join(t.testdir(), "values.json");
    writeFileSync(file, JSON.stringify({ ...values, central }));
    const helm = await ensureTool("helm", createProgress());
    const kubeconfig = `--kubeconfig=${lab.paths.kubeconfig}`;
    await runProgram(helm, [
      ...[
        kubeconfig,
        `--namespace=${RELEASE_NAMESPACE}`,
        "upgrade",
        "weft",
        join(ROOT, "charts/weft"),
        `--values=${file}`,
      ],
    ]);
    const alone = await timed(() => run(world, [idlePod(namespace, "alone", LEFT)], 240_000));
    t.comment(`the majority is lost: with one member, the next pod was Ready after ${alone.took}`);
    t.match((await weftctl("central", "status")).stdout, /weft-2 +yes +standalone/);
    t.same(missing(world, before), [], "each row is there");
    await none(t, stream, "while the majority was lost");

    // The fourth: the lost nodes are back, with their old disks.
    const again = await from();
    await lab.up();
    await deploy(lab, createProgress(), { timeoutMs: 300_000 });
    t.equal((await weftctl("central", "status")).code, 0, "three members are well again");
    const later = await timed(() => run(world, [idlePod(namespace, "later", "weft-1")], 120_000));
    t.comment(`three members again: the next pod was Ready after ${later.took}`);
    t.same(missing(world, before), [], "each row is there");
    await none(t, again, "while three members came back");
  },
);

const rowsOf = ({ nb }: World): readonly string[] =>
  TABLES.flatMap((table) => [...nb.mirror.rows(table)].map(({ _uuid }) => `${table}/${_uuid}`)).sort();

/** The rows that there were and are no more. */
function missing(world: World, before: readonly string[]): readonly string[] {
  const now = new Set(rowsOf(world));
  return before.filter((row) => !now.has(row));
}

async function none(t: Test, stream: Awaited<ReturnType<typeof datagramStream>>, when: string): Promise<void> {
  const shots = await stream.stop();
  const lost = shots.flatMap(({ echoed }, i) => (echoed === undefined ? [i * EVERY_MS] : []));
  t.same(lost, [], `none of ${shots.length} datagrams is lost ${when} (those that are: when, in ms)`);
}
