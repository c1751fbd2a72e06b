// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Progress } from "../host/progress.ts";
import { LabError } from "./error.ts";
import { CHECKOUT, type LabPaths } from "./paths.ts";

/**
 * Deploys Weft into the cluster by `hack/deploy`, which builds the image (of the lab's Debian suite), imports it into
 * the nodes and installs the chart. It shows its own progress. False if there is no such script. Rejects with
 * LabError `part-failed`.
 */
export async function deployWeft(paths: LabPaths, progress: Progress): Promise<boolean> {
  const script = join(CHECKOUT, "hack/deploy/main.ts");
  if (!existsSync(script)) {
    progress.note("hack/deploy/main.ts does not exist: the cluster has no network");
    return false;
  }
  const child = spawn(process.execPath, [script], {
    stdio: "inherit",
    cwd: CHECKOUT,
    env: { ...process.env, KUBECONFIG: paths.kubeconfig, WEFT_LAB_ROOT: paths.root },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0)
    throw new LabError(
      "part-failed",
      `Weft could not be deployed (hack/deploy/main.ts exited with ${code}); the cluster runs without it`,
    );
  return true;
}
