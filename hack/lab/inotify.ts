// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import type { Progress } from "../host/progress.ts";

const LIMIT = "/proc/sys/fs/inotify/max_user_instances";
/** As kind's documentation advises for several clusters on one machine ("Known issues", too many open files). */
const ENOUGH = 512;

/**
 * Raises the machine's limit of inotify instances, until its next start, if it is lower than several labs need. The kernel counts the instances of all
 * processes of a user together, in all namespaces (inotify(7)), and kubelet ends when it gets none. `path` is for tests.
 */
export async function ensureInotifyInstances(progress: Pick<Progress, "note">, path = LIMIT): Promise<void> {
  const limit = Number(await readFile(path, "utf8"));
  if (limit >= ENOUGH) return;
  await writeFile(path, `${ENOUGH}\n`);
  progress.note(`sysctl fs.inotify.max_user_instances raised from ${limit} to ${ENOUGH}: each kubelet needs several`);
}
