// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { RELEASE_NAMESPACE } from "../../../hack/deploy/values.ts";
import { isReady } from "../testing/pods.ts";
import { when } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

/** Longer than a pod stays ready by Kubernetes' defaults, three probes: no event tells that it has remained ready. */
const BY_DEFAULT_MS = 25_000;

t.test(
  "while the southbound database is away for a moment, an update replaces the switch of one node, not of all at once",
  { skip: whyNoLab(), timeout: 300_000 },
  async (t) => {
    const world = await openWorld(t);
    const kubectl = (...args: readonly string[]) => world.lab.kubectl([`--namespace=${RELEASE_NAMESPACE}`, ...args]);
    const ready = async (workload: string): Promise<void> =>
      void (await kubectl("rollout", "status", workload, "--timeout=120s"));
    const scale = (replicas: number) => kubectl("scale", "deployment/ovn-central", `--replicas=${replicas}`);
    t.teardown(async () => {
      await scale(1);
      for (const workload of ["deployment/ovn-central", "daemonset/ovs-ovn"]) await ready(workload);
    });
    const old = new Set(world.own("ovs").map(({ metadata }) => metadata.uid));
    await scale(0);
    await delay(BY_DEFAULT_MS);
    t.ok(
      world.own("ovs").every((pod) => isReady(pod)),
      "switches are ready, as their nodes have all flows",
    );
    await kubectl("rollout", "restart", "daemonset/ovs-ovn");
    await when(
      (listener) => world.pods.subscribe(listener),
      () => world.own("ovs").some(({ metadata }) => !old.has(metadata.uid)),
      "a switch is replaced",
      60_000,
    );
    await delay(5_000);
    const left = world.own("ovs").filter(({ metadata }) => old.has(metadata.uid)).length;
    t.equal(left, world.lab.nodes.length - 1, "the others wait until it has its flows");
    await scale(1);
    await ready("daemonset/ovs-ovn");
    t.notOk(
      world.own("ovs").some(({ metadata }) => old.has(metadata.uid)),
      "then they follow",
    );
  },
);
