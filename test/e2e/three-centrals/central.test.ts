// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { type RunResult, run as runProgram } from "../../../hack/host/run.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { type ProcessId, signal } from "../../../hack/lab/process.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { PODS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, isReady, ready, run, useNamespace } from "../testing/pods.ts";
import { inContainer, killProcess, PROGRAM, requireProcess } from "../testing/processes.ts";
import { timed, when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const WEFTCTL = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const PORT = 9_000;
const EVERY_MS = 10;
/** How late a reply may be on a busy machine without being counted as lost. */
const LAST_MS = 5_000;
/** Words in the command lines of the processes of ovn-central. */
const PART = { nb: "ovnnb_db.conf", sb: "ovnsb_db.conf", northd: "--ovnnb-db=" } as const;
type Part = keyof typeof PART;

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return openLab().settings?.centrals === 3 ? false : "needs three centrals: npm run lab -- up --nodes 3 --centrals 3";
}

/** The central that leads a database or northd, by its label, as soon as exactly one has it; `not`: other than this one. */
function leaderOf(world: World, part: Part, not?: Thing): Promise<Thing> {
  const look = (): Thing | undefined => {
    const labelled = world
      .own("ovn-central")
      .filter(({ metadata }) => metadata.labels?.[`ovn-${part}-leader`] === "true");
    const [leader] = labelled;
    return labelled.length === 1 && leader?.metadata.uid !== not?.metadata.uid ? leader : undefined;
  };
  return when((listener) => world.pods.subscribe(listener), look, `one central leads in ${part}`, 60_000);
}

/** Resolves when three centrals are Ready. */
function whole(world: World): Promise<true> {
  const three = (): true | undefined => {
    const centrals = world.own("ovn-central");
    return centrals.length === 3 && centrals.every((pod) => isReady(pod)) ? true : undefined;
  };
  return when((listener) => world.pods.subscribe(listener), three, "three centrals are Ready", 120_000);
}

t.test("three centrals", { skip: noLab(), timeout: 900_000 }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, "weft-centrals");
  await whole(world);
  const [client, server] = await run(world, [
    idlePod(namespace, "client", "weft-1"),
    idlePod(namespace, "server", "weft-2"),
  ]);
  const echo = await echoServer(podNetns(server!.metadata.uid), PORT);
  t.teardown(() => echo.stop());
  let pods = 0;

  /**
   * Injects a fault while datagrams are sent between two nodes, reports how soon a new pod was Ready, and checks that no datagram was lost. The pods start on the
   * third node: with the userspace datapath, each new link of a node may cost its tunnels packets (docs/design/other-software.md), with a fault or without.
   */
  async function suffer(t: Test, what: string, fault: (t: Test) => Promise<() => Promise<unknown>>): Promise<void> {
    const stream = await datagramStream(
      podNetns(client!.metadata.uid),
      addressesOf(server!)[0],
      PORT,
      EVERY_MS,
      LAST_MS,
    );
    await delay(500);
    const end = await fault(t);
    const name = `pod-${pods++}`;
    const { took } = await timed(() => run(world, [idlePod(namespace, name, "weft-3")]));
    await end();
    await whole(world);
    const after = `pod-${pods++}`;
    const again = await timed(() => run(world, [idlePod(namespace, after, "weft-3")]));
    const shots = await stream.stop();
    const lost = shots.flatMap(({ echoed }, i) => (echoed === undefined ? [i * EVERY_MS] : []));
    t.same(lost, [], `none of ${shots.length} datagrams is lost (those that are: when, in ms)`);
    t.comment(`${what}: the next pod was Ready after ${took}, one after the end of the fault after ${again.took}`);
  }

  /** Stops (SIGSTOP) a process of the leader until a new pod is Ready. */
  const hang = (part: Part) => async (t: Test) => {
    const leader = await leaderOf(world, part);
    const process: ProcessId = requireProcess(leader.metadata.uid, PART[part]);
    signal(process, "SIGSTOP");
    return async () => {
      const other = part === "northd" ? undefined : await leaderOf(world, part, leader);
      t.comment(`${part}: ${leader.spec.nodeName} hung${other && `, ${other.spec.nodeName} leads`}`);
      signal(process, "SIGCONT");
    };
  };
  const kill = (part: Part) => async () => {
    const leader = await leaderOf(world, part);
    await killProcess(leader.metadata.uid, PART[part]);
    return () => leaderOf(world, part);
  };

  await t.test("labels show the leaders, and the Services select them", async (t) => {
    for (const part of ["nb", "sb", "northd"] as const) {
      const { spec } = await leaderOf(world, part);
      const { stdout } = await world.lab.kubectl([
        ...[
          "-n",
          "kube-system",
          "get",
          "endpoints",
          `ovn-${part}`,
          "-o",
          "jsonpath={.subsets[*].addresses[*].nodeName}",
        ],
      ]);
      t.equal(stdout.trim(), spec.nodeName, part);
    }
  });

  for (const part of ["nb", "sb"] as const) {
    await t.test(`the leader of ${part} hangs`, (t) => suffer(t, `${part} hangs`, hang(part)));
    await t.test(`the leader of ${part} is killed`, (t) => suffer(t, `${part} is killed`, kill(part)));
  }
  await t.test("the active northd is killed", (t) => suffer(t, "northd is killed", kill("northd")));

  await t.test("a central whose disk is lost joins again", (t) =>
    suffer(t, "a lost disk", async () => {
      const leader = await leaderOf(world, "nb");
      const { uid, name } = leader.metadata;
      await inContainer(uid, PROGRAM.central, ["sh", "-c", "rm -rf /etc/ovn/*.db"]);
      await killProcess(uid, PROGRAM.central);
      return async () => {
        const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", name]);
        t.match(stdout, /OVN_Northbound: joining the cluster/);
      };
    }),
  );

  await t.test("a central is deleted", (t) =>
    suffer(t, "a deleted central", async () => {
      const { metadata } = await leaderOf(world, "sb");
      await world.kube.delete(PODS, { namespace: "kube-system", name: metadata.name });
      return () => world.pods.gone(`kube-system/${metadata.name}`);
    }),
  );
  await t.test("weftctl shows the members, and makes one join again", async (t) => {
    const central = (...args: readonly string[]): Promise<RunResult> =>
      runProgram(process.execPath, [WEFTCTL, `--kubeconfig=${world.lab.paths.kubeconfig}`, "central", ...args], {
        env: { PATH: `${world.lab.paths.bin}:${process.env["PATH"]}` },
        allowFailure: true,
      });
    await suffer(t, "a member that joins again", async () => {
      const { spec } = await leaderOf(world, "sb");
      t.match((await central("rejoin", spec.nodeName)).stdout, /starts again and joins the others/);
      return async () => {
        await whole(world);
      };
    });
    const { code, stdout } = await central("status");
    t.equal(code, 0, stdout);
    t.match(stdout, /weft-1 +yes.*\n *weft-2 +yes.*\n *weft-3 +yes/);
    t.equal((await central("backup")).code, 0);
    const unknown = await central("rejoin", "weft-9");
    t.match(
      [unknown.code, unknown.stderr],
      [2, /no pod of ovn-central is on weft-9; there are some on: weft-1, weft-2, weft-3/],
    );
  });
  await ready(world, namespace, ["client", "server"]);
});
