// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { access, chmod, constants, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { InstallError } from "./error.ts";
import { HELM_SHA256, HELM_VERSION, helmPlatform } from "./helm-pin.ts";
import { type CommandResult, runProgram } from "./run.ts";

/** How helm is found. */
export interface HelmChoice {
  /** `--helm`: this one, and no other. */
  readonly given?: string | undefined;
  /** Whether a helm may be downloaded; called only if there is none. */
  readonly confirm: (question: string) => Promise<boolean>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where releases of helm are; default https://get.helm.sh. */
  readonly source?: string;
  /** Of the archive; default: that of {@link HELM_VERSION} for this machine. */
  readonly sha256?: string | undefined;
}

/** `--take-ownership` came with 3.17. */
const OLDEST = [3, 17] as const;
const DOWNLOAD_MS = 300_000;

/**
 * Finds a suitable helm: the given one, the one on the PATH, the one downloaded earlier; or downloads the pinned
 * release into the user's cache folder, if `confirm` agrees and its SHA-256 is right. Rejects with InstallError
 * `no-helm`, which says what to do.
 */
export async function findHelm(choice: HelmChoice): Promise<string> {
  const env = choice.env ?? process.env;
  const { given } = choice;
  if (given !== undefined) return await checked(given, `--helm ${given}`);
  const onPath = await executable((env["PATH"] ?? "").split(delimiter).map((folder) => join(folder || ".", "helm")));
  if (onPath !== undefined) return await checked(onPath, onPath);
  const kept = join(cacheFolder(env), `helm-${HELM_VERSION}`);
  if ((await executable([kept])) !== undefined) return kept;
  const platform = helmPlatform();
  const sha256 = choice.sha256 ?? HELM_SHA256[platform];
  const url = `${choice.source ?? "https://get.helm.sh"}/helm-${HELM_VERSION}-${platform}.tar.gz`;
  if (sha256 === undefined) {
    throw new InstallError("no-helm", `there is no helm on the PATH; install helm 3.17 or newer, or pass --helm PATH`);
  }
  const question = `There is no helm on the PATH. Download ${url} (checked by its SHA-256) to ${kept}?`;
  if (!(await choice.confirm(question))) {
    throw new InstallError(
      "no-helm",
      "there is no helm on the PATH; install helm 3.17 or newer, pass --helm PATH, or allow the download with --yes",
    );
  }
  await download(url, sha256, kept);
  return await checked(kept, kept);
}

function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["XDG_CACHE_HOME"] ?? join(env["HOME"] ?? homedir(), ".cache"), "weftctl");
}

async function executable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const works = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (works) return path;
  }
  return undefined;
}

/** The same path, if it is a helm that is new enough. */
async function checked(path: string, name: string): Promise<string> {
  let result: CommandResult;
  try {
    result = await runProgram(path, ["version", "--template={{.Version}}"]);
  } catch (cause) {
    throw new InstallError("no-helm", `failed to run ${name}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  const [, major, minor] = /^v(\d+)\.(\d+)\b/.exec(result.stdout.trim()) ?? [];
  if (result.code !== 0 || major === undefined || minor === undefined) {
    throw new InstallError("no-helm", `${name} does not answer "helm version"`);
  }
  if (Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])) {
    throw new InstallError("no-helm", `${name} is ${result.stdout.trim()}; ${OLDEST.join(".")} or newer is needed`);
  }
  return path;
}

/** Downloads an archive of helm and puts the program at `target`. */
async function download(url: string, sha256: string, target: string): Promise<void> {
  const bytes = await fetched(url);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sha256) {
    throw new InstallError("no-helm", `${url} has SHA-256 ${found} instead of ${sha256}; it was not kept`);
  }
  await mkdir(dirname(target), { recursive: true });
  const work = await mkdtemp(`${target}.`);
  try {
    const archive = join(work, "helm.tar.gz");
    await writeFile(archive, bytes);
    const name = `${helmPlatform()}/helm`;
    const { code, stderr } = await runProgram("tar", ["-xzf", archive, "-C", work, name]);
    if (code !== 0) throw new InstallError("no-helm", `failed to unpack ${url}: ${stderr.trim()}`);
    await chmod(join(work, name), 0o755);
    await rename(join(work, name), target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fetched(url: string): Promise<Uint8Array> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  } catch (cause) {
    throw new InstallError("no-helm", `${url}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
