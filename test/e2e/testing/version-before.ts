// SPDX-License-Identifier: Apache-2.0

import { cp } from "node:fs/promises";
import { join } from "node:path";
import { baseCommit, withWorktree } from "../../../hack/bench/base-commit.ts";
import { ROOT } from "../../../hack/build/npm.ts";
import type { Progress } from "../../../hack/host/progress.ts";
import { run } from "../../../hack/host/run.ts";
import { IMAGE } from "../../../hack/image/image.ts";
import type { Lab } from "../../../hack/lab/lab.ts";

/** A version whose image all nodes of a lab have, and the chart that installs it. */
export interface Version {
  /** The image's tag. */
  readonly tag: string;
  /** The chart's folder. */
  readonly chart: string;
  /** A file with the values for the lab. */
  readonly values: string;
}

/**
 * The commit of the version before: that of `WEFT_UPGRADE_FROM`, else of the newest release, else the one in hack/bench/base.txt. Rejects in a shallow
 * clone.
 */
export function commitBefore(): Promise<string> {
  return baseCommit(ROOT, process.env["WEFT_UPGRADE_FROM"]);
}

/** The version that this checkout has deployed into the lab; `folder` is for its files. */
export function thisVersion(lab: Lab, folder: string): Promise<Version> {
  return keep(lab, "upgrade-to", join(ROOT, "charts/weft"), folder);
}

/** Has the checkout of `commit` deploy itself into the lab by its own scripts, and keeps what it deployed. */
export async function deployVersion(lab: Lab, commit: string, folder: string, progress: Progress): Promise<Version> {
  const chart = join(folder, "chart");
  await withWorktree(ROOT, commit, async (path) => {
    await progress.step(`deploying ${commit.slice(0, 8)} by its own scripts`, () =>
      run(join(path, "hack/with-deps"), ["node", join(path, "hack/deploy/main.ts"), "--timeout=400"], {
        cwd: path,
        env: { WEFT_LAB_ROOT: lab.paths.root },
      }),
    );
    // Its CustomResourceDefinitions are behind a link into the worktree.
    await cp(join(path, "charts/weft"), chart, { recursive: true, dereference: true });
  });
  return await keep(lab, "upgrade-from", chart, folder);
}

/** Gives the image that was deployed last another tag, which the next deployment does not take, and keeps its values. */
async function keep(lab: Lab, tag: string, chart: string, folder: string): Promise<Version> {
  const [deployed, kept] = [IMAGE.tag, tag].map((each) => `${IMAGE.repository}:${each}`);
  for (const node of lab.nodes)
    await lab.node(node).exec(["ctr", "--namespace=k8s.io", "images", "tag", "--force", deployed!, kept!]);
  const values = join(folder, `${tag}.json`);
  await cp(join(lab.paths.state, "weft-values.json"), values);
  return { tag, chart, values };
}
