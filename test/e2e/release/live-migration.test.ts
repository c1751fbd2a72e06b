// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { MIGRATIONS, PODS, VIRTUAL_MACHINES } from "../../../src/kube/resources.ts";
import { type Echo, type Guest, guestIn, pinging } from "../testing/guest.ts";
import { createMigration, launcherPod, setPhase, useKubeVirtTypes } from "../testing/kubevirt.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, ownReady, ready, run, useNamespace } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-live-migration";
const EVERY_MS = 10;
/** What is still right on a machine with much else to do, in ms. What it took is in a comment. */
const MOST_MS = 5_000;

/** The longest time without an answer, in ms: from one answered request to the next one. */
function silence(shots: readonly Echo[]): number {
  let longest = 0;
  let last: number | undefined;
  for (const { sent, echoes } of shots) {
    if (echoes.length === 0) continue;
    if (last !== undefined) longest = Math.max(longest, sent - last - EVERY_MS);
    last = sent;
  }
  return longest;
}

/** What a move has cost one stream of pings. */
function judge(t: Test, what: string, shots: readonly Echo[], paused: number, announced: number): void {
  const before = shots.filter(({ sent }) => sent < paused);
  const after = shots.filter(({ echoes }) => echoes.some((at) => at > announced));
  t.ok(
    before.some(({ echoes }) => echoes.length > 0),
    `${what}: it was answered before`,
  );
  t.same(
    shots.filter(({ echoes }) => echoes.length > 1),
    [],
    `${what}: never by both pods`,
  );
  const first = Math.min(...after.flatMap(({ echoes }) => echoes));
  const cutOver = first - announced;
  t.ok(cutOver < MOST_MS, `${what}: it is answered from the other node`);
  const later = shots.filter(({ sent }) => sent > first);
  t.ok(silence(later) < MOST_MS, `${what}: and goes on to be`);
  const lost = shots.filter(({ sent, echoes }) => sent > paused && sent < first && echoes.length === 0).length;
  const share = later.filter(({ echoes }) => echoes.length === 0).length;
  t.comment(
    `${what}: first answer ${cutOver.toFixed(0)} ms after the announcement, ${(first - paused).toFixed(0)} ms after the pause (${lost} pings); ` +
      `after that ${share} of ${later.length} lost, longest silence ${silence(later).toFixed(0)} ms; before ${silence(before).toFixed(0)} ms`,
  );
}

