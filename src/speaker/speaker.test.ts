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

/** A speaker whose BIRD ends `lifeMs` after each start. */
async function speaker(t: Test, clock: ManualClock, lifeMs: number) {
  const starts: number[] = [];
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
    events: { record: () => undefined },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined } as never,
    makeBird: ({ onExit }) => ({
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
      protocols: async () => [],
      stop: async () => undefined,
    }),
    clock,
  };
  const made = new Speaker(OPTIONS, parts);
  made.start(new AbortController().signal);
  await clock.advance(0);
  t.teardown(() => made.stop());
  return { made, starts, change: () => changed() };
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
