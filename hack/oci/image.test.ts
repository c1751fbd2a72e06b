// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { test } from "tap";
import { run } from "../host/run.ts";
import { buildImage } from "./image.ts";
import { imageArchive } from "./tar.ts";

const folder = await mkdtemp(join(tmpdir(), "weft-oci-"));
await test("an image archive", async (t) => {
  t.teardown(() => rm(folder, { recursive: true }));
  const root = join(folder, "root");
  await mkdir(join(root, "bin"), { recursive: true });
  await writeFile(join(root, "bin/sh"), "#!", { mode: 0o755 });
  const tar = join(folder, "layer.tar");
  await imageArchive({ folder: root, out: tar });
  const sha = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
  const build = async (out: string, layer: string): Promise<Buffer> => {
    await buildImage({
      name: "weft.local/x:1",
      layers: [{ tar: layer }],
      entrypoint: ["/bin/sh"],
      architecture: "arm64",
      out,
    });
    return await readFile(out);
  };

  await t.test("a folder with the same content gives the same bytes at another time", async (t) => {
    await utimes(join(root, "bin/sh"), 1000, 1000);
    await imageArchive({ folder: root, out: join(folder, "again.tar") });
    t.equal(sha(await readFile(join(folder, "again.tar"))), sha(await readFile(tar)));
  });

  await t.test("a prefix puts the content below it", async (t) => {
    await imageArchive({ folder: root, out: join(folder, "below.tar"), prefix: "opt/x" });
    const { stdout } = await run("tar", ["-tf", join(folder, "below.tar")]);
    t.match(stdout, "./opt/x/bin/sh");
  });

  await t.test("it holds what its index, manifest and config name, and is the same each time", async (t) => {
    const first = await build(join(folder, "a.tar"), tar);
    t.ok(first.equals(await build(join(folder, "b.tar"), tar)));
    const out = join(folder, "a");
    await mkdir(out);
    await run("tar", ["-xf", join(folder, "a.tar"), "-C", out]);
    const blob = async (digest: string): Promise<Buffer> => {
      const content = await readFile(join(out, "blobs", digest.replace(":", "/")));
      t.equal(`sha256:${sha(content)}`, digest);
      return content;
    };
    const index = JSON.parse(await readFile(join(out, "index.json"), "utf8"));
    t.equal(index.manifests[0].annotations["io.containerd.image.name"], "weft.local/x:1");
    const manifest = JSON.parse((await blob(index.manifests[0].digest)).toString());
    const config = JSON.parse((await blob(manifest.config.digest)).toString());
    t.equal(config.architecture, "arm64");
    t.same(config.config.Entrypoint, ["/bin/sh"]);
    t.ok((await blob(manifest.layers[0].digest)).equals(await readFile(tar)));
    t.same(config.rootfs.diff_ids, [manifest.layers[0].digest]);
  });

  for (const [kind, compress] of [["gzip", gzipSync] as const, ["zstd", zstdCompressSync] as const]) {
    await t.test(`a layer in ${kind} is recognised and named by the digest of its content`, async (t) => {
      const packed = join(folder, `layer.${kind}`);
      await writeFile(packed, compress(await readFile(tar)));
      const archive = (await build(join(folder, `${kind}.tar`), packed)).toString("latin1");
      t.match(archive, `application/vnd.oci.image.layer.v1.tar+${kind}`);
      t.match(archive, `"diff_ids":["sha256:${sha(await readFile(tar))}"]`);
    });
  }
});
