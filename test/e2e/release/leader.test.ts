// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { signal } from "../../../hack/lab/process.ts";
import { LEASES, PODS } from "../../../src/kube/resources.ts";
import { OVN_NB } from "../../../src/ovsdb/generated/ovn-nb.ts";
import { insert, type Operation, remove as removeRow } from "../../../src/ovsdb/operation.ts";
import { Objects } from "../testing/objects.ts";
import { idlePod, ready, run, scaleController, useNamespace, withoutRestarts } from "../testing/pods.ts";
import { killProcess, PROGRAM, requireProcess } from "../testing/processes.ts";
import { timed } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const LEASE = "kube-system/kube-ovn-controller";

t.test("a leader that hangs or would delete too much", { skip: whyNoLab(), timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  const leases = new Objects(world.kube, LEASES, { namespace: "kube-system" });
  await leases.ready();
  t.teardown(() => leases.stop());
  const namespace = await useNamespace(t, world, "weft-leader");
  const holder = (): string => leases.get(LEASE)?.spec.holderIdentity;

  await t.test(
    "a leader that hangs is replaced, and writes nothing when it continues",
    { timeout: 400_000 },
    async (t) => {
      await withoutRestarts(world, "kube-ovn-controller");
      await scaleController(world, 2);
      t.teardown(() => scaleController(world, 1));
      const leader = world.own("kube-ovn-controller").find(({ metadata }) => metadata.name === holder())!;
      const hanging = requireProcess(leader.metadata.uid, PROGRAM.controller);
      signal(hanging, "SIGSTOP");
      const { took } = await timed(async () => {
        await world.kube.create(PODS, idlePod(namespace, "while-it-hangs", "weft-1"));
        await world.nb.until("the pod's port", () => world.nb.port(`while-it-hangs.${namespace}`), 240_000);
      });
      t.pass(`another one served a pod ${took} after the leader stopped answering`);
      await ready(world, namespace, ["while-it-hangs"]);
      t.not(holder(), leader.metadata.name);
      let rows = 0;
      const stop = world.nb.mirror.subscribe((changes) => {
        rows += changes.length;
      });
      if (signal(hanging, "SIGCONT")) await delay(3_000);
      else t.comment("kubelet has killed it meanwhile");
      stop();
      t.equal(rows, 0);
    },
  );

  await t.test("a leader that would delete much more than usual stops, and says how to continue", async (t) => {
    const count = 120;
    const orphans = Array.from({ length: count }, (_, index) => `weft-orphan-${index}`);
    const mine = { vendor: "kube-ovn", "weft-owner": "subnet/no-such-subnet" };
    const made: Operation[] = orphans.map((name) =>
      insert(OVN_NB, "Logical_Switch", undefined, { name, external_ids: mine }),
    );
    await world.nb.client.transact(OVN_NB.name, made);
    const left = () =>
      [...world.nb.mirror.rows("Logical_Switch")].filter(({ name }) => name.startsWith("weft-orphan-"));
    t.teardown(async () => {
      const rest = left().map((row) => removeRow(OVN_NB, "Logical_Switch", row._uuid));
      if (rest.length > 0) await world.nb.client.transact(OVN_NB.name, rest);
    });
    const restarted = async (name: string): Promise<string> => {
      const controller = await withoutRestarts(world, "kube-ovn-controller");
      await killProcess(controller.metadata.uid, PROGRAM.controller);
      await run(world, [idlePod(namespace, name, "weft-2")]);
      const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", controller.metadata.name]);
      return stdout;
    };
    t.match(await restarted("braked"), "the sweep is stopped because it would delete too many rows");
    t.equal(left().length, count, "nothing is deleted");
    const few = left().slice(20);
    await world.nb.client.transact(
      OVN_NB.name,
      few.map((row) => removeRow(OVN_NB, "Logical_Switch", row._uuid)),
    );
    await restarted("swept");
    await world.nb.until("the rest is swept", () => left().length === 0);
    t.pass("twenty are deleted");
  });
});
