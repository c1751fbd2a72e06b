// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from "node:url";
import { type LineProgram, startLines } from "../../../hack/traffic/lines.ts";

const SCRIPT = fileURLToPath(new URL("bfd-worker.ts", import.meta.url));

/** Answers BFD in a network namespace until it is stopped, as a router of RFC 5880 does; each line is a new state of a session, as `10.0.0.1 up`. */
export function answerBfd(netns: string): Promise<LineProgram> {
  return startLines(netns, SCRIPT, []);
}
