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
        // Well before kubelet kills a container that does not answer its liveness probe.
        await world.nb.until("the pod's port", () => world.nb.port(`while-it-hangs.${namespace}`), 30_000);
      });
      t.pass(`another one served a pod ${took} after the leader stopped answering`);
      await ready(world, namespace, ["while-it-hangs"]);
      t.not(holder(), leader.metadata.name);
      const tables: string[] = [];
      // The new leader changes the load balancer of the controllers' own Service when the former leader's readiness changes.
      const stop = world.nb.mirror.subscribe((changes) => {
        tables.push(...changes.map(({ table }) => table).filter((table) => table !== "Load_Balancer"));
      });
      t.ok(signal(hanging, "SIGCONT"), "kubelet has not killed it yet");
      await delay(3_000);
      stop();
      t.same(tables, []);
      t.not(holder(), leader.metadata.name);
    },
  );

  await t.test("no controller loses leadership when an API server hangs for 12 s", { timeout: 120_000 }, async (t) => {
    await scaleController(world, 2);
    t.teardown(() => scaleController(world, 1));
    const controllers = world.own("kube-ovn-controller");
    const terms = async (): Promise<readonly number[]> =>
      await Promise.all(
        controllers.map(async ({ metadata }) => {
          const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", metadata.name]);
          return [...stdout.matchAll(/"(?:started leading|lost leadership)"/g)].length;
        }),
      );
    const before = await terms();
    t.ok(
      before.some((count) => count > 0),
      "the log says who leads",
    );
    world.lab.pause("apiserver");
    t.teardown(() => world.lab.resume("apiserver"));
    await delay(12_000);
    world.lab.resume("apiserver");
    await run(world, [idlePod(namespace, "after-the-pause", "weft-1")]);
    t.same(await terms(), before);
  });

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
