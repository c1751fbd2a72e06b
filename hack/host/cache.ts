// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { HostError } from "./error.ts";

/**
 * The folder for expensive files that all checkouts share: `$WEFT_CACHE`, else `$XDG_CACHE_HOME/weft`, else
 * `~/.cache/weft`.
 */
export function cacheFolder(): string {
  const { WEFT_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  return own ?? join(xdg ?? join(homedir(), ".cache"), "weft");
}

/** Go's, Debian's and OCI's name of this machine's architecture. */
export type Architecture = "amd64" | "arm64";

/** This machine's architecture; throws HostError `unsupported` on any that the project does not build for. */
export function architecture(): Architecture {
  if (process.arch === "x64") return "amd64";
  if (process.arch === "arm64") return "arm64";
  throw new HostError("unsupported", `${process.arch} is not supported; the architecture must be one of: x64, arm64`);
}

/** Where `command` is on the PATH (with the administrator's folders, which a user's PATH may lack), or undefined. */
export function findCommand(command: string): string | undefined {
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
    "/usr/local/go/bin",
  ];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, command))
    .find((path) => existsSync(path));
}

/**
 * Creates the file `path` atomically: `write` creates another one beside it, which is then renamed. The remains of a
 * failed `write` are removed.
 */
export async function replaceAtomically(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.part`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true, recursive: true });
  }
}
