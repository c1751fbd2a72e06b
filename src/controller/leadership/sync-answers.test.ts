// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { SYNC_ANSWER, SYNC_REQUEST } from "../../contract/northbound-sync.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { SyncAnswers } from "./sync-answers.ts";

/** Work that is done by hand. */
class Work {
  idle = true;
  #waiting: (() => void)[] = [];

  whenIdle(): Promise<void> {
    if (this.idle) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  begin(): void {
    this.idle = false;
  }

  end(): void {
    this.idle = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function rig() {
  const clock = new ManualClock();
  const [engine, restored] = [new Work(), new Work()];
  let ids: Record<string, string> = {};
  let look = (): void => {};
  const state = { confirmed: true, over: false, writes: [] as string[] };
  const answers = new SyncAnswers({
    northbound: {
      globalIds: () => ids,
      onGlobalIds: (listener: () => void) => {
        look = listener;
        return () => {
          look = () => {};
        };
      },
      confirmLock: async () => state.confirmed,
      writeGlobalId: async (key: string, value: string) => {
        state.writes.push(value);
        ids = { ...ids, [key]: value };
        look();
      },
    },
    ...{ engine, restored, clock, over: () => state.over },
    log: { info: () => undefined, warn: () => undefined } as never,
  });
  const ask = (request: string): void => {
    ids = { ...ids, [SYNC_REQUEST]: request };
    look();
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { answers, ask, clock, engine, restored, state, turn, answer: () => ids[SYNC_ANSWER] };
}

t.test("a request is answered when nothing is left to write and no row is to be swept", async (t) => {
  const { ask, engine, restored, turn, answer } = rig();
  engine.begin();
  restored.begin();
  ask("a");
  await turn();
  t.equal(answer(), undefined);
  restored.end();
  await turn();
  t.equal(answer(), undefined);
  // The sweep made room for a row that had been refused.
  restored.begin();
  engine.end();
  await turn();
  t.equal(answer(), undefined);
  restored.end();
  await turn();
  t.equal(answer(), "a");
});

t.test("each request is answered once, and one that comes meanwhile after it", async (t) => {
  const { ask, engine, state, turn } = rig();
  ask("a");
  await turn();
  engine.begin();
  ask("b");
  await turn();
  ask("c");
  engine.end();
  for (let i = 0; i < 3; i++) await turn();
  t.same(state.writes, ["a", "b", "c"]);
});

t.test("a process without the lock does not answer; it tries again", async (t) => {
  const { ask, clock, state, turn, answer } = rig();
  state.confirmed = false;
  ask("a");
  await turn();
  t.equal(answer(), undefined);
  state.confirmed = true;
  await clock.advance(60_000);
  await turn();
  t.equal(answer(), "a");
});

t.test("nothing is answered when the term has ended", async (t) => {
  const { answers, ask, clock, engine, state, turn } = rig();
  engine.begin();
  ask("a");
  await turn();
  state.over = true;
  answers.stop();
  engine.end();
  await turn();
  await clock.advance(60_000);
  t.same(state.writes, []);
});
