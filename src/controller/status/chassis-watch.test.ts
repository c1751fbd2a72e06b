// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE } from "../../api/annotations.ts";
import { CHASSIS_CONDITION } from "../../api/names.ts";
import { Failures } from "../../desired/failures.ts";
import { projectNode } from "../../facts/project-core.ts";
import { factStore } from "../../kinds/store.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { ChassisWatch } from "./chassis-watch.ts";

function watched(failures?: Failures) {
  const facts = factStore(failures);
  const clock = new ManualClock();
  const watch = new ChassisWatch(facts, clock);
  facts.subscribe((change) => watch.noteFact(change));
  const node = (name: string, id: string, told?: { readonly reason: string; readonly message: string }): void => {
    const metadata = { name, uid: `uid-${name}`, annotations: { [NODE.chassis]: id } };
    const conditions = told === undefined ? [] : [{ type: CHASSIS_CONDITION, status: "True", ...told }];
    facts.set("nodes", name, projectNode({ metadata, status: { conditions } }));
  };
  const chassis = (name: string, host: string): void => {
    facts.set("chassis", name, { key: name, name, host, remote: false });
  };
  const problems = async (): Promise<Readonly<Record<string, string>>> => {
    await Promise.resolve();
    return Object.fromEntries(facts.all("chassisProblems").map(({ key, reason }) => [key, reason]));
  };
  const read = (): void => void facts.set("served", "chassis", { key: "chassis" });
  return { facts, clock, node, chassis, problems, read };
}

t.test("a problem that lasts 30 s is reported, and the report is removed at once when it is solved", async (t) => {
  const { clock, node, chassis, problems, read } = watched();
  node("a", "c1");
  chassis("c1", "a");
  read();
  t.same(await problems(), {});
  t.equal(clock.pending, 0, "while all is well there is no timer");
  node("b", "c2");
  t.same(await problems(), {});
  clock.pass(20_000);
  node("c", "c3");
  t.same(await problems(), {});
  clock.pass(10_000);
  t.same(await problems(), { b: "ChassisMissing" });
  clock.pass(20_000);
  t.same(await problems(), { b: "ChassisMissing", c: "ChassisMissing" }, "each has its own grace");
  t.equal(clock.pending, 0);
  chassis("c2", "b");
  t.same(await problems(), { c: "ChassisMissing" });
});

t.test("a problem that is solved within 30 s is not reported, nor one of a deleted node", async (t) => {
  const { facts, clock, node, chassis, problems, read } = watched();
  read();
  node("a", "c1");
  node("b", "c2");
  await problems();
  clock.pass(29_000);
  chassis("c1", "a");
  facts.set("nodes", "b", undefined);
  t.same(await problems(), {});
  t.equal(clock.pending, 0);
  clock.pass(60_000);
  t.same(await problems(), {});
});

t.test("a problem that is already reported on a Node is kept by a new controller", async (t) => {
  const { facts, clock, node, problems, read } = watched();
  node("a", "c1", { reason: "ChassisMissing", message: "as a former controller said it" });
  t.same(await problems(), {}, "nothing is known before the southbound database has been read");
  read();
  t.same(await problems(), { a: "ChassisMissing" });
  const message = () => facts.get("chassisProblems", "a")?.message;
  t.equal(message(), "as a former controller said it");
  clock.pass(30_000);
  t.match(message(), /no chassis c1/);
  facts.set("nodes", "a", undefined);
  t.same(await problems(), {});
  clock.pass(60_000);
  t.same(await problems(), {});
});

t.test("a problem that changes for a moment is not reported again", async (t) => {
  const { facts, clock, node, chassis, problems, read } = watched();
  read();
  node("a", "c1");
  chassis("old", "a");
  await problems();
  clock.pass(30_000);
  const message = () => facts.get("chassisProblems", "a")?.message;
  t.match(message(), /chassis-del old/);
  facts.set("chassis", "old", undefined);
  await problems();
  clock.pass(1_000);
  t.match(message(), /chassis-del old/, "it was deleted, and the node's own is about to come");
  chassis("c1", "a");
  t.same(await problems(), {});
});

t.test("a node whose check throws is reported, and the others are checked", async (t) => {
  const failed: string[] = [];
  const failures = new Failures(undefined, ({ part, where, key }) => failed.push(`${part} ${where} ${key}`));
  const { facts, clock, node, problems, read } = watched(failures);
  read();
  node("a", "c1");
  node("b", "c2");
  const odd = facts.get("nodes", "a");
  facts.set("nodes", "a", { ...odd, addresses: null } as never);
  await problems();
  clock.pass(30_000);
  t.same(await problems(), { b: "ChassisMissing" });
  t.equal(failed[0], "derived fact chassisProblems a");
  t.equal(failures.size, 1);
  facts.set("nodes", "a", odd);
  await problems();
  t.equal(failures.size, 0);
});
