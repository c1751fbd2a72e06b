// SPDX-License-Identifier: Apache-2.0

import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CNI_TYPE, CNI_VERSIONS } from "../../api/cni-message.ts";
import { isObject } from "../../collections/plain.ts";

/** Supported by every portmap of recent years. */
const USUAL = CNI_VERSIONS.filter((version) => version <= "1.0.0");

/**
 * The network configuration that makes the container runtime call Weft's shim (CNI SPEC 1.1 "Network configuration
 * format"). Runtimes that support `cniVersions` use the newest version that they implement; older ones use
 * `cniVersion`. `portmap` implements hostPort.
 * @param portmap versions that the node's portmap supports: a version that one plugin of the list does not support
 * fails for every pod.
 */
export function conflist(serverSocket: string, portmap: readonly string[] = USUAL): string {
  const versions = CNI_VERSIONS.filter((version) => portmap.includes(version));
  const configuration = {
    name: CNI_TYPE,
    cniVersion: versions.includes("1.0.0") ? "1.0.0" : (versions.at(-1) ?? "1.0.0"),
    ...(versions.length > 0 && { cniVersions: versions }),
    plugins: [
      { type: CNI_TYPE, server_socket: serverSocket },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
  return `${JSON.stringify(configuration, undefined, 2)}\n`;
}

/** Writes a file unless it has that text already. Returns whether it was written. */
export async function ensureFile(folder: string, name: string, text: string): Promise<boolean> {
  const has = await readFile(join(folder, name), "utf8").catch(() => undefined);
  if (has === text) return false;
  await writeAtomically(folder, name, text);
  return true;
}

/**
 * Removes a file if it is a network configuration whose first plugin is Weft's. Returns whether it was removed;
 * another program's file stays.
 */
export async function removeOwn(folder: string, name: string): Promise<boolean> {
  const path = join(folder, name);
  const text = await readFile(path, "utf8").catch(() => "");
  if (!isOwn(text)) return false;
  await rm(path, { force: true });
  return true;
}

function isOwn(text: string): boolean {
  try {
    const config: unknown = JSON.parse(text);
    const [first]: readonly unknown[] = isObject(config) && Array.isArray(config["plugins"]) ? config["plugins"] : [];
    return isObject(first) && first["type"] === CNI_TYPE;
  } catch {
    return false;
  }
}

/**
 * Writes a file atomically: a reader sees the old or the new content, also after a power failure. Runtimes watch the
 * folder, so the temporary name has a suffix that they ignore.
 */
export async function writeAtomically(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `.${name}.${process.pid}.tmp`);
  try {
    const file = await open(temporary, "w", 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
