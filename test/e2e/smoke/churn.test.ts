// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { PODS } from "../../../src/kube/resources.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { addressesOf, idlePod, ready, remove, standingPods, useNamespace, withoutRestarts } from "../testing/pods.ts";
import { killProcess, PROGRAM } from "../testing/processes.ts";
import { reaches } from "../testing/reachable.ts";
import { timed, when } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const COUNT = Number(process.env["WEFT_CHURN_PODS"] ?? 20);

t.test("processes are killed while pods are created", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [witness] = await standingPods(world);
  const namespace = await useNamespace(t, world, "weft-churn");
  const daemon = await withoutRestarts(world, "kube-ovn-cni", "weft-2");
  const controller = await withoutRestarts(world, "kube-ovn-controller");
  const before = await takeInventory(world);
  const names = Array.from({ length: COUNT }, (_, index) => `churn-${index}`);

  await t.test(
    `${COUNT} pods get their networks although daemon and controller are killed as they start`,
    async (t) => {
      const { result: pods, took } = await timed(async () => {
        await Promise.all(
          names.map((name, index) => world.kube.create(PODS, idlePod(namespace, name, `weft-${1 + (index % 2)}`))),
        );
        const mine = () => world.ips.values().filter(({ spec }) => spec.namespace === namespace);
        await when(
          (listener) => world.ips.subscribe(listener),
          () => mine().length >= COUNT / 4,
          "addresses",
          20_000,
        );
        await killProcess(controller.metadata.uid, PROGRAM.controller);
        const made = () =>
          world
            .ovs("weft-2")
            .podInterfaces()
            .filter((row) => row.external_ids["pod_namespace"] === namespace);
        await world.ovs("weft-2").until("an interface", () => made().length > 0, 30_000);
        await killProcess(daemon.metadata.uid, PROGRAM.daemon);
        t.comment(`killed with ${mine().length} addresses given and ${made().length} ports made on weft-2`);
        return ready(world, namespace, names, 120_000);
      });
      t.pass(`all are Ready ${took} after the first was created`);

      const addresses = pods.flatMap((pod) => addressesOf(pod));
      t.equal(new Set(addresses).size, 2 * COUNT, "no address is given twice");
      const taken = [...world.nb.mirror.rows("Logical_Switch_Port")].flatMap((row) => row.addresses);
      t.equal(
        new Set(taken.filter((text) => text !== "router")).size,
        taken.filter((text) => text !== "router").length,
      );
      for (const pod of pods) {
        const { v4IpAddress, v6IpAddress } = world.ips.get(`${pod.metadata.name}.${namespace}`)!.spec;
        t.strictSame(addressesOf(pod), [v4IpAddress, v6IpAddress], pod.metadata.name);
      }
      const reached = await Promise.all(pods.map((pod) => reaches(witness!, pod)));
      t.notOk(reached.includes(false), "each of them answers over both families");
    },
  );

  await t.test("deleted pods leave no objects, rows or interfaces", async (t) => {
    const { took } = await timed(() => remove(world, namespace, names));
    t.comment(`pods and addresses are gone ${took} after they were deleted`);
    await sameInventory(t, world, before, "ports, interfaces and IP objects are those of before");
  });
});
