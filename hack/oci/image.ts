// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { type Architecture, architecture, replaceAtomically } from "../host/cache.ts";
import { fileHeader, filePadding, TAR_END } from "./tar.ts";

/** One layer: the path of a tar, plain or compressed with gzip or zstd (recognised by its first bytes). */
export interface Layer {
  readonly tar: string;
}

/** An image as `FROM scratch` sees it. Layers are laid one over the other in their order. */
export interface ImageOptions {
  /** With registry and tag: `weft.local/busybox:1`. */
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** This machine's by default. */
  readonly architecture?: Architecture;
  /** The archive to write; replaced whole. */
  readonly out: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

interface LayerFile extends Descriptor {
  readonly path: string;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
}

/**
 * Writes an OCI image archive (OCI image layout 1.0 in a tar; image-spec `image-layout.md`) that `ctr images import`,
 * `kind load image-archive`, `podman load` and Docker ≥ 25 take. The same input gives the same bytes.
 */
export async function buildImage(options: ImageOptions): Promise<void> {
  const layers = await Promise.all(options.layers.map((layer) => readLayer(layer.tar)));
  const config = json("application/vnd.oci.image.config.v1+json", {
    created: "1970-01-01T00:00:00Z",
    architecture: options.architecture ?? architecture(),
    os: "linux",
    config: {
      Env: Object.entries({ PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...options.env }).map(
        ([key, value]) => `${key}=${value}`,
      ),
      ...(options.entrypoint === undefined ? {} : { Entrypoint: options.entrypoint }),
      ...(options.cmd === undefined ? {} : { Cmd: options.cmd }),
      ...(options.workingDir === undefined ? {} : { WorkingDir: options.workingDir }),
      ...(options.labels === undefined ? {} : { Labels: options.labels }),
    },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: "1970-01-01T00:00:00Z" })),
  });
  const manifest = json("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: config.descriptor,
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  });
  const index = json("application/vnd.oci.image.index.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      {
        ...manifest.descriptor,
        annotations: {
          // containerd names the image by the first, other tools by the second.
          "io.containerd.image.name": options.name,
          "org.opencontainers.image.ref.name": options.name,
        },
      },
    ],
  });
  await replaceAtomically(options.out, async (temporary) => {
    const file = await open(temporary, "w");
    try {
      await addFile(file, "oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
      await addFile(file, "index.json", index.content);
      const written = new Set<string>();
      for (const layer of layers) {
        if (written.has(layer.digest)) continue;
        written.add(layer.digest);
        await addFile(
          file,
          blobPath(layer.digest),
          createReadStream(layer.path, { highWaterMark: 1 << 20 }),
          layer.size,
        );
      }
      await addFile(file, blobPath(config.descriptor.digest), config.content);
      await addFile(file, blobPath(manifest.descriptor.digest), manifest.content);
      await file.write(TAR_END);
    } finally {
      await file.close();
    }
  });
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function json(mediaType: string, value: unknown): { readonly descriptor: Descriptor; readonly content: Buffer } {
  const content = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  return { descriptor: { mediaType, digest, size: content.length }, content };
}

async function addFile(file: FileHandle, name: string, content: Buffer | Readable, size = 0): Promise<void> {
  const length = content instanceof Buffer ? content.length : size;
  await file.write(fileHeader(name, length));
  if (content instanceof Buffer) await file.write(content);
  else for await (const chunk of content as AsyncIterable<Buffer>) await file.write(chunk);
  await file.write(filePadding(length));
}

async function readLayer(path: string): Promise<LayerFile> {
  const compression = await compressionOf(path);
  const whole = createHash("sha256");
  const plain = compression === undefined ? whole : createHash("sha256");
  let size = 0;
  const source = createReadStream(path, { highWaterMark: 1 << 20 });
  if (compression === undefined) {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      whole.update(chunk);
      size += chunk.length;
    }
  } else {
    source.on("data", (chunk) => {
      whole.update(chunk);
      size += chunk.length;
    });
    await pipeline(
      source,
      compression === "gzip" ? createGunzip() : createZstdDecompress(),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) plain.update(chunk);
      },
    );
  }
  const digest = `sha256:${whole.digest("hex")}`;
  const diffId = compression === undefined ? digest : `sha256:${plain.digest("hex")}`;
  const suffix = compression === undefined ? "" : `+${compression}`;
  return { path, size, digest, diffId, mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}` };
}

async function compressionOf(path: string): Promise<"gzip" | "zstd" | undefined> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    if (buffer.readUInt16BE() === 0x1f8b) return "gzip";
    return buffer.readUInt32LE() === 0xfd2fb528 ? "zstd" : undefined;
  } finally {
    await file.close();
  }
}
