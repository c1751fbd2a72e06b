// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";

/**
 * The settings that the node's start script (`start-ovs`) has made in `external_ids` of `Open_vSwitch`, by which
 * ovn-controller finds its database, its bridge and its tunnel address (ovn-controller(8), "Configuration"); empty if
 * it has not recorded them. The script removes the file before it changes the settings, and writes the new file
 * before it applies them.
 * @param text lines `key=value`.
 */
export function parseOvsSettings(text: string): Readonly<Record<string, string>> {
  const entries = text.split("\n").flatMap((line): [string, string][] => {
    const at = line.indexOf("=");
    return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
  });
  return Object.fromEntries(entries);
}

/** Reads the file; empty if it does not exist. */
export function readOvsSettings(path: string): Readonly<Record<string, string>> {
  try {
    return parseOvsSettings(readFileSync(path, "utf8"));
  } catch {
    return {};
  }
}
