// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { type RunResult, run as runProgram } from "../../../hack/host/run.ts";
import { type ProcessId, signal } from "../../../hack/lab/process.ts";
import { PODS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, isReady, ready, run, useNamespace } from "../testing/pods.ts";
import { inContainer, killProcess, PROGRAM, requireProcess } from "../testing/processes.ts";
import { steadyDatagrams } from "../testing/steady-datagrams.ts";
import { type CentralPart, leaderOf, whole, whyNotThreeCentrals } from "../testing/three-centrals.ts";
import { timed, when } from "../testing/when.ts";
import { openWorld } from "../testing/world.ts";

const WEFTCTL = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
/** Words in the command lines of a central's parts. */
const PART = { nb: "ovnnb_db.conf", sb: "ovnsb_db.conf", northd: "--ovnnb-db=" } as const;
t.test("three centrals", { skip: whyNotThreeCentrals(), timeout: 900_000 }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, "weft-centrals");
  await whole(world);
  const undisturbed = await steadyDatagrams(t, world, namespace);
  let pods = 0;

  /** Does what `fault` does under datagrams between two nodes, and says how soon a new pod of the third was Ready. */
  async function suffer(t: Test, what: string, fault: (t: Test) => Promise<() => Promise<unknown>>): Promise<void> {
    const pod = (): Promise<unknown> => run(world, [idlePod(namespace, `pod-${pods++}`, "weft-3")]);
    const [first, second] = await undisturbed(t, async () => {
      const end = await fault(t);
      const during = await timed(pod);
      await end();
      await whole(world);
      return [during, await timed(pod)];
    });
    t.comment(
      `${what}: the next pod was Ready after ${first?.took}, one after the end of the fault after ${second?.took}`,
    );
  }

  /** Stops a part of its leader in its tracks until a new pod is Ready. */
  const hang = (part: CentralPart) => async (t: Test) => {
    const leader = await leaderOf(world, part);
    const process: ProcessId = requireProcess(leader.metadata.uid, PART[part]);
    signal(process, "SIGSTOP");
    return async () => {
      const other = part === "northd" ? undefined : await leaderOf(world, part, leader);
      t.comment(`${part}: ${leader.spec.nodeName} hung${other && `, ${other.spec.nodeName} leads`}`);
      signal(process, "SIGCONT");
    };
  };
  const kill = (part: CentralPart) => async () => {
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
      const pod = (): Thing | undefined => world.pods.get(`kube-system/${name}`);
      const restarts = (): number => pod()?.status.containerStatuses?.[0]?.restartCount ?? 0;
      const before = restarts();
      await inContainer(uid, PROGRAM.central, ["sh", "-c", "rm -rf /etc/ovn/*.db"]);
      await killProcess(uid, PROGRAM.central);
      return async () => {
        // Until then the log is that of the container that was killed.
        const isBack = (): boolean => restarts() > before && isReady(pod());
        await when((listener) => world.pods.subscribe(listener), isBack, `${name} is Ready after a restart`, 60_000);
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
      [2, /no pod of ovn-central is on weft-9; the nodes with one are: weft-1, weft-2, weft-3/],
    );
  });
  await ready(world, namespace, ["client", "server"]);
});
