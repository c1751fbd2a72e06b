// SPDX-License-Identifier: Apache-2.0

import { access, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { architecture, cacheFolder, findCommand, replaceAtomically } from "./cache.ts";
import { download, fetchText } from "./download.ts";
import { errorText, HostError } from "./error.ts";
import type { Progress, ProgressStep } from "./progress.ts";
import { run } from "./run.ts";

/** The version that is downloaded if the machine has no suitable Go. */
const GO_VERSION = "1.24.9";
/** From this version on, Go downloads a newer toolchain itself if a module requires one. */
const OLDEST = [1, 21] as const;

/**
 * Path of a `go` command that can build what `purpose` names: the machine's, else one downloaded into the cache folder.
 * Rejects with HostError `command-missing` and what to do: `advice` says what to do other than to install Go.
 */
export async function ensureGo(purpose: string, advice: string, progress: Progress): Promise<string> {
  const own = findCommand("go");
  const version = own === undefined ? undefined : await versionOf(own);
  if (own !== undefined && version !== undefined && isEnough(version)) return own;
  const folder = join(cacheFolder(), `go-${GO_VERSION}-${architecture()}`);
  const go = join(folder, "go/bin/go");
  const present = await access(go).then(
    () => true,
    () => false,
  );
  if (present) return go;
  try {
    await progress.step(`downloading Go ${GO_VERSION}`, async (step) => {
      const url = `https://dl.google.com/go/go${GO_VERSION}.linux-${architecture()}.tar.gz`;
      const sum = (await fetchText(`${url}.sha256`)).trim().slice(0, 64);
      await replaceAtomically(folder, async (temporary) => {
        await mkdir(temporary, { recursive: true });
        const archive = join(temporary, "go.tar.gz");
        await download(url, archive, sum, (text) => step.update(text));
        await run("tar", ["-xzf", archive, "-C", temporary]);
        await rm(archive);
      });
    });
    return go;
  } catch (cause) {
    const found = version === undefined ? "there is no Go" : `the machine's Go is too old (${version})`;
    const message = `${found} to build ${purpose} with, and none could be downloaded (${errorText(cause)}). Install Go 1.24 or newer (Debian 12's own is too old), or ${advice}`;
    throw new HostError("command-missing", message, { cause });
  }
}

/**
 * Shows on `step` what `go build -v` and `go install -v` print: modules as they are downloaded, then how many packages
 * are compiled. Without `-v` Go prints nothing while it compiles, for minutes.
 */
export function showGoOutput(step: ProgressStep): (line: string) => void {
  let compiled = 0;
  return (line) => {
    const text = line.startsWith("go: ") ? line.slice("go: ".length) : `compiled ${++compiled}, ${line}`;
    step.update(text.slice(0, 80));
  };
}

async function versionOf(go: string): Promise<string | undefined> {
  const { stdout } = await run(go, ["env", "GOVERSION"], { allowFailure: true, cwd: "/" });
  return /^go(\d+\.\d+\S*)/.exec(stdout)?.[1];
}

function isEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}
