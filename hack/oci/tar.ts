// SPDX-License-Identifier: Apache-2.0

import { replaceAtomically } from "../host/cache.ts";
import { run } from "../host/run.ts";

/** What of a folder goes into a layer, and where. */
export interface LayerOptions {
  /** The folder whose content becomes the root of the layer (or of `prefix`). */
  readonly folder: string;
  /** The tar file to write; replaced whole. */
  readonly out: string;
  /** Where in the image the folder's content goes, without a leading slash; the root by default. */
  readonly prefix?: string;
  /** GNU tar patterns, matched against names as `./etc/hosts`. */
  readonly exclude?: readonly string[];
}

/**
 * Writes a folder as an uncompressed layer tar that is the same, byte for byte, whenever the content is: sorted names, owner 0
 * where `folder` has it, times at the epoch, no access times. Hard links, devices, extended attributes and capabilities are kept.
 */
export async function imageArchive(options: LayerOptions): Promise<void> {
  const { folder, prefix } = options;
  await replaceAtomically(options.out, async (temporary) => {
    await run("tar", [
      "--create",
      `--file=${temporary}`,
      `--directory=${folder}`,
      "--sort=name",
      "--format=posix",
      "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
      "--mtime=@0",
      "--numeric-owner",
      "--xattrs",
      "--xattrs-include=security.capability",
      "--one-file-system",
      ...(prefix === undefined ? [] : [`--transform=flags=r;s,^\\./,./${prefix}/,`]),
      ...(options.exclude ?? []).map((pattern) => `--exclude=${pattern}`),
      ".",
    ]);
  });
}

const BLOCK = 512;

/**
 * The ustar header of a regular file (POSIX.1-1988), owner 0, time 0: all that the outer archive of an image needs.
 * `size` in bytes, below 8 GiB; `name` below 100 characters.
 */
export function fileHeader(name: string, size: number): Buffer {
  if (name.length >= 100 || size >= 8 ** 11) throw new RangeError(`no ustar header for ${name} of ${size} bytes`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(0, 12), 136);
  header.write("        ", 148);
  header.write("0ustar\x0000", 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** The zeros after `size` bytes of content up to the next block. */
export function filePadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The end of a tar: two empty blocks. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);
