import { readFileSync } from "node:fs";
import { VSWITCH } from "../ovsdb/generated/vswitch.ts";
import { mutate } from "../ovsdb/operation.ts";
import type { OvsView } from "./ovs-view.ts";

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

/** Puts back what differs; other keys are other programs'. Returns what was put back. */
export async function ensureOvsSettings(
  view: OvsView,
  settings: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const root = view.root();
  if (root === undefined) return [];
  const wrong = Object.entries(settings).filter(([key, value]) => root.external_ids[key] !== value);
  if (wrong.length === 0) return [];
  await view.client.transact(VSWITCH.name, [
    mutate(VSWITCH, "Open_vSwitch", root._uuid, [
      ["external_ids", "delete", wrong.map(([key]) => key)],
      ["external_ids", "insert", Object.fromEntries(wrong)],
    ]),
  ]);
  return wrong.map(([key]) => `settings external_ids:${key} of Open_vSwitch`);
}
