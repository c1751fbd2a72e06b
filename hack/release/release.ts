// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "../host/cache.ts";
import type { Progress } from "../host/progress.ts";

/** What is built, from which commit, and where to. */
export interface Release {
  readonly version: string;
  /** The full name of the commit. */
  readonly commit: string;
  /** Of the commit: the only time in an artefact, so that the same commit gives the same bytes. */
  readonly time: Date;
  /** Where users pull the image from, without a tag. */
  readonly repository: string;
  /** Web address of the sources, for the image's labels. */
  readonly source?: string;
  readonly architectures: readonly Architecture[];
  /** Folder of the artefacts. */
  readonly out: string;
  /** Folder for intermediate files. */
  readonly work: string;
  readonly progress: Progress;
}

/** The result of a part of a release: names of files in `out`, and artefacts that could not be made here. */
export interface Made {
  readonly files: readonly string[];
  readonly missing?: readonly { readonly name: string; readonly why: string }[];
}

/** Size in bytes and SHA-256 of a file of the release. */
export async function measureFile(out: string, name: string): Promise<{ name: string; size: number; sha256: string }> {
  const path = join(out, name);
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>)
    hash.update(chunk);
  return { name, size: (await stat(path)).size, sha256: hash.digest("hex") };
}
