// SPDX-License-Identifier: Apache-2.0

import { cp, mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ROOT } from "../build/npm.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import type { Lab } from "../lab/lab.ts";
import type { QuietCluster } from "./controller-cluster.ts";

/** A checkout whose controller is measured. */
export interface Build {
  readonly name: "this" | "beside";
  /** Its `/opt/weft`, as a path on every node. */
  readonly folder: string;
}

/**
 * Builds this checkout and, if given, the other, each by its own scripts, and copies the files of the image to
 * `/opt/weft` of every node, so that no image is needed and both are started in the same way.
 */
export async function installBuilds(
  lab: Lab,
  cluster: QuietCluster,
  beside: string | undefined,
  progress: Progress,
): Promise<readonly Build[]> {
  const checkouts = [{ name: "this", root: ROOT } as const];
  const others = beside === undefined ? [] : [{ name: "beside", root: resolve(beside) } as const];
  const builds: Build[] = [];
  for (const { name, root } of [...checkouts, ...others]) {
    await progress.step(`building ${root}`, () => run("npm", ["run", "build", "--", "--arch", "host"], { cwd: root }));
    let folder = "";
    for (const node of lab.nodes) {
      const { onHost, inImage } = cluster.nodeFile(node, `weft-bench-${name}`);
      await rm(onHost, { recursive: true, force: true });
      await mkdir(onHost, { recursive: true });
      await cp(join(root, "dist/lib"), join(onHost, "lib"), { recursive: true });
      await cp(join(root, "hack/image/root/opt/weft/bin"), join(onHost, "bin"), { recursive: true });
      folder = inImage;
    }
    builds.push({ name, folder });
  }
  return builds;
}

/** A command with a build's files as `/opt/weft`, for it alone. It replaces itself by `command`. */
export function withBuild({ folder }: Build, command: readonly string[]): readonly string[] {
  const script = 'mount --bind "$0" /opt/weft && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", script, folder, ...command];
}
