// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { everyFact } from "../../src/facts/store.ts";
import { rootsOf, UNIT_KINDS } from "../../src/kinds/units.ts";
import { Tracker } from "../../src/reconcile/tracker.ts";
import type { LargeBench } from "./policy.ts";
import { allow } from "./policy.ts";
import { PolicyWorld } from "./policy-world.ts";

const PODS = 10_000;
const POLICIES = 10_000;
/** Pods of a namespace; a policy speaks of pods of its own one. */
const NAMESPACES = 200;
const APPS = 10;

const world = await PolicyWorld.make();
await world.start();
const started = performance.now();
for (let i = 0; i < NAMESPACES; i++) world.namespace(`ns-${i}`);
for (let i = 0; i < PODS; i++) {
  world.pod(i, `ns-${i % NAMESPACES}`, { app: `app-${Math.floor(i / NAMESPACES) % APPS}`, index: `${i}` });
}
for (let i = 0; i < POLICIES; i++) {
  const nth = Math.floor(i / NAMESPACES);
  world.policy(`ns-${i % NAMESPACES}`, `p-${nth}`, allow(`app-${nth % APPS}`, `app-${Math.floor(nth / APPS) % APPS}`));
}
const indexMs = performance.now() - started;
const compileMs = compileAll();
const written = performance.now();
await world.engine.whenIdle();
const totalMs = indexMs + performance.now() - written;
const { transactions } = world.engine.stats;
const acls = world.count("ACL").rows;
const groups = world.count("Port_Group", "ports");

const onePod = await world.measure(() => world.pod(PODS, "ns-0", { app: "app-0", index: "x" }));
const onePolicy = await world.measure(() => world.policy("ns-1", "one-more", allow("app-2", "app-3")));

// Each policy by itself: a group of its subjects, a set of addresses for its peer, an ACL for each family and its isolation.
const perApp = PODS / NAMESPACES / APPS;
const naive = { acls: POLICIES * 3, sets: POLICIES * 2, members: POLICIES * perApp * 2 };
/** Compiles all units by itself and forgets them: what compiling costs without a database. */
function compileAll(): number {
  const begun = performance.now();
  const tracker = new Tracker(UNIT_KINDS, world.facts, rootsOf);
  for (const change of everyFact(world.facts)) tracker.note(change);
  for (let unit = tracker.take(); unit !== undefined; unit = tracker.take()) tracker.compile(unit);
  return performance.now() - begun;
}

const status = readFileSync("/proc/self/status", "utf8");
const memory = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
const result: LargeBench = {
  pods: PODS,
  policies: POLICIES,
  totalMs,
  indexMs,
  compileMs,
  transactions,
  peakMiB: memory("VmHWM"),
  restMiB: memory("VmRSS"),
  onePod,
  onePolicy,
  acls,
  groups: groups.rows,
  members: groups.members,
  naive,
};
process.stdout.write(JSON.stringify(result));
await world.close();
process.exit(0);
