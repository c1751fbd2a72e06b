// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { architecture, cacheFolder, replaceAtomically } from "../host/cache.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { buildCommands, type GoModule, moduleSource } from "./go-module.ts";

const METALLB: GoModule = { title: "MetalLB", path: "go.universe.tf/metallb", version: "v0.15.3" };
const COMMANDS = ["controller", "speaker"] as const;

/** MetalLB of a pinned version. */
export interface Metallb {
  /** Path of its manifest for ARP, neighbour discovery and its own BGP. */
  readonly manifest: string;
  /** Its two programs, with the name that the manifest has for the image of each. */
  readonly programs: readonly { readonly path: string; readonly image: string }[];
}

/** MetalLB, which the tests run beside Weft; built with Go where the cache folder lacks it, in about 4 minutes on two cores. Rejects with HostError. */
export async function ensureMetallb(progress: Progress): Promise<Metallb> {
  const { version } = METALLB;
  const folder = join(cacheFolder(), `metallb-${version}-${architecture()}`);
  const wait = (): void => progress.note("another checkout is building MetalLB; waiting for it");
  await withFileLock(
    `${folder}.lock`,
    async () => {
      if (!existsSync(folder)) await replaceAtomically(folder, (part) => build(part, progress));
    },
    wait,
  );
  return {
    manifest: join(folder, "metallb-native.yaml"),
    programs: COMMANDS.map((name) => ({ path: join(folder, name), image: `quay.io/metallb/${name}:${version}` })),
  };
}

async function build(folder: string, progress: Progress): Promise<void> {
  const advice = "run the tests without those of MetalLB";
  await mkdir(folder);
  await buildCommands(METALLB, COMMANDS, `${folder}/`, advice, progress);
  const source = await moduleSource(METALLB, advice, progress);
  await copyFile(join(source, "config/manifests/metallb-native.yaml"), join(folder, "metallb-native.yaml"));
}
