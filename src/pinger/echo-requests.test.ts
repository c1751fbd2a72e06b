// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "../net/address.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { EchoRequests } from "./echo-requests.ts";

const address = parseIp("10.16.0.2")!;

/** Sockets that hand each request to `answer`, which may reply. */
function setup(answer: (reply: (payload: Buffer) => void, payload: Buffer, clock: ManualClock) => void) {
  const clock = new ManualClock();
  const sent: number[] = [];
  let closed = 0;
  const echoes = new EchoRequests(
    (family, onReply) => ({
      send: (_, sequence, payload) => {
        sent.push(sequence);
        answer((bytes) => onReply(sequence, bytes), Buffer.from(payload), clock);
      },
      close: () => {
        closed += family;
      },
    }),
    new Set([4, 6]),
    clock,
  );
  return { clock, echoes, sent, closed: () => closed };
}

t.test("replies are averaged, each request has a sequence number of its own", async (t) => {
  const { clock, echoes, sent } = setup((reply, payload, time) => time.after(2, () => reply(payload)));
  const result = echoes.ping(address);
  await clock.advance(2_000);
  t.same(await result, { sent: 3, lost: 0, averageMs: 2 });
  t.equal(new Set(sent).size, 3);
  t.equal(clock.pending, 0);
});

t.test("what does not come back within a second is lost, and a payload that was not sent is no reply", async (t) => {
  let count = 0;
  const { clock, echoes } = setup((reply, payload) => {
    count++;
    if (count === 1) reply(payload);
    if (count === 2) reply(Buffer.alloc(payload.length));
  });
  const result = echoes.ping(address);
  await clock.advance(1_199);
  t.ok(clock.pending > 0, "the last one may still come back");
  await clock.advance(1);
  t.same(await result, { sent: 3, lost: 2, averageMs: 0 });
});

t.test("a reply that had arrived when the deadline passed is not lost, though it is read later", async (t) => {
  const replies: (() => void)[] = [];
  const timers: (() => void)[] = [];
  const echoes = new EchoRequests(
    (_, onReply) => ({
      send: (_, sequence, payload) => replies.push(() => onReply(sequence, Buffer.from(payload))),
      close: () => undefined,
    }),
    new Set([4]),
    {
      now: () => 0,
      after: (_, run) => {
        timers.push(run);
        return () => undefined;
      },
    },
  );
  const result = echoes.ping(address);
  // First the pauses between the requests, then their deadlines, as after a time in which the process was not scheduled.
  while (timers.length > 0) {
    for (const run of timers.splice(0)) run();
    await Promise.resolve();
    setImmediate(() => {
      for (const reply of replies.splice(0)) reply();
    });
    if (timers.length === 0) await new Promise((resolve) => void setImmediate(resolve));
  }
  t.match(await result, { sent: 3, lost: 0 });
});

t.test("a request that the kernel refuses is lost, with its reason", async (t) => {
  const { clock, echoes } = setup(() => {
    throw new Error("sendto: ENETUNREACH");
  });
  const result = echoes.ping(address);
  await clock.advance(1_000);
  t.same(await result, { sent: 3, lost: 3, averageMs: undefined, problem: "sendto: ENETUNREACH" });
  t.equal(clock.pending, 0);
});

t.test("after the end nothing waits, and requests are lost", async (t) => {
  const { clock, echoes, closed } = setup(() => undefined);
  const result = echoes.ping(address);
  await clock.advance(0);
  echoes.close();
  t.equal(closed(), 10, "both sockets");
  await clock.advance(200);
  t.match(await result, { lost: 3, problem: "no socket of IPv4 is open" });
  t.equal(clock.pending, 0);
});
