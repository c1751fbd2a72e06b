// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "tap";
import { buildImage } from "../oci/image.ts";
import { imageArchive } from "../oci/tar.ts";
import { archivedImages } from "./import.ts";

await test("what an image archive holds is known without unpacking it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "weft-import-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "file"), "x");
  await imageArchive({ folder, out: join(tmpdir(), `weft-import-${process.pid}.tar`) });
  const layer = join(tmpdir(), `weft-import-${process.pid}.tar`);
  t.teardown(() => rm(layer));
  const archive = join(folder, "image.tar");
  await buildImage({ name: "weft.local/x:1", layers: [{ tar: layer }], out: archive });

  const images = await archivedImages(archive);
  t.same([...images.keys()], ["weft.local/x:1"]);
  t.match(images.get("weft.local/x:1"), /^sha256:[0-9a-f]{64}$/);
  t.equal((await archivedImages(layer)).size, 0, "another tar holds none that we know of");
  await writeFile(layer, "not a tar");
  t.equal((await archivedImages(layer)).size, 0, "nor does something else");
});
