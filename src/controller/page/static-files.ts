// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, posix, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

/** The kinds of files of the browser program; others are not served. */
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
};

/** Larger folders are no browser program. */
const MAX_FILES = 500;
const MAX_BYTES = 32 * 2 ** 20;
/** Smaller files are not compressed. */
const WORTH_IT = 1_024;

/** One file, as it is sent. */
export interface StaticFile {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer;
  readonly brotli?: Buffer;
  readonly gzip?: Buffer;
  /** Its name has a digest of its content, so that browsers need not ask again. */
  readonly immutable: boolean;
}

/**
 * The files of a folder by their paths in it, `assets/main.js`, read and compressed once: no request reads the disk, so none can name a file elsewhere. Rejects where the folder cannot be read or is
 * larger than a browser program is.
 */
export async function staticFiles(folder: string): Promise<ReadonlyMap<string, StaticFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = new Map<string, StaticFile>();
  let total = 0;
  for (const entry of entries) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    total += bytes.length;
    if (files.size >= MAX_FILES || total > MAX_BYTES)
      throw new Error(`${folder} has more than ${MAX_FILES} files or ${MAX_BYTES} bytes: it is not the page's folder`);
    const name = path
      .slice(folder.length)
      .replace(/^[\\/]+/, "")
      .split(sep)
      .join(posix.sep);
    files.set(name, await prepared(name, type, bytes));
  }
  return files;
}

async function prepared(name: string, type: string, bytes: Buffer): Promise<StaticFile> {
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  const file = {
    type,
    etag,
    bytes,
    immutable: /[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(name) && !name.endsWith(".html"),
  };
  if (bytes.length < WORTH_IT || /image\/png|font\//.test(type)) return file;
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
  const [brotli, zipped] = await Promise.all([promisify(brotliCompress)(bytes, quality), promisify(gzip)(bytes)]);
  return { ...file, brotli, gzip: zipped };
}

/** The form of a file for a client's `Accept-Encoding`. */
export function encoded(
  { bytes, brotli, gzip: zipped }: StaticFile,
  accepted: string | undefined,
): { readonly body: Buffer; readonly encoding?: "br" | "gzip" } {
  const has = (name: string): boolean =>
    new RegExp(`(?:^|[ ,])${name}(?:$|[ ,;])(?!q=0(?:$|[ ,]))`).test(accepted ?? "");
  if (brotli !== undefined && has("br")) return { body: brotli, encoding: "br" };
  if (zipped !== undefined && has("gzip")) return { body: zipped, encoding: "gzip" };
  return { body: bytes };
}
