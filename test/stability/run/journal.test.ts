// SPDX-License-Identifier: Apache-2.0

import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { CONFIG_MAPS } from "../../../src/kube/resources.ts";
import { ManualClock } from "../../../src/time/testing/manual-clock.ts";
import { testRegistry } from "../testing/bench.ts";
import { FakeTarget } from "../testing/fake-target.ts";
import { clean } from "./clean.ts";
import { UndoJournal } from "./journal.ts";
import type { UndoStep } from "./undo-step.ts";

const DELETE: UndoStep = {
  by: "kubernetes",
  kind: "delete",
  resource: CONFIG_MAPS,
  namespace: "default",
  name: "thing",
};
const HEAL: UndoStep = { by: "target", kind: "heal" };
const RESUME: UndoStep = { by: "target", kind: "resume", processes: [{ part: "daemon", node: "n1", id: "0" }] };

t.test("the changes of a killed run are undone by the next one, the last first", async (t) => {
  const path = join(t.testdir(), "journal.jsonl");
  const killed = new UndoJournal(path);
  killed.begin({ name: "fake", options: null });
  killed.record(DELETE);
  const done = killed.record({ by: "target", kind: "boot", node: "n2" });
  killed.record(RESUME);
  killed.record(HEAL);
  killed.done(done);
  // It is killed here; its last line is incomplete.
  appendFileSync(path, '{"id": 9, "st');

  const target = new FakeTarget(new ManualClock());
  await target.kube.create(CONFIG_MAPS, { metadata: { namespace: "default", name: "thing" } });
  const said: string[] = [];
  const next = new UndoJournal(path);
  await clean(next, testRegistry(target).targets, (message) => said.push(message));
  t.same(said, [
    "an earlier run was killed: undoing 3 steps on target fake",
    "remove all partitions",
    "resume daemon on n1",
    "delete ConfigMap default/thing",
  ]);
  t.same(target.done.slice(0, 2), ["heal", "SIGCONT daemon/n1"]);
  t.same(target.kube.objects(CONFIG_MAPS), []);
  t.notOk(existsSync(path));
  await clean(next, [], () => t.fail("there is nothing left to do"));
});

t.test("a step that cannot be undone is reported, and all stay for the next time", async (t) => {
  const path = join(t.testdir(), "journal.jsonl");
  const killed = new UndoJournal(path);
  killed.begin({ name: "fake", options: null });
  killed.record(HEAL);
  const target = new FakeTarget(new ManualClock());
  target.die();
  const { targets } = testRegistry(target);
  await t.rejects(
    clean(new UndoJournal(path), targets, () => {}),
    {
      code: "cleanup",
      message: "cannot remove all partitions: the fake cluster is gone",
    },
  );
  t.same(new UndoJournal(path).unfinished()?.steps.length, 1);
  await t.rejects(
    clean(new UndoJournal(path), [], () => {}),
    { code: "cleanup", message: /cannot be opened: unknown target/ },
  );
});

t.test("a run that was killed between two steps leaves its target to be closed", async (t) => {
  const path = join(t.testdir(), "journal.jsonl");
  const kill = (): void => {
    const killed = new UndoJournal(path);
    killed.begin({ name: "fake", options: null });
    killed.done(killed.record(HEAL));
  };
  kill();
  const target = new FakeTarget(new ManualClock());
  await clean(new UndoJournal(path), testRegistry(target).targets, () => {});
  t.same(target.done, ["closed"]);
  t.notOk(existsSync(path));
  kill();
  const said: string[] = [];
  await clean(new UndoJournal(path), [], (message) => said.push(message));
  t.match(said[1], "the target of an earlier run cannot be opened", "there is nothing to do on it");
  t.notOk(existsSync(path));
});

t.test("a step that fails does not stop the others, and is repeated after them", async (t) => {
  const path = join(t.testdir(), "journal.jsonl");
  const killed = new UndoJournal(path);
  killed.begin({ name: "fake", options: null });
  killed.record(RESUME);
  killed.record(HEAL);
  const target = new FakeTarget(new ManualClock());
  const heal = target.heal.bind(target);
  target.heal = () =>
    target.done.includes("SIGCONT daemon/n1") ? heal() : Promise.reject(new Error("the daemon is stopped"));
  const said: string[] = [];
  await clean(new UndoJournal(path), testRegistry(target).targets, (message) => said.push(message));
  t.match(said.join(), "cannot remove all partitions: the daemon is stopped");
  t.same(target.done.slice(0, 2), ["SIGCONT daemon/n1", "heal"]);
  t.notOk(existsSync(path));
});

t.test("a journal is deleted when everything is undone, and otherwise kept", async (t) => {
  const path = join(t.testdir(), "journal.jsonl");
  const journal = new UndoJournal(path);
  t.throws(() => journal.record(HEAL), { code: "state" });
  journal.begin({ name: "fake", options: null });
  const first = journal.record(HEAL);
  const second = journal.record(RESUME);
  t.same(
    journal.open().map(({ id }) => id),
    [second, first],
  );
  journal.done(first);
  journal.done(first);
  journal.end();
  t.ok(existsSync(path));
  journal.begin({ name: "fake", options: null });
  journal.end();
  t.ok(existsSync(path), "what is open stays open");
});

t.test("a file that is not a journal is refused", async (t) => {
  const path = join(t.testdir(), "journal.jsonl");
  writeFileSync(path, '{"id": 1, "step": {"by": "target", "kind": "explode"}}\n');
  t.throws(() => new UndoJournal(path).unfinished(), {
    code: "state",
    message: /journal\.jsonl:1 is not a line of a journal/,
  });
});
