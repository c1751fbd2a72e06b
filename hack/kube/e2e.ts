// SPDX-License-Identifier: Apache-2.0

import { access, constants, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { architecture, cacheFolder, replaceAtomically } from "../host/cache.ts";
import { ensureGo, showGoOutput } from "../host/go.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress, ProgressStep } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { buildFlags, KUBERNETES_VERSION } from "./binaries.ts";

const E2E = "k8s.io/kubernetes/test/e2e";
/** Ginkgo's command, of the release that `e2e.test` is linked with: both are of the same go.mod. */
const GINKGO = "github.com/onsi/ginkgo/v2/ginkgo";

/** The server of the spec that looks for `Conntrack … invalid conntrack state bug`, which is released as an image only. */
const CONNTRACK_SERVER = "regression-issue-74839";

/**
 * Path of `e2e.test`, Kubernetes' end-to-end tests of the release that the lab runs; built with Go where the cache folder lacks it.
 * `WEFT_E2E_TEST` names one of one's own instead. Rejects with HostError.
 */
export async function ensureE2eTest(progress: Progress): Promise<string> {
  const given = process.env["WEFT_E2E_TEST"];
  if (given !== undefined && given !== "") return given;
  const target = join(cacheFolder(), "kube", `e2e.test-${KUBERNETES_VERSION}-${architecture()}`);
  await ensureBuilt(target, progress, async (go, temporary, step) => {
    progress.note("building Kubernetes' e2e.test with Go: about 10 minutes on two cores, once for all checkouts");
    const options = { cwd: import.meta.dirname, env: { CGO_ENABLED: "0" }, onLine: showGoOutput(step) };
    // Compiled by `go build` first, for its progress: `go test -c` has no flag that prints packages.
    await run(go, ["build", "-v", ...buildFlags, E2E], options);
    await run(go, ["test", "-c", "-vet=off", ...buildFlags, "-o", temporary, E2E], options);
  });
  return target;
}

/** Path of Ginkgo's command, which runs the specs of `e2e.test` in several processes; built with Go where the cache folder lacks it. Rejects with HostError. */
export async function ensureGinkgo(progress: Progress): Promise<string> {
  const folder = join(cacheFolder(), "kube");
  const target = join(folder, `ginkgo-${KUBERNETES_VERSION}-${architecture()}`);
  await mkdir(folder, { recursive: true });
  await ensureBuilt(target, progress, async (go, temporary, step) => {
    const options = { cwd: import.meta.dirname, env: { CGO_ENABLED: "0" }, onLine: showGoOutput(step) };
    await run(go, ["build", "-v", ...buildFlags, "-o", temporary, GINKGO], options);
  });
  return target;
}

/** Path of the program that injects out-of-window segments into its connections; built with Go where the cache folder lacks it. Rejects with HostError. */
export async function ensureConntrackServer(progress: Progress): Promise<string> {
  const folder = join(cacheFolder(), "kube", `test-images-${KUBERNETES_VERSION}-${architecture()}`);
  const target = join(folder, CONNTRACK_SERVER);
  await mkdir(folder, { recursive: true });
  await ensureBuilt(target, progress, async (go, temporary, step) => {
    const options = { cwd: import.meta.dirname, env: { CGO_ENABLED: "0" }, onLine: showGoOutput(step) };
    await run(
      go,
      ["build", "-v", ...buildFlags, "-o", temporary, `k8s.io/kubernetes/test/images/${CONNTRACK_SERVER}`],
      options,
    );
  });
  return target;
}

/** Builds `target` under a lock where it is absent. */
async function ensureBuilt(
  target: string,
  progress: Progress,
  build: (go: string, temporary: string, step: ProgressStep) => Promise<void>,
): Promise<void> {
  const name = basename(target);
  await withFileLock(
    `${target}.lock`,
    async () => {
      if (await isThere(target)) return;
      const go = await ensureGo("the end-to-end tests of Kubernetes", "set WEFT_E2E_TEST to its e2e.test", progress);
      await progress.step(`building ${name}`, (step) =>
        replaceAtomically(target, (temporary) => build(go, temporary, step)),
      );
    },
    () => progress.note(`another checkout is building ${name}; waiting for it`),
  );
}

function isThere(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
