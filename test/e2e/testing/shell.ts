// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { createProgress } from "../../../hack/host/progress.ts";
import { inSandbox } from "../../../hack/image/sandbox.ts";

const progress = createProgress();

/** Shell function `until_true SECONDS COMMAND…`: waits until a command succeeds, for conditions without an event. */
export const UNTIL_TRUE = `until_true() { local end=$(($(date +%s%N) + $1 * 1000000000)); shift; until "$@" >/dev/null 2>&1; do [ $(date +%s%N) -lt $end ] || { echo "never: $*"; return 1; }; sleep 0.1; done; }`;

/** Runs a script with the image's files and returns its output. Its standard error becomes a comment of the test. */
export async function runInImage(t: Test, script: string): Promise<string> {
  const { stdout, stderr, code } = await inSandbox(`${UNTIL_TRUE}\n${script}`, progress);
  t.comment(stdout);
  if (code !== 0 || stderr !== "") t.comment(stderr);
  return stdout;
}
