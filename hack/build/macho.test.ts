// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { makeStartable, signatureOf } from "./macho.ts";

const PAGE = 4096;
const CODE = 2 * PAGE + 100;

/** A Mach-O file whose last segment, `__LINKEDIT`, has strings, and a signature of all that precedes it. */
function signed(): Buffer {
  const pages = Math.ceil(CODE / PAGE);
  const directory = Buffer.alloc(88 + 32 * pages);
  directory.writeUInt32BE(0xfade0c02);
  directory.writeUInt32BE(directory.length, 4);
  directory.writeUInt32BE(88, 16);
  directory.writeUInt32BE(pages, 28);
  directory.writeUInt32BE(CODE, 32);
  directory.set([32, 2, 0, 12], 36);
  const blob = Buffer.alloc(20 + directory.length);
  for (const [index, value] of [0xfade0cc0, blob.length, 1, 0, 20].entries()) blob.writeUInt32BE(value, 4 * index);
  const file = Buffer.alloc(CODE + blob.length, 7);
  const header = [0xfeedfacf, 0x01000007, 3, 2, 3, 72 + 24 + 16, 0, 0];
  for (const [index, value] of header.entries()) file.writeUInt32LE(value, 4 * index);
  file.fill(0, 32, 32 + 72 + 24 + 16);
  file.writeUInt32LE(0x19, 32);
  file.writeUInt32LE(72, 36);
  file.write("__LINKEDIT", 40);
  for (const [index, value] of [0, file.length, PAGE, file.length - PAGE].entries())
    file.writeBigUInt64LE(BigInt(value), 56 + 8 * index);
  const commands = [...[2, 24, PAGE, 0, PAGE, CODE - PAGE], ...[0x1d, 16, CODE, blob.length]];
  for (const [index, value] of commands.entries()) file.writeUInt32LE(value, 104 + 4 * index);
  for (let page = 0; page < pages; page++) {
    const content = file.subarray(page * PAGE, Math.min((page + 1) * PAGE, CODE));
    createHash("sha256")
      .update(content)
      .digest()
      .copy(directory, 88 + 32 * page);
  }
  directory.copy(blob, 20);
  blob.copy(file, CODE);
  return file;
}

t.test("a signature is valid if each page has the hash that it says", async (t) => {
  t.equal(signatureOf(signed()), "valid");
  for (const changed of [200, PAGE + 1, CODE - 1]) {
    const file = signed();
    file[changed] = 8;
    t.equal(signatureOf(file), "invalid", `byte ${changed}`);
  }
});

t.test("an invalid signature is removed for amd64, and an error for arm64; a valid one stays", async (t) => {
  const path = join(t.testdir(), "weftctl");
  writeFileSync(path, signed());
  for (const arch of ["amd64", "arm64"] as const) await makeStartable(path, arch);
  t.strictSame(readFileSync(path), signed());

  const file = signed();
  file[PAGE] = 8;
  writeFileSync(path, file);
  await t.rejects(makeStartable(path, "arm64"), { code: "unsupported", message: /macOS would not start it/ });
  await makeStartable(path, "amd64");
  const unsigned = readFileSync(path);
  t.equal(signatureOf(unsigned), "none");
  t.strictSame(unsigned.subarray(PAGE), file.subarray(PAGE, CODE), "the rest is as it was");
});
