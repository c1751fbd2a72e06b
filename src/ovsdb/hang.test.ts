// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t from "tap";
import { openOvsdb } from "./open.ts";
import { insert, select } from "./operation.ts";
import { selectedRows } from "./result.ts";
import { findOvsTools, type OvsTools } from "./testing/ovs-tools.ts";
import { TEST } from "./testing/schema.ts";
import { TestFolder } from "./testing/server.ts";
import { until } from "./testing/until.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

t.test(
  "the lock of a process that hangs goes to the next client, and when it continues it writes nothing",
  { skip },
  async (t) => {
    const folder = await TestFolder.make(tools as OvsTools);
    t.teardown(() => folder.close());
    const server = await folder.standalone(TEST, [], 1_000);
    const script = join(import.meta.dirname, "testing/writer.ts");
    const writer = spawn(process.execPath, [script, server.remote, "l"], { stdio: ["ignore", "pipe", "inherit"] });
    t.teardown(() => writer.kill("SIGKILL"));
    const states = createInterface(writer.stdout)[Symbol.asyncIterator]();
    t.equal((await states.next()).value, "held");

    const standby = openOvsdb({ remotes: [server.remote], database: TEST.name });
    t.teardown(() => standby.close());
    const lock = standby.lock("l");
    await standby.whenConnected();
    const mirror = standby.monitor(TEST, { Group: ["name"] });
    await until(
      (check) => mirror.subscribe(check),
      () => mirror.size("Group") > 0,
      "the writer's first row",
    );
    const names = async (): Promise<readonly string[]> => {
      const [result] = await standby.transact(TEST.name, [select(TEST, "Group", [], ["name"])]);
      return selectedRows(TEST, "Group", result).map(({ name = "" }) => name);
    };

    writer.kill("SIGSTOP");
    t.equal(lock.state, "waiting");
    await lock.whenHeld();
    await standby.transact(TEST.name, [insert(TEST, "Group", undefined, { name: "standby" })], { assertLock: "l" });
    const before = (await names()).toSorted();

    writer.kill("SIGCONT");
    t.equal((await states.next()).value, "lost", "it detects the loss before anything else happens");
    t.same((await names()).toSorted(), before, "it has written nothing");

    await lock.release();
    t.equal((await states.next()).value, "held", "it is the next in the queue");
    const exited = once(writer, "exit");
    writer.kill("SIGKILL");
    await exited;
  },
);
