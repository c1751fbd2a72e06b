// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import process from "node:process";
import { discardPages } from "./libc.ts";

/** A part of the process' address space, in bytes. */
export interface Mapping {
  readonly address: number;
  readonly length: number;
}

/** The first line of a mapping in /proc/PID/smaps: addresses, permissions, offset, device, inode, file (proc_pid_maps(5)). */
const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+\s+(.*)$/;

/**
 * The read-only mappings of `file` in a text of /proc/PID/smaps whose pages are identical to the file. Those with anonymous pages are left
 * out: the loader has written to them (relocations) before it made them read-only.
 */
export function cleanMappings(smaps: string, file: string): readonly Mapping[] {
  const clean: Mapping[] = [];
  let current: Mapping | undefined;
  for (const line of smaps.split("\n")) {
    const [, from = "", to = "", permissions = "", name] = HEADER.exec(line) ?? [];
    if (name !== undefined) {
      const address = Number.parseInt(from, 16);
      const length = Number.parseInt(to, 16) - address;
      current = name === file && !permissions.includes("w") ? { address, length } : undefined;
    } else if (current !== undefined && line.startsWith("Anonymous:") && /\s0 kB$/.test(line)) {
      clean.push(current);
    }
  }
  return clean;
}

/**
 * Unmaps the resident pages of the node program. Code and data that V8 and Node.js use only at start take about 18
 * MiB, which would stay resident while the process runs. Pages that are needed again are read from the page cache by
 * minor faults; the others no longer belong to the process, and the kernel can reclaim their memory without finding
 * out that they are idle.
 *
 * Call it when start-up is complete. Best effort: returns the number of bytes that were unmapped, resident or not; 0
 * if the kernel refuses.
 */
export function releaseStartupPages(): number {
  let bytes = 0;
  try {
    for (const { address, length } of cleanMappings(readFileSync("/proc/self/smaps", "utf8"), process.execPath)) {
      discardPages(address, length);
      bytes += length;
    }
  } catch {
    // Harmless: the process only stays larger than necessary.
  }
  return bytes;
}
