// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { CleanRuns } from "./clean-runs.ts";
import { EXTRAS } from "./extra-actions.ts";
import { generateScript } from "./generate.ts";
import { minimise, violationKind } from "./minimise.ts";
import { MutationSearch } from "./mutation-search.ts";
import { mutationNamed } from "./mutations.ts";
import { DEFAULT_JOBS, type Job, runAll } from "./pool.ts";
import { outcomeText, SimulationTally } from "./report.ts";
import { runScript } from "./run.ts";
import { NAT_SEEDS, seedsWith } from "./seeds.ts";

/** How many seeds `npm test` runs, some of them with external networks (`nat.test.ts`); the release tier runs the next ones (`hack/test-runner/main.ts`). More: `npm run sim -- --seeds N`. */
const SEEDS = 45;
/** Mutations that this test must find; the others take longer (`npm run sim -- --mutation all`). */
const SEARCHED = [
  "no-confirmation",
  "ordinals-from-zero",
  "counter-missed",
  "unknown-is-done",
  "used-before-recorded",
  "forgotten-del",
  "endpoints-of-other-vpcs",
  "sessions-outlive-ports",
  "session-of-another-hop",
  "dead-gateway-kept",
  "southbound-ignored",
  "former-chassis",
];
/** The extras of some scripts (`extra-actions.ts`), and what must be true then. */
const EXTRA = {
  hostile: "unexpected objects stop nothing, and do not affect other objects",
  throws: "code that throws affects only its own object, which recovers when the code stops throwing",
  tenants: "VPCs with the same addresses are given nothing of each other",
  chassis: "pods leave by nodes that live, and rows name chassis that nodes are",
  clocks: "no decision depends on the time of day, which may be set forwards and backwards on any machine",
  bfd: "routes are monitored by the sessions that their VPC names, and no session outlives its port",
  nodes: "pods keep their networks, and nodes the configuration of other programs, whatever happens to daemons",
};
/** An action of each extra, which must occur. */
const INJECTED: Readonly<Record<string, string>> = {
  hostile: "hostile",
  throws: "throw",
  nodes: "daemon-crash",
  tenants: "tenant-pod",
  chassis: "fail-over judged",
  bfd: "bfd-session",
  clocks: "clock-jump",
};
/** Among how many seeds those with an extra are looked for. */
const EXTRA_SEEDS = 12;
/** Number of seeds, starting with the known one, in which a mutation must be found. */
const PATIENCE = 60;

t.setTimeout(1_200_000);

const clean = new CleanRuns();

t.test(
  "a run is deterministic: the same seed gives the same run in another thread and in another process",
  async (t) => {
    const script = generateScript(22);
    const first = await runScript(script);
    const other = await runScript(generateScript(23));
    const again = await runScript(script);
    t.equal(again.hash, first.hash);
    t.equal(again.events, first.events);
    await runAll([{ seed: 22 }], 1, ({ outcome }) => {
      t.equal(outcome.hash, first.hash);
      t.same(outcome.counts, first.counts);
      return true;
    });
    const main = join(import.meta.dirname, "main.ts");
    const args = [main, "--first-seed", "22", "--trace"];
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e8 });
    t.match(stdout, `hash ${first.hash}, ${first.events} events`);
    t.not(other.hash, first.hash);
  },
);

// Before the tests that use all processors: the first two use one, and the unit tests that run in parallel the others.
t.test("a failing script is shortened, and still fails in the same way", async (t) => {
  const mutation = mutationNamed("ordinals-from-zero");
  const options = { mutation, untilViolation: true };
  let script = generateScript(mutation.shown);
  let outcome = await runScript(script, options);
  for (let seed = mutation.shown + 1; outcome.violations.length === 0 && seed < mutation.shown + PATIENCE; seed++) {
    script = generateScript(seed);
    outcome = await runScript(script, options);
  }
  const shorter = await minimise(script, outcome, options, 60);
  t.ok(shorter.runs <= 60);
  t.ok(shorter.script.actions.length * 4 < script.actions.length, `${shorter.script.actions.length} actions are left`);
  t.ok(
    shorter.script.actions.some((action) => action.do === "set"),
    "the StatefulSet is among them",
  );
  const repeated = await runScript(JSON.parse(JSON.stringify(shorter.script)), options);
  t.equal(repeated.hash, shorter.outcome.hash);
  t.equal(violationKind(repeated.violations[0] ?? ""), violationKind(outcome.violations[0] ?? ""));
  t.same((await runScript(shorter.script)).violations, []);
});

t.test(`all invariants of the controller hold in ${SEEDS - NAT_SEEDS.length} of ${SEEDS} seeds`, async (t) => {
  const tally = new SimulationTally();
  const seeds = seedsWith([], 1, SEEDS).filter((seed) => !NAT_SEEDS.includes(seed));
  const jobs = seeds.map((seed): Job => ({ seed }));
  await runAll(jobs, DEFAULT_JOBS, (done) => {
    const { outcome } = done;
    clean.add(done);
    tally.add(outcome);
    return tally.failed.length < 5;
  });
  const failures = tally.failed.map((outcome) =>
    outcomeText(outcome, `npm run sim -- --first-seed ${outcome.seed} --seeds 1`),
  );
  t.same(failures, []);
  const missing = [
    "crash-leader",
    "crash-within",
    "pause-leader",
    "nb-restore",
    "watch-end",
    "late",
    "delete-ip",
  ].filter((name) => (tally.counts.get(name) ?? 0) === 0);
  t.same(missing, [], "the expected faults were injected");
});

for (const [extra, what] of Object.entries(EXTRA)) {
  t.test(`${what}, in those of ${EXTRA_SEEDS} seeds that have it`, async (t) => {
    const failures: string[] = [];
    const counts: string[] = [];
    const extras = EXTRAS.filter((name) => name === extra);
    const seeds = seedsWith(extras, 1, EXTRA_SEEDS).map((seed): Job => ({ seed, extras }));
    t.ok(seeds.length >= EXTRA_SEEDS / 4, `${seeds.length} of these seeds have it`);
    await runAll(seeds, DEFAULT_JOBS, (done) => {
      const { outcome } = done;
      clean.add(done);
      counts.push(...Object.keys(outcome.counts));
      const hint = `npm run sim -- --first-seed ${outcome.seed} --seeds 1 --with ${extra}`;
      if (outcome.violations.length > 0) failures.push(outcomeText(outcome, hint));
      return failures.length < 3;
    });
    t.same(failures, []);
    t.ok(counts.includes(INJECTED[extra] ?? ""), "the expected faults were injected");
  });
}

const searched = SEARCHED.map(mutationNamed);
const search = new MutationSearch(searched, PATIENCE);
for (const mutation of searched) {
  t.test(`a mutation is found: ${mutation.name}`, async (t) => {
    const found = await search.find(mutation);
    if (found === undefined) return void t.fail(`not found in ${PATIENCE} seeds from ${mutation.shown} on`);
    t.same(await clean.violations(found.seed, mutation.extras ?? []), [], "without it, that seed has no violation");
  });
}
