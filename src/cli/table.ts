// SPDX-License-Identifier: Apache-2.0

/** Rows under a head, columns as wide as their widest cell, as kubectl prints them. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd();
  return `${[line(head), ...rows.map(line)].join("\n")}\n`;
}

/** The text without characters that a terminal obeys (C0 and C1 controls but line feed): names and messages come from whoever made the objects. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]/gu, "�");
}
