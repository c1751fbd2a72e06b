// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NAMESPACES } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { fenced, WriteFence } from "./fencing.ts";

/** A fence whose questions the test answers. */
function rig() {
  const clock = new ManualClock();
  const answers: ((confirmed: boolean) => void)[] = [];
  const fence = new WriteFence({ clock, confirm: () => new Promise((resolve) => answers.push(resolve)) });
  const inner = fakeKube();
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, answers, fence, inner, turn, kube: fenced(inner, fence) };
}

t.test(
  "each write is confirmed after it was decided, and writes that arrive meanwhile share the next question",
  async (t) => {
    const { answers, clock, fence, turn } = rig();
    const first = [fence.pass(), fence.pass()];
    await turn();
    t.equal(answers.length, 1);
    const later = [fence.pass(), fence.pass()];
    await turn();
    t.equal(answers.length, 1, "one question at a time");
    answers[0]?.(true);
    t.same(await Promise.all(first), [true, true]);
    await turn();
    t.equal(answers.length, 1, "in a burst the next question waits for more to come");
    await clock.advance(10);
    t.equal(answers.length, 2, "what was decided after the first question was sent is not proved by its answer");
    answers[1]?.(false);
    t.same(await Promise.all(later), [false, false]);
  },
);

t.test("a process without confirmation writes nothing and may read", async (t) => {
  const { answers, clock, inner, turn, kube } = rig();
  const refused = kube.create(NAMESPACES, { metadata: { name: "a" } });
  await turn();
  answers[0]?.(false);
  await t.rejects(refused, { code: "unavailable" });
  t.equal(inner.object(NAMESPACES, { name: "a" }), undefined);
  t.equal((await kube.list(NAMESPACES)).items.length, 0);
  await clock.advance(10);
  const written = kube.create(NAMESPACES, { metadata: { name: "a" } });
  await turn();
  answers[1]?.(true);
  await written;
  t.ok(inner.object(NAMESPACES, { name: "a" }));
});

t.test("an answer that a process reads after a long stop is not valid", async (t) => {
  const { clock, answers, fence, turn } = rig();
  const passing = fence.pass();
  await turn();
  await clock.advance(5_001);
  answers[0]?.(true);
  t.equal(await passing, false);
});

t.test("after the end of a term no write is sent, not even a confirmed one", async (t) => {
  const { answers, fence, turn } = rig();
  const passing = fence.pass();
  await turn();
  fence.close();
  answers[0]?.(true);
  t.equal(await passing, false);
  t.equal(await fence.pass(), false);
  t.equal(answers.length, 1);
});
