// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t from "tap";
import { withFileLock, withFreeFileLock } from "./lock.ts";

t.test("a lock that is held is refused with the message, and a free one is taken", async (t) => {
  const path = join(t.testdir(), "folder", "lock");
  const taken = (): Promise<string> => withFreeFileLock(path, "it is in use", async () => "done");
  const outcome = await withFileLock(path, () => taken().catch((error: unknown) => error));
  t.match(outcome, { code: "in-use", message: "it is in use" });
  t.equal(await taken(), "done");
});

t.test("the next one waits for a lock that is held", async (t) => {
  const path = join(t.testdir(), "lock");
  const order: string[] = [];
  let next: Promise<unknown> = Promise.resolve();
  await withFileLock(path, async () => {
    const waits = new Promise<void>((resolve) => {
      next = withFileLock(path, async () => void order.push("second"), resolve);
    });
    await waits;
    order.push("first");
  });
  await next;
  t.same(order, ["first", "second"]);
});

t.test("an error of the action ends the lock", async (t) => {
  const path = join(t.testdir(), "lock");
  await t.rejects(
    withFileLock(path, () => Promise.reject(new Error("failed"))),
    { message: "failed" },
  );
  t.equal(await withFreeFileLock(path, "it is in use", async () => 1), 1);
});
