// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import type { Lock, LockState } from "./lock.ts";
import { insert } from "./operation.ts";
import { type FakeOvsdb, fakeOvsdb } from "./testing/fake.ts";
import { TEST } from "./testing/schema.ts";
import { until } from "./testing/until.ts";

const ONE = [insert(TEST, "Group", undefined, { name: "g" })];

function setUp(t: Test): FakeOvsdb {
  const server = fakeOvsdb(TEST);
  t.teardown(() => server.close());
  return server;
}

function history(lock: Lock): LockState[] {
  const states: LockState[] = [];
  lock.onChange((state) => states.push(state));
  return states;
}

const becomes = (lock: Lock, state: LockState): Promise<void> =>
  until(
    (check) => lock.onChange(check),
    () => lock.state === state,
    `${lock.name} ${state}`,
  );

t.test("a lock goes from its holder to the next client in the queue", async (t) => {
  const server = setUp(t);
  const [one, two] = [server.connect(), server.connect()];
  const first = one.lock("l");
  await first.whenHeld();
  const second = two.lock("l");
  await two.whenConnected();
  await t.rejects(two.transact(TEST.name, ONE, { assertLock: "l" }), { code: "not owner" });
  await one.transact(TEST.name, ONE, { assertLock: "l" });
  t.equal(second.state, "waiting");
  await first.release();
  await second.whenHeld();
  await two.transact(TEST.name, ONE, { assertLock: "l" });
  t.equal(first.state, "released");
  await t.rejects(first.whenHeld(), { code: "closed" });
});

t.test(
  "the lock of a holder whose connection breaks goes to the next, and the holder is notified at once",
  async (t) => {
    const server = setUp(t);
    const one = server.connect();
    const first = one.lock("l");
    await first.whenHeld();
    const states = history(first);
    const two = server.connect();
    const second = two.lock("l");
    await two.whenConnected();
    await one.close();
    await second.whenHeld();
    t.same(states, ["released"]);
  },
);

t.test("a lock lost with its connection is requested again", async (t) => {
  const server = setUp(t);
  const client = server.connect();
  const lock = client.lock("l");
  await lock.whenHeld();
  const states = history(lock);
  server.stop();
  await becomes(lock, "lost");
  await t.rejects(client.transact(TEST.name, ONE, { assertLock: "l" }), { code: "not connected" });
  server.start();
  await lock.whenHeld();
  t.same(states, ["lost", "held"]);
});

t.test("a stolen lock is lost, and is held again when the other client releases it", async (t) => {
  const server = setUp(t);
  const [one, two] = [server.connect(), server.connect()];
  const first = one.lock("l");
  await first.whenHeld();
  const stolen = two.steal("l");
  await stolen.whenHeld();
  await becomes(first, "lost");
  await t.rejects(one.transact(TEST.name, ONE, { assertLock: "l" }), { code: "not owner", operation: undefined });
  await stolen.release();
  await first.whenHeld();
  await one.transact(TEST.name, ONE, { assertLock: "l" });
});

t.test("the server decides which client holds a lock", async (t) => {
  const server = setUp(t);
  const client = server.connect();
  const lock = client.lock("l");
  await lock.whenHeld();
  const thief = server.connect();
  await thief.whenConnected();
  // The steal request and the transaction cross on the wire: the client's state is outdated.
  const stolen = thief.steal("l");
  const outcome = client.transact(TEST.name, ONE, { assertLock: "l" });
  await t.rejects(outcome, { code: "not owner", operation: undefined });
  await stolen.whenHeld();
});

t.test("errors count operations without the assertion that precedes them", async (t) => {
  const server = setUp(t);
  const client = server.connect();
  await client.lock("l").whenHeld();
  server.onTransact = undefined;
  const twice = insert(TEST, "Switch", undefined, { name: "s" });
  t.same((await client.transact(TEST.name, [twice], { assertLock: "l" })).length, 1);
  const bad = insert(TEST, "Switch", undefined, { name: "t", generation: -1 });
  await t.rejects(client.transact(TEST.name, [ONE[0]!, bad], { assertLock: "l" }), {
    code: "constraint violation",
    operation: 1,
  });
});

t.test("a name can be requested once at a time, and again after its release", async (t) => {
  const server = setUp(t);
  const client = server.connect();
  const first = client.lock("l");
  t.throws(() => client.lock("l"), TypeError);
  await first.whenHeld();
  const released = first.release();
  const second = client.lock("l");
  t.equal(second.state, "waiting");
  await second.whenHeld();
  await released;
  t.equal(second.state, "held");
});
