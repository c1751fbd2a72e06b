// SPDX-License-Identifier: Apache-2.0

import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { architecture, cacheFolder, replaceAtomically } from "../host/cache.ts";
import { ensureGo, showGoOutput } from "../host/go.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { buildFlags, KUBERNETES_VERSION } from "./binaries.ts";

const E2E = "k8s.io/kubernetes/test/e2e";

/**
 * Path of `e2e.test`, Kubernetes' end-to-end tests of the release that the lab runs; built with Go where the cache folder lacks it.
 * `WEFT_E2E_TEST` names one of one's own instead. Rejects with HostError.
 */
export async function ensureE2eTest(progress: Progress): Promise<string> {
  const given = process.env["WEFT_E2E_TEST"];
  if (given !== undefined && given !== "") return given;
  const target = join(cacheFolder(), "kube", `e2e.test-${KUBERNETES_VERSION}-${architecture()}`);
  const wait = (): void => progress.note("another checkout is building e2e.test; waiting for it");
  await withFileLock(
    `${target}.lock`,
    async () => {
      if (!(await isThere(target))) await build(target, progress);
    },
    wait,
  );
  return target;
}

function isThere(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function build(target: string, progress: Progress): Promise<void> {
  const go = await ensureGo("the end-to-end tests of Kubernetes", "set WEFT_E2E_TEST to its e2e.test", progress);
  progress.note("building Kubernetes' e2e.test with Go: about 10 minutes on two cores, once for all checkouts");
  await progress.step("building e2e.test", (step) =>
    replaceAtomically(target, async (temporary) => {
      const options = { cwd: import.meta.dirname, env: { CGO_ENABLED: "0" }, onLine: showGoOutput(step) };
      // Compiled by `go build` first, for its progress: `go test -c` has no flag that prints packages.
      await run(go, ["build", "-v", ...buildFlags, E2E], options);
      await run(go, ["test", "-c", "-vet=off", ...buildFlags, "-o", temporary, E2E], options);
    }),
  );
}
