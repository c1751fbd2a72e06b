// SPDX-License-Identifier: Apache-2.0

import { open } from "node:fs/promises";
import { replaceAtomically } from "../host/cache.ts";

const BLOCK = 512;

/**
 * Copies an archive of `hack/oci` without the blobs in `present` (digests as `sha256:…`). A containerd that already
 * has those accepts the rest as the whole image, and need not write and hash half a gigabyte again for a change of a
 * few kilobytes.
 */
export async function thinArchive(archive: string, present: ReadonlySet<string>, out: string): Promise<void> {
  await replaceAtomically(out, async (temporary) => {
    await using from = await open(archive);
    await using to = await open(temporary, "w");
    const header = Buffer.alloc(BLOCK);
    for (let at = 0; (await from.read(header, 0, BLOCK, at)).bytesRead === BLOCK && header[0] !== 0; ) {
      const name = header.toString("latin1", 0, 100).replace(/\0.*$/s, "");
      const size = BLOCK + Math.ceil(Number.parseInt(header.toString("latin1", 124, 135), 8) / BLOCK) * BLOCK;
      const digest = /^blobs\/(\w+)\/(\w+)$/.exec(name);
      if (digest === null || !present.has(`${digest[1]}:${digest[2]}`)) {
        for await (const chunk of from.createReadStream({
          start: at,
          end: at + size - 1,
          autoClose: false,
          highWaterMark: 1 << 20,
        })) {
          await to.write(chunk as Buffer);
        }
      }
      at += size;
    }
    await to.write(Buffer.alloc(2 * BLOCK));
  });
}
