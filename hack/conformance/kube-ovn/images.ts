// SPDX-License-Identifier: Apache-2.0

import { AGNHOST_IMAGE } from "../../lab/images.ts";
import type { Lab } from "../../lab/lab.ts";
import { PAUSE_IMAGE } from "../../lab/node-parts.ts";

/** The images that pods of the suites have besides Weft's own (`test/e2e/framework/image.go`), and what of the lab stands for them. */
const STAND_INS: Readonly<Record<string, string>> = {
  "ghcr.io/kubeovn/agnhost:2.47": AGNHOST_IMAGE,
  "ghcr.io/kubeovn/pause:3.9": PAUSE_IMAGE,
};

/** Gives the lab's images the names that the suites ask for, so that nothing is pulled. */
export async function nameImages(lab: Lab): Promise<void> {
  for (const node of lab.nodes) {
    for (const [name, image] of Object.entries(STAND_INS))
      await lab.node(node).exec(["ctr", "--namespace=k8s.io", "images", "tag", "--force", image, name]);
  }
}
