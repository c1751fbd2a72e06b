// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t from "tap";
import { AGNHOST_IMAGE } from "../../../hack/lab/images.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { AGENTS } from "../../stability/targets/cluster/agents.ts";
import { testTask } from "../../stability/testing/on-lab.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

t.test("the same task runs on a cluster by its kubeconfig", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world = await openWorld(t);
  // After the target was closed.
  t.teardown(async () => world.namespaces.gone(AGENTS, 60_000));
  const { paths } = openLab();
  const options = { path: paths.kubeconfig, kubectl: join(paths.bin, "kubectl"), image: AGNHOST_IMAGE };
  const { runs } = await testTask(t, "smoke.yaml", {}, { name: "kubeconfig", options });
  t.equal(runs[0]?.repeats[0]?.faults.length, 2, "both faults were injected");
});
