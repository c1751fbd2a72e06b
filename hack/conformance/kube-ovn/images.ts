// SPDX-License-Identifier: Apache-2.0

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { findCommand } from "../../host/cache.ts";
import { ensurePackages, type Need } from "../../host/packages.ts";
import type { Progress } from "../../host/progress.ts";
import { buildOnAgnhost } from "../../lab/images.ts";
import type { Lab } from "../../lab/lab.ts";
import { PAUSE_IMAGE } from "../../lab/node-parts.ts";
import { copyProgram } from "../../oci/files.ts";

/** The images that pods of the suites have besides Weft's own (`test/e2e/framework/image.go`). */
const AGNHOST = "ghcr.io/kubeovn/agnhost:2.47";
const PAUSE = "ghcr.io/kubeovn/pause:3.9";

/** Specs read the JSON of `ip`, which busybox's does not have; busybox's shell takes its own `ip` whatever there is. */
const NEEDS: readonly Need[] = [
  { what: "ip", package: "iproute2" },
  { what: "dash", package: "dash" },
];

/**
 * Puts stand-ins into every node under the names that the suites ask for, so that nothing is pulled: the lab's agnhost with `ip`, by the programs in `kube`, and the lab's pause.
 * Rejects with HostError.
 */
export async function importImages(lab: Lab, kube: string, progress: Progress): Promise<void> {
  await ensurePackages(NEEDS, progress);
  const out = join(lab.paths.state, "conformance");
  await mkdir(out, { recursive: true });
  const archives = await progress.step("building agnhost", () => buildOnAgnhost(kube, [AGNHOST], tools, out));
  for (const archive of archives) await lab.importImage(archive);
  const tag = ["ctr", "--namespace=k8s.io", "images", "tag", "--force", PAUSE_IMAGE, PAUSE];
  await Promise.all(lab.nodes.map((node) => lab.node(node).exec(tag)));
}

async function tools(root: string): Promise<void> {
  for (const [target, program] of Object.entries({ ip: "ip", sh: "dash" }))
    await copyProgram(findCommand(program) ?? program, root, `bin/${target}`);
}
