// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { PODS } from "../../../src/kube/resources.ts";
import { idlePod, ownReady, remove, run, useNamespace } from "../testing/pods.ts";
import { settableClock } from "../testing/settable-clock.ts";
import { steadyDatagrams } from "../testing/steady-datagrams.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const HOUR = 3_600;
/** By how many seconds a log line may be older than the moment at which it is read. */
const RECENT = 600;

/** By how many seconds the clock of a process of Weft is ahead, by the last line of its log. */
async function ahead(world: World, app: "kube-ovn-controller" | "kube-ovn-cni", node?: string): Promise<number> {
  const [pod] = world.own(app, node);
  const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", "--tail=1", pod!.metadata.name]);
  const { time }: { readonly time: string } = JSON.parse(stdout);
  return (Date.parse(time) - Date.now()) / 1_000;
}

t.setTimeout(590_000);

t.test(
  "the clocks of the controller and the daemons are set an hour forwards and back: no datagram is lost, and pods come and go as before",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const clock = await settableClock(t, world);
    const namespace = await useNamespace(t, world, "weft-clock");
    const undisturbed = await steadyDatagrams(t, world, namespace);
    const processes = (): readonly string[] =>
      (["kube-ovn-controller", "kube-ovn-cni"] as const)
        .flatMap((app) => world.own(app))
        .map(({ metadata, status }) => `${metadata.name} ${status.containerStatuses?.[0]?.restartCount}`)
        .sort();

    /** New pods on both nodes connect, and leave nothing. */
    const comeAndGo = async (at: string, seconds: number): Promise<void> => {
      const pods = await run(world, [idlePod(namespace, `${at}-1`, "weft-1"), idlePod(namespace, `${at}-2`, "weft-2")]);
      t.equal(pods.length, 2, `${at}: new pods are Ready`);
      for (const [app, node] of [["kube-ovn-controller"], ["kube-ovn-cni", "weft-1"]] as const) {
        const seen = await ahead(world, app, node);
        t.ok(Math.abs(seen - seconds) < RECENT, `${at}: the clock of ${app} is ${Math.round(seen)} s ahead`);
      }
      await remove(world, namespace, [`${at}-1`, `${at}-2`]);
    };

    const before = processes();
    await comeAndGo("right", 0);
    for (const [at, seconds] of [
      ["forwards", HOUR],
      ["back", 0],
    ] as const) {
      await undisturbed(t, () => clock.set(seconds));
      await comeAndGo(at, seconds);
    }
    t.same(processes(), before, "no process has restarted");

    // Its certificate is issued by a clock that is an hour ahead of the databases' clock.
    await clock.set(HOUR);
    const [old] = world.own("kube-ovn-controller");
    await world.kube.delete(PODS, { namespace: "kube-system", name: old!.metadata.name });
    await ownReady(world, "kube-ovn-controller", undefined, old!.metadata.uid);
    await comeAndGo("restarted", HOUR);
    await clock.set(0);
    await comeAndGo("right-again", 0);
  },
);
