// SPDX-License-Identifier: Apache-2.0

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkoutChart, embedded } from "./embedded.ts";
import { InstallError } from "./error.ts";

/**
 * Calls `action` with a folder that contains the chart for helm: the embedded one in a temporary folder, which is
 * removed afterwards, or the checkout's. Rejects with InstallError `no-chart` if there is neither, and as `action`
 * does.
 */
export async function withChart<R>(action: (folder: string) => Promise<R>): Promise<R> {
  const { chart } = embedded();
  if (chart === undefined) {
    const folder = checkoutChart();
    if (folder === undefined) throw new InstallError("no-chart", "this weftctl binary does not contain the chart");
    return await action(folder);
  }
  const folder = await mkdtemp(join(tmpdir(), "weft-chart-"));
  try {
    for (const [name, text] of Object.entries(chart)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
