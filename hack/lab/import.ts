// SPDX-License-Identifier: Apache-2.0

import { open } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Progress } from "../host/progress.ts";
import { LabError } from "./error.ts";
import type { LabPaths } from "./paths.ts";
import { requireSpace, runInSpace, type Space } from "./space.ts";

/** The images that an archive of `hack/oci` holds: name → digest, as containerd will list them. */
export async function archivedImages(file: string): Promise<ReadonlyMap<string, string>> {
  // index.json is the second entry of this project's archives, within the first blocks; other archives may have
  // another order.
  const archive = await open(file);
  try {
    const { buffer, bytesRead } = await archive.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, 0);
    const start = buffer.subarray(0, bytesRead);
    for (let at = 0; at + 512 <= bytesRead; ) {
      const name = start.toString("latin1", at, at + 100).replace(/\0.*$/s, "");
      const size = Number.parseInt(start.toString("latin1", at + 124, at + 135), 8);
      if (Number.isNaN(size)) break;
      if (name === "index.json") return namesOf(start.toString("utf8", at + 512, at + 512 + size));
      at += 512 + Math.ceil(size / 512) * 512;
    }
    return new Map();
  } finally {
    await archive.close();
  }
}

function namesOf(index: string): ReadonlyMap<string, string> {
  const { manifests } = JSON.parse(index) as {
    readonly manifests: readonly { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> }[];
  };
  return new Map(
    manifests.flatMap(({ digest, annotations }) => {
      const name = annotations?.["io.containerd.image.name"];
      return name === undefined ? [] : [[name, digest] as const];
    }),
  );
}

/** The images of a node: name → digest. */
async function nodeImages(paths: LabPaths, node: Space): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await runInSpace(paths, node, ["ctr", "--namespace=k8s.io", "images", "list"]);
  const rows = stdout
    .split("\n")
    .slice(1)
    .map((line) => line.split(/\s+/));
  return new Map(
    rows.flatMap(([name, , digest]) => (name === undefined || digest === undefined ? [] : [[name, digest] as const])),
  );
}

/** Puts archives into one node, those that it has already left out. Returns how many were new. */
export async function importIntoNode(paths: LabPaths, node: Space, files: readonly string[]): Promise<number> {
  const present = await nodeImages(paths, node);
  let count = 0;
  for (const file of files) {
    const wanted = await archivedImages(file);
    if (wanted.size > 0 && [...wanted].every(([name, digest]) => present.get(name) === digest)) continue;
    await runInSpace(paths, node, ["ctr", "--namespace=k8s.io", "images", "import", resolve(file)]);
    count += 1;
  }
  return count;
}

/** Puts one OCI (or Docker) archive into each of `nodes`, all at once. */
export async function importImage(
  paths: LabPaths,
  nodes: readonly string[],
  file: string,
  progress: Progress,
): Promise<void> {
  await open(file).then(
    (handle) => handle.close(),
    (cause: unknown) => {
      throw new LabError("part-failed", `cannot read the image archive ${file}`, { cause });
    },
  );
  const spaces = nodes.map((node) => requireSpace(paths, node));
  await progress.step(`importing ${basename(file)} into ${nodes.length} nodes`, async (step) => {
    let done = 0;
    await Promise.all(
      spaces.map(async (space) => {
        await importIntoNode(paths, space, [file]);
        done += 1;
        step.update(`${done} of ${nodes.length}`);
      }),
    );
  });
}
