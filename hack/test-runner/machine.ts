// SPDX-License-Identifier: Apache-2.0

import { ensurePackages } from "../host/packages.ts";
import { createProgress } from "../host/progress.ts";
import { ensureRootfs } from "../image/base.ts";
import { ensureKubeBinaries } from "../kube/binaries.ts";
import { KEEPALIVED, LAB_NEEDS } from "../lab/needs.ts";
import { ensureMultus } from "../tools/multus.ts";

/**
 * Puts on the machine what tests against real servers need, so that none of them is skipped for want of it, and no test waits for a build; with
 * `release`, also what only the tests of the release tier need. Nothing where the user is not root: what needs root is skipped then.
 */
export async function prepareMachine({ release = false }: { readonly release?: boolean } = {}): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const progress = createProgress();
  await ensurePackages(release ? [...LAB_NEEDS, KEEPALIVED] : LAB_NEEDS, progress);
  // One is bound by the network and the disk, the other by the processors.
  await Promise.all([ensureRootfs(progress), ensureKubeBinaries(progress)]);
  if (!release) return;
  for (const program of ["multus", "multus-shim", "multus-daemon"] as const) await ensureMultus(progress, program);
}
