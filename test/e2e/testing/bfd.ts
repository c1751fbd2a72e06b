// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type LineProgram, startLines } from "../../../hack/traffic/lines.ts";

const SCRIPT = fileURLToPath(new URL("bfd-worker.ts", import.meta.url));

/** Answers BFD in a network namespace until it is stopped, as a router of RFC 5880 does; each line is a new state of a session, as `10.0.0.1 up`. */
export function answerBfd(netns: string): Promise<LineProgram> {
  return startLines(netns, SCRIPT, []);
}

/** Disconnects a network namespace at once, in both directions, as if it had died; `heal` undoes it. */
export async function cut(netns: string): Promise<void> {
  const chain = (hook: string) => `chain ${hook} { type filter hook ${hook} priority raw; policy drop; }\n`;
  const table = `table inet dead {\n${chain("prerouting")}${chain("output")}}`;
  await promisify(execFile)("nsenter", [`--net=${netns}`, "nft", table]);
}

/** Undoes {@link cut}. */
export async function heal(netns: string): Promise<void> {
  await promisify(execFile)("nsenter", [`--net=${netns}`, "nft", "delete table inet dead"]);
}
