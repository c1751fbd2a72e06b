// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { PODS } from "../../../src/kube/resources.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import {
  addressesOf,
  idlePod,
  inNode,
  ready,
  remove,
  standingPods,
  useNamespace,
  withoutRestarts,
} from "../testing/pods.ts";
import { inContainer, killProcess, PROGRAM } from "../testing/processes.ts";
import { reachable } from "../testing/reachable.ts";
import { timed } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const SECONDS = Number(process.env["WEFT_SOAK_SECONDS"] ?? 150);
const SEED = Number(process.env["WEFT_SOAK_SEED"] ?? Date.now() % 1_000_000);
/** Number of pods that are created, and deleted, in each round. */
const PODS_A_ROUND = 8;

/** Mulberry32: the same seed gives the same rounds. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
}

/** Faults by name; some are applied to a given node. */
const FAULTS: Readonly<Record<string, (world: World, node: string) => Promise<unknown>>> = {
  "the controller is killed": async (world) => {
    const { metadata } = await withoutRestarts(world, "kube-ovn-controller");
    await killProcess(metadata.uid, PROGRAM.controller);
  },
  "the daemon is killed": async (world, node) => {
    const { metadata } = await withoutRestarts(world, "kube-ovn-cni", node);
    await killProcess(metadata.uid, PROGRAM.daemon);
  },
  "OVN's databases and northd are killed": async (world) => {
    const { metadata } = await withoutRestarts(world, "ovn-central");
    await killProcess(metadata.uid, PROGRAM.central);
  },
  "ovs-vswitchd is killed": (world, node) => killProcess(world.own("ovs", node)[0]!.metadata.uid, PROGRAM.vswitchd),
  "ovn-controller is killed": (world, node) =>
    killProcess(world.own("ovs", node)[0]!.metadata.uid, PROGRAM.ovnController),
  "kubelet is killed": (world, node) => restart(world, `${node}/kubelet`),
  "containerd is killed": (world, node) => restart(world, `${node}/containerd`),
  "the API server is killed": (world) => restart(world, "apiserver"),
  "etcd is killed": (world) => restart(world, "etcd"),
  "packet rules and ovn0's addresses are removed": async (world, node) => {
    await inNode(world, node)(["nft", "delete", "table", "inet", "weft"]);
    await inNode(world, node)(["ip", "address", "flush", "dev", "ovn0"]);
  },
  "all ports of the default subnet are deleted": async (world) => {
    const [central] = world.own("ovn-central");
    const nbctl = ["ovn-nbctl", "clear", "Logical_Switch", "ovn-default", "ports"];
    await inContainer(central!.metadata.uid, PROGRAM.central, nbctl, { allowFailure: true });
  },
};

async function restart(world: World, part: string): Promise<void> {
  await world.lab.kill(part);
  await world.lab.start(part);
}

t.test(
  `pods are created and deleted for ${SECONDS} s while components are killed (seed ${SEED})`,
  { skip: whyNoLab(), timeout: SECONDS * 1000 + 400_000 },
  async (t) => {
    const world = await openWorld(t);
    const random = randomFrom(SEED);
    const [witness] = await standingPods(world);
    const namespace = await useNamespace(t, world, "weft-soak");
    const before = await takeInventory(world);
    const faults = Object.entries(FAULTS);
    let living: string[] = [];
    const until = Date.now() + SECONDS * 1000;
    for (let round = 0; Date.now() < until; round++) {
      const node = world.lab.nodes[random(world.lab.nodes.length)]!;
      const [what, strike] = faults[random(faults.length)]!;
      const names = Array.from({ length: PODS_A_ROUND }, (_, index) => `r${round}-${index}`);
      const leaving = living.filter(() => random(2) === 0);
      const { took } = await timed(async () => {
        const struck = strike(world, node);
        const made = (async () => {
          for (const name of names) await create(world, namespace, name, world.lab.nodes[random(2)]!);
        })();
        await Promise.all([struck, made, removeEventually(world, namespace, leaving)]);
        await ready(world, namespace, names, 180_000);
      });
      living = [...living.filter((name) => !leaving.includes(name)), ...names];
      const pods = living.map((name) => world.pods.get(`${namespace}/${name}`)!);
      const addresses = pods.flatMap((pod) => addressesOf(pod));
      t.equal(new Set(addresses).size, 2 * living.length, `round ${round}, ${what} (${node}): no address twice`);
      for (const pod of pods) await reachable(witness!, pod, 60_000);
      t.pass(`round ${round}: all ${living.length} pods are reached; the new ones were Ready in ${took}`);
    }
    await remove(world, namespace, living);
    await sameInventory(t, world, before, "when all is deleted nothing is left");
  },
);

/** Creates a pod, although the API server may be unavailable. */
async function create(world: World, namespace: string, name: string, node: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await world.kube.create(PODS, idlePod(namespace, name, node));
      return;
    } catch (error) {
      if ((error as { code?: string }).code === "exists") return;
      if (attempt === 60) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function removeEventually(world: World, namespace: string, names: readonly string[]): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await remove(world, namespace, names);
      return;
    } catch (error) {
      if (attempt === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}
