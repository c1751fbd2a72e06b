// SPDX-License-Identifier: Apache-2.0

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { run } from "../host/run.ts";
import { buildImage } from "../oci/image.ts";
import { imageArchive } from "../oci/tar.ts";
import { thinArchive } from "./archive-without-blobs.ts";

const work = await mkdtemp(join(tmpdir(), "weft-thin-"));
t.teardown(() => rm(work, { recursive: true }));

async function layer(name: string, bytes: number): Promise<{ tar: string; digest: string }> {
  const folder = join(work, name);
  await mkdir(folder);
  await writeFile(join(folder, name), Buffer.alloc(bytes, name));
  const tar = join(work, `${name}.tar`);
  await imageArchive({ folder, out: tar });
  const { stdout } = await run("sha256sum", [tar]);
  return { tar, digest: stdout.slice(0, 64) };
}

const entries = async (file: string): Promise<string[]> =>
  (await run("tar", ["--list", `--file=${file}`])).stdout.trim().split("\n");

await t.test("a thin archive lacks what is present, and holds all else unchanged and in order", async (t) => {
  // Sizes on both sides of a block's and of a read's border.
  const layers = [await layer("a", 1), await layer("b", 512), await layer("c", 3_000_001)];
  const archive = join(work, "whole.tar");
  await buildImage({ name: "weft.local/test:1", layers, out: archive });
  const thin = join(work, "thin.tar");
  await thinArchive(archive, new Set([`sha256:${layers[1]?.digest}`, `sha256:${"0".repeat(64)}`]), thin);
  const whole = await entries(archive);
  t.strictSame(
    await entries(thin),
    whole.filter((name) => name !== `blobs/sha256/${layers[1]?.digest}`),
  );
  const last = `blobs/sha256/${layers[2]?.digest}`;
  const { stdout } = await run("sh", ["-c", `tar --extract --to-stdout --file=${thin} ${last} | sha256sum`]);
  t.equal(stdout.slice(0, 64), layers[2]?.digest);
});

await t.test("with nothing present the copy is the archive itself", async (t) => {
  const archive = join(work, "whole.tar");
  const thin = join(work, "same.tar");
  await thinArchive(archive, new Set(), thin);
  const sums = await run("sha256sum", [archive, thin]);
  t.equal(
    new Set(
      sums.stdout
        .trim()
        .split("\n")
        .map((line) => line.slice(0, 64)),
    ).size,
    1,
  );
});
