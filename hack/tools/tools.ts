// SPDX-License-Identifier: Apache-2.0

import { access, constants, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { architecture, cacheFolder } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { ensureGo, showGoOutput } from "../host/go.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";

/** Tools that are Go programs and in no Debian release: the binary → its package and pinned version. */
const TOOLS = {
  helm: "helm.sh/helm/v3/cmd/helm@v3.22.0",
  coredns: "github.com/coredns/coredns@v1.12.4",
} as const;

/** A tool that the lab needs and no package has. */
export type Tool = keyof typeof TOOLS;

/** Where a tool is or will be: in the folder `WEFT_TOOLS_BIN` if it is set, else in one that all checkouts share. */
export function toolPath(name: Tool): string {
  return join(process.env["WEFT_TOOLS_BIN"] ?? join(cacheFolder(), `tools-${architecture()}`), name);
}

/** Which tools `ensureTool` would have to build. */
export async function missingTools(): Promise<readonly Tool[]> {
  const names = Object.keys(TOOLS) as Tool[];
  const there = await Promise.all(names.map((name) => isThere(toolPath(name))));
  return names.filter((_, index) => there[index] !== true);
}

/**
 * The path of a tool, built with Go first where it is absent: with less of the processors than what else is built, as nothing waits for a tool as
 * long as there is Kubernetes to build. Rejects with HostError.
 */
export async function ensureTool(name: Tool, progress: Progress): Promise<string> {
  const path = toolPath(name);
  if (await isThere(path)) return path;
  const given = process.env["WEFT_TOOLS_BIN"];
  if (given !== undefined) throw new HostError("unsupported", `WEFT_TOOLS_BIN=${given} lacks ${name}`);
  const wait = (): void => progress.note(`${name} is being built; waiting for it`);
  await withFileLock(
    `${path}.lock`,
    async () => {
      if (!(await isThere(path))) await build(name, path, progress);
    },
    wait,
  );
  return path;
}

function isThere(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function build(name: Tool, path: string, progress: Progress): Promise<void> {
  const go = await ensureGo(name, "set WEFT_TOOLS_BIN to a folder that holds helm and coredns", progress);
  const target = `${path}.${process.pid}.part`;
  await progress.step(`building ${name} with Go (once for all checkouts)`, async (step) => {
    try {
      const env = { GOBIN: target, CGO_ENABLED: "0" };
      const args = ["-n", "5", go, "install", "-v", "-trimpath", "-ldflags", "-s -w", TOOLS[name]];
      await run("nice", args, { env, onLine: showGoOutput(step) });
      await rename(join(target, name), path);
    } finally {
      await rm(target, { recursive: true, force: true });
    }
  });
}
