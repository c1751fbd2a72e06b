// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { LEADER_LOCK } from "../../../src/controller/databases/northbound.ts";
import { LEASES, PODS } from "../../../src/kube/resources.ts";
import { controllerFigure } from "../testing/metrics.ts";
import { Objects } from "../testing/objects.ts";
import { idlePod, ready, run, scaleController, useNamespace, withoutRestarts } from "../testing/pods.ts";
import { killProcess, PROGRAM } from "../testing/processes.ts";
import { timed } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const LEASE = "kube-system/kube-ovn-controller";

t.test("two controllers", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const leases = new Objects(world.kube, LEASES, { namespace: "kube-system" });
  await leases.ready();
  t.teardown(() => leases.stop());
  const namespace = await useNamespace(t, world, "weft-leader");
  await withoutRestarts(world, "kube-ovn-controller");
  await scaleController(world, 2);
  t.teardown(() => scaleController(world, 1));
  const holder = (): string => leases.get(LEASE)?.spec.holderIdentity;

  await t.test("when the leader is killed the standby takes over, and serves the next pod", async (t) => {
    const leader = world.own("kube-ovn-controller").find(({ metadata }) => metadata.name === holder())!;
    const standby = world.own("kube-ovn-controller").find((pod) => pod !== leader)!;
    const { took } = await timed(async () => {
      await killProcess(leader.metadata.uid, PROGRAM.controller);
      await world.kube.create(PODS, idlePod(namespace, "after-the-kill", "weft-1"));
      await world.nb.until("the pod's port", () => world.nb.port(`after-the-kill.${namespace}`));
    });
    t.comment(`a pod's port was in the database ${took} after the kill began`);
    const shown = await timed(() =>
      leases.until(LEASE, `shows ${standby.metadata.name}`, () => holder() === standby.metadata.name),
    );
    t.comment(`the Lease shows it ${shown.took} later`);
    await ready(world, namespace, ["after-the-kill"]);
    t.equal(holder(), standby.metadata.name);
  });

  await t.test("a leader that has lost the lock writes nothing until it holds it again", async (t) => {
    const thief = world.nb.client.steal(LEADER_LOCK);
    await thief.whenHeld(AbortSignal.timeout(5_000));
    for (const controller of world.own("kube-ovn-controller")) {
      // The killed controller logs nothing until it runs again.
      const leading = () => controllerFigure(world, controller, "weft_controller_leading").catch(() => undefined);
      const follows = async () => (await leading()) === 0;
      await until(`${controller.metadata.name} reports that it does not lead`, 5_000, follows);
    }
    let rows = 0;
    const stop = world.nb.mirror.subscribe((changes) => {
      rows += changes.length;
    });
    const pod = idlePod(namespace, "while-deposed", "weft-2");
    await world.kube.create(PODS, pod);
    // Long enough for a write, which otherwise takes a few hundredths of a second.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    stop();
    t.equal(rows, 0, "the northbound database is as it was");
    t.equal(world.ips.get(`while-deposed.${namespace}`), undefined, "no address is given");
    await thief.release();
    const { took } = await timed(() => ready(world, namespace, ["while-deposed"]));
    t.comment(`the pod was Ready ${took} after the lock was free again`);
  });

  await t.test("a controller that starts again finds nothing to change", async (t) => {
    const leader = world.own("kube-ovn-controller").find(({ metadata }) => metadata.name === holder())!;
    let rows = 0;
    // Ports change when pods start, and the load balancer of the controllers' own Service when they start and end.
    const busy = ["Logical_Switch_Port", "Load_Balancer"];
    const stop = world.nb.mirror.subscribe((changes) => {
      rows += changes.filter(({ table }) => !busy.includes(table)).length;
    });
    await killProcess(leader.metadata.uid, PROGRAM.controller);
    await leases.until(LEASE, "shows another", () => holder() !== leader.metadata.name, 30_000);
    await run(world, [idlePod(namespace, "proof-of-life", "weft-1")]);
    stop();
    // The new pod is a member of two port groups and of its switch.
    t.ok(rows <= 3, `${rows} rows changed`);
  });
});
