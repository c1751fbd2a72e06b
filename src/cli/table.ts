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

/**
 * The text without control characters of terminals (C0 and C1 controls except line feed): users choose names and
 * messages.
 */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]/gu, "�");
}
