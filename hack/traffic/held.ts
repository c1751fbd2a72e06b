// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from "node:url";
import { type LineProgram, startLines } from "./lines.ts";

const SCRIPT = fileURLToPath(new URL("held-worker.ts", import.meta.url));

/**
 * Opens one connection from a network namespace to the server outside, and sends a request twice a second until it is
 * stopped. Each line is the port of the connection, which is unique, and the client's address as the server sees it.
 */
export function heldConnection(netns: string, address: string): Promise<LineProgram> {
  return startLines(netns, SCRIPT, [address]);
}
