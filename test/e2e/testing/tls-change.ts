// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { idlePod, run } from "./pods.ts";
import { steadyDatagrams } from "./steady-datagrams.ts";
import { timed } from "./when.ts";
import type { World } from "./world.ts";

/** How long kubelet may take to bring a changed ConfigMap into a running pod, and ovn-controller to connect, in ms. */
const BROUGHT_MS = 150_000;

/**
 * Turns TLS off and on again by the chart, under datagrams between two nodes: none is lost, Open vSwitch and the daemons are not restarted, and each node uses
 * the other scheme afterwards.
 */
export async function tryTlsChange(t: Test, world: World, namespace: string): Promise<void> {
  const undisturbed = await steadyDatagrams(t, world, namespace);
  t.teardown(() => deploy(world.lab, createProgress()));
  const lastNode = world.lab.nodes.at(-1)!;
  const onNodes = (): readonly string[] =>
    [...world.own("ovs"), ...world.own("kube-ovn-cni")]
      .map(({ metadata, status }) => `${metadata.uid} ${status.containerStatuses?.[0]?.restartCount}`)
      .sort();
  const before = onNodes();
  for (const [what, scheme, enabled] of [
    ["TLS is turned off", "tcp", false],
    ["TLS is turned on", "ssl", true],
  ] as const) {
    await t.test(`${what} and no datagram is lost`, async (t) => {
      const { took } = await undisturbed(t, () =>
        timed(async () => {
          await deploy(world.lab, createProgress(), { set: [`tls.enabled=${enabled}`] });
          await Promise.all(
            world.lab.nodes.map((node) => {
              const ovs = world.ovs(node);
              const uses = (): boolean => ovs.settings()["ovn-remote"]?.startsWith(`${scheme}:`) === true;
              return ovs.until(`${node} uses ${scheme}`, uses, BROUGHT_MS);
            }),
          );
        }),
      );
      const pod = await timed(() => run(world, [idlePod(namespace, `with-${scheme}`, lastNode)]));
      t.strictSame(onNodes(), before, "nothing on the nodes was restarted");
      t.comment(`${what}: all nodes use it after ${took}, the next pod was Ready after ${pod.took}`);
    });
  }
}
