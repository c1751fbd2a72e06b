import { access, constants, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { architecture, cacheFolder } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { ensureGo } from "../host/go.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";

/** Tools that are Go programs and in no Debian release: the binary → its package and pinned version. */
const TOOLS: Readonly<Record<string, string>> = {
  helm: "helm.sh/helm/v3/cmd/helm@v3.22.0",
  coredns: "github.com/coredns/coredns@v1.12.4",
};

/**
 * The folder with helm and coredns, shared by all checkouts (`tools-ARCH` in the cache folder); what is missing is built with Go
 * first. `WEFT_TOOLS_BIN` names a folder of one's own instead.
 */
export async function ensureTools(progress: Progress): Promise<string> {
  const given = process.env["WEFT_TOOLS_BIN"];
  const folder = given ?? join(cacheFolder(), `tools-${architecture()}`);
  const missing = await missingIn(folder);
  if (missing.length === 0) return folder;
  if (given !== undefined) throw new HostError("unsupported", `WEFT_TOOLS_BIN=${given} lacks ${missing.join(", ")}`);
  const wait = (): void => progress.note("another checkout is building helm and coredns; waiting for it");
  await withFileLock(`${folder}.lock`, () => build(folder, progress), wait);
  return folder;
}

async function missingIn(folder: string): Promise<readonly string[]> {
  const names = Object.keys(TOOLS);
  const found = await Promise.all(
    names.map((name) =>
      access(join(folder, name), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return names.filter((_, index) => found[index] !== true);
}

async function build(folder: string, progress: Progress): Promise<void> {
  const missing = await missingIn(folder);
  const go = await ensureGo(missing.join(" and "), "set WEFT_TOOLS_BIN to a folder that holds them", progress);
  progress.note(`building ${missing.join(" and ")} with Go: about 3 minutes on two cores, once for all checkouts`);
  await progress.step("building tools", async (step) => {
    for (const [index, name] of missing.entries()) {
      step.update(`${index + 1} of ${missing.length}, ${name}`);
      const target = join(folder, `.part-${process.pid}`);
      const env = { GOBIN: target, CGO_ENABLED: "0" };
      await run(go, ["install", "-trimpath", "-ldflags", "-s -w", TOOLS[name] ?? name], { env });
      await rename(join(target, name), join(folder, name));
      await rm(target, { recursive: true });
    }
  });
}
