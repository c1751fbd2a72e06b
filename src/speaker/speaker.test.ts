// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { readSpeakerOptions } from "./options.ts";
import { Speaker, type SpeakerParts } from "./speaker.ts";

const OPTIONS = readSpeakerOptions(
  ["--node-ips=192.0.2.11", "--neighbor-address=192.0.2.1", "--neighbor-as=65002", "--cluster-as=65001"],
  { KUBE_NODE_NAME: "weft-1" },
);
const NOTHING = { subnets: [], pods: [], records: [], services: [], eips: [], hasEndpoint: () => false };

/** A speaker whose BIRD ends `lifeMs` after each start, and answers `protocols` when it is asked for its sessions. */
async function speaker(t: Test, clock: ManualClock, lifeMs: number, protocols: () => readonly string[] = () => []) {
  const starts: number[] = [];
  const events: { readonly at: number; readonly message: string }[] = [];
  let line: (text: string) => void = () => undefined;
  let changed: () => void = () => undefined;
  let running = false;
  const parts: SpeakerParts = {
    watches: {
      synced: true,
      whenSynced: async () => undefined,
      facts: NOTHING,
      subscribe: (listener) => {
        changed = listener;
      },
      start: () => undefined,
      stop: async () => undefined,
    },
    events: { record: (_subject, _type, _reason, message) => events.push({ at: clock.now(), message }) },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined } as never,
    makeBird: ({ onExit, onLine }) => {
      line = onLine;
      return {
        get running() {
          return running;
        },
        apply: async () => {
          if (running) return;
          running = true;
          starts.push(clock.now());
          clock.after(lifeMs, () => {
            running = false;
            onExit("it ended with SIGSEGV");
          });
        },
        protocols: async () => protocols(),
        stop: async () => undefined,
      };
    },
    clock,
  };
  const made = new Speaker(OPTIONS, parts);
  made.start(new AbortController().signal);
  await clock.advance(0);
  t.teardown(() => made.stop());
  return { made, starts, events, change: () => changed(), line: (text: string) => line(text) };
}

t.test("a BIRD that ends again and again is started less and less often, whatever changes", async (t) => {
  const clock = new ManualClock();
  const { made, starts, change } = await speaker(t, clock, 10);
  for (let i = 0; i < 600; i++) {
    change();
    await clock.advance(1_000);
  }
  t.ok(starts.length > 10 && starts.length < 40, `${starts.length} starts in ten minutes`);
  t.ok((starts[1] ?? 0) < 1_000, "the first time at once");
  t.equal(made.notReady(), "BIRD does not run");
});

t.test("a BIRD that has run for long is started again at once", async (t) => {
  const clock = new ManualClock();
  const { starts } = await speaker(t, clock, 100_000);
  await clock.advance(400_000);
  t.ok(starts.length >= 4, `${starts.length} starts`);
});

t.test("a session that is not established is reported in time, however often BIRD logs its attempts", async (t) => {
  const clock = new ManualClock();
  let session = ["Idle", "Received: Bad peer AS"];
  const protocols = () => [
    `neighbor1  BGP        ---        start  12:00:00.000  ${session.join("  ")}`,
    `  BGP state:          ${session[0]}`,
    ...(session[1] === undefined ? [] : [`    Last error:       ${session[1]}`]),
  ];
  const { events, line } = await speaker(t, clock, 1_000_000, protocols);
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      line("<TRACE> neighbor1: State changed to start");
      await clock.advance(1_000);
    }
  };
  await pass(14);
  t.equal(events.length, 0, "not before it has had time to be established");
  await pass(2);
  t.match(events, [{ message: /another AS number/ }]);
  await pass(60);
  t.equal(events.length, 1, "once for one reason");
  session = ["Connect"];
  await pass(2);
  t.match(events, { 1: { message: /does not answer on TCP port 179/ } }, "another reason is reported");
  session = ["Established"];
  await pass(2);
  session = ["Idle", "Error: BFD session down"];
  await pass(2);
  session = ["Connect", "Error: BFD session down"];
  await clock.advance(10_000);
  t.equal(events.length, 2, "a session that was established has time again");
  await clock.advance(5_000);
  t.match(events, { 2: { message: /is lost by BFD, and since then does not answer/ } }, "as it is then");
  t.equal(events.length, 3);
});
