// SPDX-License-Identifier: Apache-2.0

import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Test } from "tap";
import { createProgress } from "../../../hack/host/progress.ts";
import { ensureMultus } from "../../../hack/tools/multus.ts";
import type { World } from "./world.ts";

const FOLDER = "/etc/cni/net.d";
/** The runtime takes the first file of the folder. */
const FILE = `${FOLDER}/00-multus.conf`;

/** Puts Multus between the runtimes and Weft for the length of a test. */
export async function useMultus(t: Test, world: World): Promise<void> {
  const binary = await ensureMultus(createProgress());
  const config = {
    cniVersion: "1.0.0",
    name: "multus-cni-network",
    type: "multus",
    kubeconfig: world.lab.paths.nodeKubeconfig,
    clusterNetwork: `${FOLDER}/01-kube-ovn.conflist`,
  };
  for (const name of world.lab.nodes) {
    const node = world.lab.node(name);
    const target = join(node.paths.opt, "cni/bin/multus");
    await cp(binary, target);
    t.teardown(async () => {
      await node.exec(["rm", "-f", FILE]);
      await rm(target, { force: true });
    });
    const script = `cat >${FOLDER}/.new && mv ${FOLDER}/.new ${FILE}`;
    await node.exec(["sh", "-c", script], { input: JSON.stringify(config) });
  }
}
