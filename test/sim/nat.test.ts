// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { CleanRuns } from "./clean-runs.ts";
import { MutationSearch } from "./mutation-search.ts";
import { NAT_MUTATIONS } from "./nat-mutations.ts";
import { DEFAULT_JOBS, type Job, runAll } from "./pool.ts";
import { outcomeText } from "./report.ts";
import { NAT_SEEDS } from "./seeds.ts";

/** In how many seeds a mutation must be found. */
const PATIENCE = 20;
const EXTRAS = ["nat"] as const;

t.setTimeout(1_200_000);

const clean = new CleanRuns();

t.test("an external address is given to one thing, and what translates it follows its object", async (t) => {
  const failures: string[] = [];
  const counts = new Set<string>();
  // More: `npm run sim -- --seeds N --with nat`.
  const jobs = NAT_SEEDS.map((seed): Job => ({ seed, extras: EXTRAS }));
  await runAll(jobs, DEFAULT_JOBS, (done) => {
    const { outcome } = done;
    clean.add(done);
    for (const what of Object.keys(outcome.counts)) counts.add(what);
    const hint = `npm run sim -- --first-seed ${outcome.seed} --seeds 1 --with nat`;
    if (outcome.violations.length > 0) failures.push(outcomeText(outcome, hint));
    return failures.length < 3;
  });
  t.same(failures, []);
  t.ok(counts.has("empty database judged"), "some runs end with an empty database");
});

const search = new MutationSearch(NAT_MUTATIONS, PATIENCE);
for (const mutation of NAT_MUTATIONS) {
  t.test(`a mutation is found: ${mutation.name}`, async (t) => {
    const found = await search.find(mutation);
    if (found === undefined) return void t.fail(`not found in ${PATIENCE} seeds from ${mutation.shown} on`);
    t.comment(`seed ${found.seed}: ${found.violation}`);
    t.same(await clean.violations(found.seed, EXTRAS), [], "without it, there is no violation");
  });
}
