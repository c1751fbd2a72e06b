// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import type { World } from "./world.ts";

/** Values of the chart with which probers probe all that they can, each second. */
const VALUES: readonly string[] = [
  ...["enabled=true", "interval=1", `externalAddresses={${addressOf(OUTSIDE).v4},${addressOf(OUTSIDE).v6}}`],
  // The lab has no DNS outside.
  "externalDNS=kubernetes.default.svc.cluster.local",
];

/** Runs a prober on each node until the end of the test; `set`: further values of the chart, as helm's `--set`. */
export async function probing(t: Test, world: World, set: readonly string[] = []): Promise<void> {
  t.teardown(() => deploy(world.lab, createProgress()));
  await deploy(world.lab, createProgress(), { set: [...VALUES.map((one) => `pinger.${one}`), ...set] });
  await until(
    "a prober on each node is known",
    30_000,
    async () => world.own("kube-ovn-pinger").length === world.lab.nodes.length,
    100,
  );
}
