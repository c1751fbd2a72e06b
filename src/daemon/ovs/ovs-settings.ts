// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";

/**
 * What the node's start script (`start-ovs`) has set in `external_ids` of `Open_vSwitch`, by which ovn-controller finds its database, its bridge and the
 * end of its tunnels (ovn-controller(8), "Configuration"); empty where it has not written it down. The script removes the file before it sets other
 * values, and writes it before it sets them.
 * @param text lines `key=value`.
 */
export function parseOvsSettings(text: string): Readonly<Record<string, string>> {
  const entries = text.split("\n").flatMap((line): [string, string][] => {
    const at = line.indexOf("=");
    return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
  });
  return Object.fromEntries(entries);
}

/** Reads them; empty where there is no such file. */
export function readOvsSettings(path: string): Readonly<Record<string, string>> {
  try {
    return parseOvsSettings(readFileSync(path, "utf8"));
  } catch {
    return {};
  }
}
