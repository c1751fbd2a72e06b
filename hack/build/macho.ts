// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { unsign } from "macho-unsign";
import type { Architecture } from "../host/cache.ts";
import { HostError } from "../host/error.ts";

// loader.h and cs_blobs.h of Apple's xnu. The numbers of a signature are big-endian, all others are the machine's.
const HEADER_BYTES = 32;
const LC_CODE_SIGNATURE = 0x1d;
const CODE_DIRECTORY = 0xfade0c02;
const SHA256 = 2;

/** Whether the code signature of a 64-bit Mach-O file fits its content: each page up to the signature has the hash that the signature says. */
export function signatureOf(file: Buffer): "none" | "valid" | "invalid" {
  const start = signatureStart(file);
  if (start === undefined) return "none";
  const blobs = file.readUInt32BE(start + 8);
  for (let index = 0; index < blobs; index++) {
    const at = start + file.readUInt32BE(start + 16 + 8 * index);
    if (file.readUInt32BE(at) === CODE_DIRECTORY) return hasHashes(file, at, start) ? "valid" : "invalid";
  }
  return "invalid";
}

/**
 * Makes an executable of bun for macOS startable. bun changes its runtime after that was signed, and signs again for
 * arm64 only (https://github.com/oven-sh/bun/issues/39758): macOS kills a process whose signature does not match. On
 * amd64 it needs none, so an invalid one is removed. Rejects with HostError `unsupported` if that of arm64, which
 * needs one, is invalid.
 */
export async function makeStartable(path: string, arch: Architecture): Promise<void> {
  const file = await readFile(path);
  if (signatureOf(file) === "valid") return;
  const unsigned = arch === "amd64" ? unsign(new Uint8Array(file).buffer) : null;
  if (unsigned === null) throw new HostError("unsupported", `${path} has no valid signature: macOS would not start it`);
  await writeFile(path, Buffer.from(unsigned));
}

function signatureStart(file: Buffer): number | undefined {
  let command = HEADER_BYTES;
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    if (file.readUInt32LE(command) === LC_CODE_SIGNATURE) return file.readUInt32LE(command + 8);
    command += file.readUInt32LE(command + 4);
  }
  return undefined;
}

function hasHashes(file: Buffer, directory: number, end: number): boolean {
  const number = (field: number): number => file.readUInt32BE(directory + field);
  const [hashes, pages, limit] = [directory + number(16), number(28), number(32)];
  const [size, type, pageBytes] = [file[directory + 36] ?? 0, file[directory + 37], 2 ** (file[directory + 39] ?? 0)];
  if (type !== SHA256 || limit !== end || pages !== Math.ceil(limit / pageBytes)) return false;
  return Array.from({ length: pages }, (_, page) => page).every((page) => {
    const content = file.subarray(page * pageBytes, Math.min((page + 1) * pageBytes, limit));
    const hash = createHash("sha256").update(content).digest().subarray(0, size);
    return hash.equals(file.subarray(hashes + page * size, hashes + (page + 1) * size));
  });
}
