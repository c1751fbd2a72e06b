// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { openOvsdb } from "../open.ts";
import { insert } from "../operation.ts";
import { TEST } from "./schema.ts";

/**
 * A separate process that writes rows while it holds a lock, and whenever it holds it again: `node writer.ts REMOTE
 * LOCK`. It reports each state of the lock. Tests suspend it.
 */
const [remote = "", name = ""] = process.argv.slice(2);
const client = openOvsdb({ remotes: [remote], database: TEST.name });
const lock = client.lock(name);
lock.onChange((state) => process.stdout.write(`${state}\n`));
for (let row = 0; ; row++) {
  await lock.whenHeld();
  const write = [insert(TEST, "Group", undefined, { name: `held-${row}` })];
  // A refused row is not written: the next round continues.
  await client.transact(TEST.name, write, { assertLock: name }).catch(() => undefined);
  await delay(2);
}
