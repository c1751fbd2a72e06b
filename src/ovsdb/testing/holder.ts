// SPDX-License-Identifier: Apache-2.0

import { openOvsdb } from "../open.ts";

/** A separate process that takes a lock and reports it: `node holder.ts REMOTE DATABASE LOCK`. Tests kill it. */
const [remote = "", database = "", name = ""] = process.argv.slice(2);
const client = openOvsdb({ remotes: [remote], database });
await client.lock(name).whenHeld();
process.stdout.write("held\n");
