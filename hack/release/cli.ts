// SPDX-License-Identifier: Apache-2.0

import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCli, cliPath, PLATFORMS, type Platform } from "../build/cli.ts";
import { HostError } from "../host/error.ts";
import type { Made, Release } from "./release.ts";

/** Name of `weftctl` for a platform among a release's files. */
export function cliFile(platform: Platform): string {
  return `weftctl-${platform}`;
}

/** `weftctl` for each platform; what this machine cannot build is `missing`. */
export async function makeCli({ out, progress }: Release): Promise<Made> {
  const files: string[] = [];
  const missing: { name: string; why: string }[] = [];
  for (const platform of PLATFORMS) {
    const name = cliFile(platform);
    try {
      await buildCli([platform], progress);
      await copyFile(cliPath(platform), join(out, name));
      files.push(name);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      missing.push({ name, why: error.message });
    }
  }
  return { files, missing };
}