t.test("a virtual machine is moved from node to node", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world: World = await openWorld(t);
  await useNamespace(t, world, HOME);
  // The controller has run without the types until now.
  await useKubeVirtTypes(t, world);
  await world.kube.create(VIRTUAL_MACHINES, { metadata: { namespace: HOME, name: "vm" } });
  const [near, far, first] = (await run(world, [
    idlePod(HOME, "near", "weft-1"),
    idlePod(HOME, "far", "weft-2"),
    launcherPod(HOME, "vm", "launcher-1", "weft-1"),
  ])) as readonly [Thing, Thing, Thing];
  const addresses = addressesOf(first);
  const port = () => world.nb.port(`vm.${HOME}`);
  const row = port()?._uuid;
  const options = (chassis: string, strategy?: string) =>
    world.nb.until(`the port is on ${chassis}`, () => {
      const { "requested-chassis": on, "activation-strategy": how } = port()?.options ?? {};
      return on === chassis && how === strategy;
    });
  const recorded = (pod: Thing) =>
    world.ips.until(
      `vm.${HOME}`,
      `is of ${pod.metadata.name}`,
      (ip) =>
        ip?.metadata.annotations?.["weft.kubeovn.io/pod-uid"] === pod.metadata.uid &&
        ip.spec.nodeName === pod.spec.nodeName,
    );
  const interfaces = (node: string): readonly string[] =>
    world
      .ovs(node)
      .podInterfaces()
      .flatMap(({ external_ids: ids }) => (ids["iface-id"] === `vm.${HOME}` ? (ids["pod_name"] ?? "") : []));
  const streams = async () => {
    const all = [near, far].flatMap((pod) => addresses.map((address) => ({ pod, address })));
    const begun = await Promise.all(
      all.map(async ({ pod, address }) => ({
        what: `${address.includes(":") ? "IPv6" : "IPv4"} from ${pod.spec.nodeName}`,
        stream: await pinging(pod, address, EVERY_MS),
      })),
    );
    return async () => Promise.all(begun.map(async ({ what, stream }) => ({ what, shots: await stream.stop() })));
  };
  /** KubeVirt makes a migration and its target. */
  const begin = async (name: string, to: string, node: string, from: string): Promise<Thing> => {
    const uid = await createMigration(world, HOME, "vm", name);
    await world.kube.create(PODS, launcherPod(HOME, "vm", to, node, uid));
    const [target] = await ready(world, HOME, [to]);
    await options(`${from},${node}`, "rarp");
    t.strictSame(addressesOf(target!), addresses, "the target has the same addresses");
    return target!;
  };
  const endPod = async (name: string): Promise<void> => {
    await world.kube.delete(PODS, { namespace: HOME, name }, { gracePeriodSeconds: 0 });
    await world.pods.gone(`${HOME}/${name}`);
    for (const node of world.lab.nodes)
      await world.ovs(node).until(`no interface of ${name}`, () => !interfaces(node).includes(name), 60_000);
  };
  /** It goes on at the target: QEMU's part. */
  const move = async (source: Guest, target: Guest): Promise<{ paused: number; announced: number }> => {
    const paused = await source.pause();
    return { paused, announced: await target.announce() };
  };
  const guests = new Map<string, Guest>();
  const guest = async (pod: Thing): Promise<Guest> => {
    const { name } = pod.metadata;
    const made = guests.get(name) ?? (await guestIn(pod));
    guests.set(name, made);
    return made;
  };
  t.teardown(() => Promise.all([...guests.values()].map((each) => each.stop())));
  await options("weft-1");

  let second!: Thing;
  await t.test("traffic follows the announcement, and nothing is lost when the migration has succeeded", async (t) => {
    const stop = await streams();
    second = await begin("move-1", "launcher-2", "weft-2", "weft-1");
    t.same([interfaces("weft-1"), interfaces("weft-2")], [["launcher-1"], ["launcher-2"]]);
    await setPhase(world, HOME, "move-1", "Running");
    // Both pods have the address meanwhile, and only one answers.
    await delay(1_000);
    const { paused, announced } = await move(await guest(first), await guest(second));
    await delay(1_000);
    await setPhase(world, HOME, "move-1", "Succeeded");
    await options("weft-2");
    await recorded(second);
    await endPod("launcher-1");
    await delay(500);
    for (const { what, shots } of await stop()) judge(t, what, shots, paused, announced);
    t.equal(port()?._uuid, row, "the port is the same row");
  });

  await t.test("a migration that fails leaves it where it is, and the end of the target removes nothing", async (t) => {
    const stop = await streams();
    const target = await begin("move-2", "launcher-3", "weft-1", "weft-2");
    await delay(1_000);
    const told = Date.now();
    await setPhase(world, HOME, "move-2", "Failed");
    await options("weft-2");
    await delay(1_000);
    await endPod(target.metadata.name);
    const ended = Date.now();
    await delay(500);
    for (const { what, shots } of await stop()) {
      t.same(
        shots.filter(({ echoes }) => echoes.length > 1),
        [],
        `${what}: never by both pods`,
      );
      t.ok(silence(shots) < MOST_MS, `${what}: it was answered all the time`);
      const lost = shots.flatMap(({ sent, echoes }) => (echoes.length === 0 ? Math.round(sent - told) : []));
      const when = lost.length === 0 ? "" : `, from ${lost[0]} to ${lost.at(-1)} ms after it was said to have failed`;
      t.comment(`${what}: ${lost.length} of ${shots.length} lost${when}; the target ended after ${ended - told} ms`);
    }
    t.equal(port()?._uuid, row, "the port is the same row");
    await recorded(second);
  });

  await t.test(
    "back to the first node, while the controller dies and the source ends before its migration is told",
    async (t) => {
      const stop = await streams();
      const third = await begin("move-3", "launcher-4", "weft-1", "weft-2");
      await setPhase(world, HOME, "move-3", "Running");
      const { paused, announced } = await move(await guest(second), await guest(third));
      const [controller] = world.own("kube-ovn-controller");
      await world.kube.delete(
        PODS,
        { namespace: "kube-system", name: controller!.metadata.name },
        { gracePeriodSeconds: 0 },
      );
      await endPod("launcher-2");
      await ownReady(world, "kube-ovn-controller", undefined, controller!.metadata.uid);
      await options("weft-1");
      await recorded(third);
      await setPhase(world, HOME, "move-3", "Succeeded");
      await world.kube.delete(MIGRATIONS, { namespace: HOME, name: "move-3" });
      await delay(500);
      for (const { what, shots } of await stop()) judge(t, what, shots, paused, announced);
      await options("weft-1");
      t.equal(port()?._uuid, row, "the port is the same row");
      t.same([interfaces("weft-1"), interfaces("weft-2")], [["launcher-4"], []]);
    },
  );

  await world.kube.delete(VIRTUAL_MACHINES, { namespace: HOME, name: "vm" });
  await endPod("launcher-4");
  await world.ips.gone(`vm.${HOME}`, 60_000);
  t.equal(port(), undefined, "nothing is left");
});
