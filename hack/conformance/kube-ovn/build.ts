// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { architecture, cacheFolder, replaceAtomically } from "../../host/cache.ts";
import { HostError } from "../../host/error.ts";
import { ensureGo, showGoOutput } from "../../host/go.ts";
import { withFileLock } from "../../host/lock.ts";
import type { Progress } from "../../host/progress.ts";
import { run } from "../../host/run.ts";

/** What of Kube-OVN the suites are: its version, and the commit that `/VERSION` of that time names so. */
export const KUBE_OVN = { version: "v1.17.0", commit: "1533681d7a6b3dbdd7e8870fa70f0dc6aa49a82a" } as const;

const REPOSITORY = "https://github.com/kubeovn/kube-ovn";

/**
 * Path of the test binary of a suite, a folder of Kube-OVN's `test/e2e`; built with Go where the cache folder lacks it, from the repository, or
 * from another one (or a clone) that `WEFT_KUBE_OVN_REPOSITORY` names. Rejects with HostError.
 */
export async function ensureSuite(suite: string, progress: Progress): Promise<string> {
  const folder = join(cacheFolder(), `kube-ovn-e2e-${KUBE_OVN.version}`);
  const target = join(folder, `${suite}.test-${architecture()}`);
  if (existsSync(target)) return target;
  await mkdir(folder, { recursive: true });
  await withFileLock(
    join(folder, "lock"),
    async () => {
      if (existsSync(target)) return;
      const go = await ensureGo("the end-to-end tests of Kube-OVN", `put its test binary at ${target}`, progress);
      const source = await fetchSource(progress);
      try {
        await progress.step(`building ${suite}.test`, (step) => build(go, source, suite, target, showGoOutput(step)));
      } finally {
        await rm(source, { recursive: true, force: true });
      }
    },
    () => progress.note(`another checkout is building suites of Kube-OVN; waiting for it`),
  );
  return target;
}

/** Makes a folder with the sources. */
async function fetchSource(progress: Progress): Promise<string> {
  const repository = process.env["WEFT_KUBE_OVN_REPOSITORY"] || REPOSITORY;
  const folder = await mkdtemp(join(tmpdir(), "weft-kube-ovn-"));
  const git = (...args: readonly string[]) => run("git", ["-C", folder, ...args]);
  try {
    await progress.step(`fetching Kube-OVN ${KUBE_OVN.version}`, async () => {
      await git("init", "--quiet");
      await git("fetch", "--quiet", "--depth=1", repository, KUBE_OVN.commit);
      await git("checkout", "--quiet", "FETCH_HEAD");
    });
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function build(
  go: string,
  source: string,
  suite: string,
  target: string,
  onLine: (line: string) => void,
): Promise<void> {
  const path = `./test/e2e/${suite}`;
  if (!existsSync(join(source, path)))
    throw new HostError("unsupported", `Kube-OVN ${KUBE_OVN.version} has no suite ${suite}`);
  const options = { cwd: source, env: { CGO_ENABLED: "0" }, onLine };
  // Without vet, and without symbols: what is tested is elsewhere.
  const flags = ["-vet=off", "-trimpath", "-ldflags=-s -w"];
  await replaceAtomically(target, async (temporary) => {
    await run(go, ["test", "-c", ...flags, "-o", temporary, path], options);
  });
}
