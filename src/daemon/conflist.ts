import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CNI_TYPE, CNI_VERSIONS } from "../api/cni-message.ts";

/**
 * The network configuration that makes the container runtime call our shim (CNI SPEC 1.1 "Network configuration format").
 * Runtimes that know `cniVersions` take the newest they speak; older ones take `cniVersion`. `portmap` gives hostPort.
 */
export function conflist(serverSocket: string): string {
  const configuration = {
    name: CNI_TYPE,
    cniVersion: "1.0.0",
    cniVersions: CNI_VERSIONS,
    plugins: [
      { type: CNI_TYPE, server_socket: serverSocket },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
  return `${JSON.stringify(configuration, undefined, 2)}\n`;
}

/**
 * Puts a file in place so that a reader sees the old or the new one, never a part, also after a power cut.
 * A runtime watches the folder: the temporary name ends in nothing that it would read.
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
