// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { openOvsdb } from "../open.ts";
import { insert } from "../operation.ts";
import { TEST } from "./schema.ts";

/**
 * A process of its own that writes rows for as long as it holds a lock, and whenever it holds it again: `node writer.ts REMOTE LOCK`. It says each state of
 * the lock. It is there to be stopped in its tracks.
 */
const [remote = "", name = ""] = process.argv.slice(2);
const client = openOvsdb({ remotes: [remote], database: TEST.name });
const lock = client.lock(name);
lock.onChange((state) => process.stdout.write(`${state}\n`));
for (let row = 0; ; row++) {
  await lock.whenHeld();
  const write = [insert(TEST, "Group", undefined, { name: `held-${row}` })];
  // What is refused is not written: the next round goes on.
  await client.transact(TEST.name, write, { assertLock: name }).catch(() => undefined);
  await delay(2);
}
