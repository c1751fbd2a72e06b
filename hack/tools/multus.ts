// SPDX-License-Identifier: Apache-2.0

import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { architecture, cacheFolder, replaceAtomically } from "../host/cache.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { buildCommands, type GoModule } from "./go-module.ts";

const MULTUS: GoModule = {
  title: "Multus",
  path: "gopkg.in/k8snetworkplumbingwg/multus-cni.v4",
  version: "v4.2.3",
};

/** A program of Multus: the plugin that needs no daemon ("thin"), and the daemon with the plugin that asks it ("thick"). */
export type MultusProgram = "multus" | "multus-daemon" | "multus-shim";

/**
 * Path of a program of Multus, which the tests of several networks install; built with Go where the cache folder lacks it, in about 2 minutes on two cores.
 * `WEFT_MULTUS` names a `multus` of one's own instead. Rejects with HostError.
 */
export async function ensureMultus(progress: Progress, program: MultusProgram = "multus"): Promise<string> {
  const given = process.env["WEFT_MULTUS"];
  if (given !== undefined && program === "multus") return given;
  const target = join(cacheFolder(), `${program}-${MULTUS.version}-${architecture()}`);
  const advice = "set WEFT_MULTUS to its plugin";
  const wait = (): void => progress.note("another checkout is building Multus; waiting for it");
  await withFileLock(
    `${target}.lock`,
    async () => {
      if (await isThere(target)) return;
      await replaceAtomically(target, (part) => buildCommands(MULTUS, [`cmd/${program}`], part, advice, progress));
    },
    wait,
  );
  return target;
}

async function isThere(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
