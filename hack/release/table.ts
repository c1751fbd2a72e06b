// SPDX-License-Identifier: Apache-2.0

/** One artefact of a release: a file that was made, or why it could not be. */
export type Artefact =
  | { readonly name: string; readonly size: number; readonly sha256: string }
  | { readonly name: string; readonly missing: string };

/** `1.2 MiB`, as `ls -lh` counts. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** The artefacts as a table: name, size and the start of the checksum; at the end those that were not made, and why. */
export function artefactTable(artefacts: readonly Artefact[]): string {
  const width = Math.max(...artefacts.map(({ name }) => name.length));
  const lines = artefacts.map((one) =>
    "missing" in one
      ? `${one.name.padEnd(width)}  ${"-".padStart(10)}  not built: ${one.missing}`
      : `${one.name.padEnd(width)}  ${size(one.size).padStart(10)}  ${one.sha256.slice(0, 12)}`,
  );
  return `${"artefact".padEnd(width)}  ${"size".padStart(10)}  SHA-256\n${lines.join("\n")}\n`;
}

/** The file that `sha256sum --check` reads. */
export function checksums(artefacts: readonly Artefact[]): string {
  return artefacts
    .flatMap((one) => ("missing" in one ? [] : [`${one.sha256}  ${one.name}\n`]))
    .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    .join("");
}
