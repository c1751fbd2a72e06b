// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, inPod, run, standingPods, useNamespace, withoutRestarts } from "../testing/pods.ts";
import { findProcess, killProcess, PROGRAM } from "../testing/processes.ts";
import { timed } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NODE = "weft-1";
/** As `supervise` has it (hack/image/root/opt/weft/bin). */
const ENDS_OF_CONTAINER = 6;
const KILLS = 3;

t.test(
  "a process that is killed repeatedly is started again without kubelet's pauses",
  {
    skip: whyNoLab(),
    timeout: 300_000,
  },
  async (t) => {
    const world = await openWorld(t);
    const namespace = await useNamespace(t, world, "weft-killed");
    const [peer] = await standingPods(world);
    const statusOf = (pod: Thing): { readonly containerID: string } =>
      world.pods.get(`kube-system/${pod.metadata.name}`)?.status.containerStatuses[0];

    for (const [app, program, node] of [
      ["kube-ovn-cni", PROGRAM.daemon, NODE],
      ["kube-ovn-controller", PROGRAM.controller, undefined],
    ] as const) {
      await t.test(app, async (t) => {
        const part = await withoutRestarts(world, app, node);
        const { uid } = part.metadata;
        const kill = async (): Promise<void> => {
          // No event shows that a process runs.
          await until(`${app} runs`, 30_000, () => findProcess(uid, program) !== undefined);
          await killProcess(uid, program);
        };
        const { containerID } = statusOf(part);
        for (let n = 1; n <= KILLS; n++) {
          await kill();
          const name = `${app}-${n}`;
          const { took, result } = await timed(() => run(world, [idlePod(namespace, name, NODE)]));
          t.comment(`the first pod after kill ${n} is Ready after ${took}`);
          t.match(await ping(inPod(result[0]!), peer!.status.podIP), { ok: true }, "it has its network");
        }
        t.match(statusOf(part), { restartCount: 0, containerID }, "in the same container");

        for (let n = KILLS; n < ENDS_OF_CONTAINER; n++) await kill();
        const lastState = { terminated: { exitCode: 137 } };
        await world.pods.until(`kube-system/${part.metadata.name}`, "has another container", (pod) => {
          const status = pod?.status.containerStatuses?.[0];
          return status?.restartCount === 1 && status.ready && status;
        });
        t.match(statusOf(part), { restartCount: 1, lastState }, "then kubelet restarts the container, and shows why");
        await run(world, [idlePod(namespace, `${app}-last`, NODE)]);
      });
    }
  },
);
