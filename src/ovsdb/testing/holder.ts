// SPDX-License-Identifier: Apache-2.0

import { openOvsdb } from "../open.ts";

/** A process of its own that takes a lock and says so: `node holder.ts REMOTE DATABASE LOCK`. It is there to be killed. */
const [remote = "", database = "", name = ""] = process.argv.slice(2);
const client = openOvsdb({ remotes: [remote], database });
await client.lock(name).whenHeld();
process.stdout.write("held\n");
