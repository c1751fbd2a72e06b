// SPDX-License-Identifier: Apache-2.0

import { ensurePackages, type Need } from "../host/packages.ts";
import { createProgress } from "../host/progress.ts";
import { ensureRootfs } from "../image/base.ts";
import { ensureKubeBinaries } from "../kube/binaries.ts";
import { KEEPALIVED, LAB_NEEDS } from "../lab/required-packages.ts";
import { ensureMetallb } from "../tools/metallb.ts";
import { ensureMultus } from "../tools/multus.ts";

/** The browser of the web page's tests, and a font with Chinese characters. */
const BROWSER: readonly Need[] = [
  { what: "/usr/bin/chromium", package: "chromium" },
  { what: "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", package: "fonts-wqy-zenhei" },
];

/**
 * Prepares the machine for tests against real servers, so that none of them is skipped for a missing program, and no
 * test waits for a build; with `release`, also for the tests of the release tier. Does nothing if the user is not
 * root: tests that need root are skipped then.
 */
export async function prepareMachine({ release = false }: { readonly release?: boolean } = {}): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const progress = createProgress();
  await ensurePackages(release ? [...LAB_NEEDS, KEEPALIVED, ...BROWSER] : LAB_NEEDS, progress);
  // One is limited by the network and the disk, the other by the processors.
  await Promise.all([ensureRootfs(progress), ensureKubeBinaries(progress)]);
  if (!release) return;
  for (const program of ["multus", "multus-shim", "multus-daemon"] as const) await ensureMultus(progress, program);
  await ensureMetallb(progress);
}
