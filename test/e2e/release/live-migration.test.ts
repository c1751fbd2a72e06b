// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { podPortName } from "../../../src/api/port-names.ts";
import { MIGRATIONS, PODS, VIRTUAL_MACHINES } from "../../../src/kube/resources.ts";
import { launcherPod, setPhase, useKubeVirtTypes } from "../testing/kubevirt.ts";
import { judge, MOST_MS, MovedMachine, neverByBoth, silence, streams } from "../testing/migrating.ts";
import { useMultus } from "../testing/multus.ts";
import { createNetwork, ovnNetwork } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, ownReady, run, useNamespace } from "../testing/pods.ts";
import { useSubnet } from "../testing/subnets.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-live-migration";
const PORT = `vm.${HOME}`;

/** Installs KubeVirt's types, which did not exist when the controller started; a virtual machine and two pods. */
async function useMachine(
  t: Test,
  world: World,
  ports: Readonly<Record<string, string>>,
  annotations?: Record<string, string>,
): Promise<{ readonly machine: MovedMachine; readonly pods: readonly [near: Thing, far: Thing, first: Thing] }> {
  await useKubeVirtTypes(t, world);
  await world.kube.create(VIRTUAL_MACHINES, { metadata: { namespace: HOME, name: "vm" } });
  const pods = (await run(world, [
    idlePod(HOME, "near", "weft-1", annotations),
    idlePod(HOME, "far", "weft-2", annotations),
    launcherPod(HOME, "vm", "launcher-1", "weft-1", undefined, annotations),
  ])) as readonly [Thing, Thing, Thing];
  const machine = new MovedMachine(world, HOME, "vm", ports);
  t.teardown(() => machine.stop());
  await machine.isOn("weft-1");
  return { machine, pods };
}

t.test("a virtual machine is moved from node to node", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world = await openWorld(t);
  await useNamespace(t, world, HOME);
  const { machine, pods } = await useMachine(t, world, { eth0: PORT });
  const [near, far, first] = pods;
  const addresses = addressesOf(first);
  const rows = machine.rows();
  const begin = async (migration: string, name: string, node: string, from: string): Promise<Thing> => {
    const target = await machine.begin(migration, { name, node }, from);
    t.strictSame(addressesOf(target), addresses, "the target has the same addresses");
    return target;
  };

  let second!: Thing;
  await t.test(
    "traffic follows the announcement, and no packet is lost when the migration has succeeded",
    async (t) => {
      const stop = await streams(t, [near, far], addresses);
      second = await begin("move-1", "launcher-2", "weft-2", "weft-1");
      t.same([machine.interfaces("weft-1"), machine.interfaces("weft-2")], [["launcher-1"], ["launcher-2"]]);
      await setPhase(world, HOME, "move-1", "Running");
      // During the migration both pods have the address, and only one answers.
      await delay(1_000);
      const [move] = (await machine.move(first, second)).values();
      await delay(1_000);
      await setPhase(world, HOME, "move-1", "Succeeded");
      await machine.isOn("weft-2");
      await machine.isRecordedFor(second);
      await machine.endPod("launcher-1");
      await delay(500);
      for (const stream of await stop()) judge(t, stream, move!);
      t.same(machine.rows(), rows, "the port is the same row");
    },
  );

  await t.test("a failed migration does not move it, and the end of the target pod removes nothing", async (t) => {
    const stop = await streams(t, [near, far], addresses);
    const target = await begin("move-2", "launcher-3", "weft-1", "weft-2");
    await delay(1_000);
    const told = Date.now();
    await setPhase(world, HOME, "move-2", "Failed");
    await machine.isOn("weft-2");
    await delay(1_000);
    await machine.endPod(target.metadata.name);
    const ended = Date.now();
    await delay(500);
    for (const stream of await stop()) {
      const { what, shots } = stream;
      neverByBoth(t, stream, machine.begun);
      t.ok(silence(shots) < MOST_MS, `${what}: it was answered all the time`);
      const lost = shots.flatMap(({ sent, echoes }) => (echoes.length === 0 ? Math.round(sent - told) : []));
      const when = lost.length === 0 ? "" : `, from ${lost[0]} to ${lost.at(-1)} ms after it was said to have failed`;
      t.comment(`${what}: ${lost.length} of ${shots.length} lost${when}; the target ended after ${ended - told} ms`);
    }
    t.same(machine.rows(), rows, "the port is the same row");
    await machine.isRecordedFor(second);
  });

  await t.test(
    "migration back to the first node, while the controller is killed and the source ends before the migration is reported",
    async (t) => {
      const stop = await streams(t, [near, far], addresses);
      const third = await begin("move-3", "launcher-4", "weft-1", "weft-2");
      await setPhase(world, HOME, "move-3", "Running");
      const [move] = (await machine.move(second, third)).values();
      const [controller] = world.own("kube-ovn-controller");
      await world.kube.delete(
        PODS,
        { namespace: "kube-system", name: controller!.metadata.name },
        { gracePeriodSeconds: 0 },
      );
      await machine.endPod("launcher-2");
      // On a busy machine this takes long, and the database may drop a starting controller several times before it has compiled everything.
      await ownReady(world, "kube-ovn-controller", undefined, controller!.metadata.uid, 120_000);
      await machine.isOn("weft-1", undefined, 120_000);
      await machine.isRecordedFor(third);
      await setPhase(world, HOME, "move-3", "Succeeded");
      await world.kube.delete(MIGRATIONS, { namespace: HOME, name: "move-3" });
      await delay(500);
      for (const stream of await stop()) judge(t, stream, move!);
      await machine.isOn("weft-1");
      t.same(machine.rows(), rows, "the port is the same row");
      t.same([machine.interfaces("weft-1"), machine.interfaces("weft-2")], [["launcher-4"], []]);
    },
  );

  await world.kube.delete(VIRTUAL_MACHINES, { namespace: HOME, name: "vm" });
  await machine.endPod("launcher-4");
  await machine.isGone();
  t.same(machine.rows(), [undefined], "nothing is left");
});

t.test(
  "a virtual machine with a secondary interface migrates with it",
  { skip: whyNoLab(), timeout: 400_000 },
  async (t) => {
    const world = await openWorld(t);
    await useMultus(t, world);
    const provider = `lan.${HOME}.ovn`;
    await useSubnet(t, world, "moved-lan", { provider, cidrBlock: "10.57.0.0/24,fd00:10:57::/120" });
    const annotations = { "k8s.v1.cni.cncf.io/networks": "lan" };
    const lan = podPortName("vm", HOME, provider);
    await useNamespace(t, world, HOME);
    await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
    const { machine, pods } = await useMachine(t, world, { eth0: PORT, net1: lan }, annotations);
    const [near, far, first] = pods;
    const { v4IpAddress: v4 = "", v6IpAddress: v6 = "" } = world.ips.get(lan)?.spec ?? {};
    const addresses = { eth0: addressesOf(first), net1: [v4, v6] };
    const rows = machine.rows();
    const there = (name: string) => [name, name];
    let present = first;
    for (const [migration, name, node, from] of [
      ["move-1", "launcher-2", "weft-2", "weft-1"],
      ["move-2", "launcher-3", "weft-1", "weft-2"],
    ] as const) {
      await t.test(`from ${from} to ${node}: each interface follows its own announcement`, async (t) => {
        const stops = await Promise.all(
          (["eth0", "net1"] as const).map(async (link) => ({
            link,
            stop: await streams(t, [near, far], addresses[link]),
          })),
        );
        const target = await machine.begin(migration, { name, node, annotations }, from);
        t.strictSame(addressesOf(target), addresses.eth0);
        t.same([machine.interfaces(from), machine.interfaces(node)], [there(present.metadata.name), there(name)]);
        await setPhase(world, HOME, migration, "Running");
        // During the migration both pods have the addresses, and only one answers.
        await delay(1_000);
        const moves = await machine.move(present, target);
        await delay(1_000);
        await setPhase(world, HOME, migration, "Succeeded");
        await machine.isOn(node);
        await machine.isRecordedFor(target);
        await machine.endPod(present.metadata.name);
        await delay(500);
        for (const { link, stop } of stops)
          for (const { what, shots } of await stop()) judge(t, { what: `${link}, ${what}`, shots }, moves.get(link)!);
        t.same(machine.rows(), rows, "the ports are the same rows");
        t.equal(world.ips.get(lan)?.spec.v4IpAddress, v4, "and the address of the secondary interface is the same");
        present = target;
      });
    }
    await world.kube.delete(VIRTUAL_MACHINES, { namespace: HOME, name: "vm" });
    await machine.endPod(present.metadata.name);
    await machine.isGone();
    t.same(machine.rows(), [undefined, undefined], "nothing is left");
  },
);
