// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { generateScript } from "./generate.ts";
import { NAT_MUTATIONS } from "./nat-mutations.ts";
import { DEFAULT_JOBS, type Done, type Job, runAll } from "./pool.ts";
import { outcomeText } from "./report.ts";
import { runScript } from "./run.ts";

/** How many seeds `npm test` runs with external networks. More: `npm run sim -- --seeds N --with nat`. */
const SEEDS = 12;
/** In how many seeds a mutation must be found. */
const PATIENCE = 20;
const EXTRAS = ["nat"] as const;

t.setTimeout(1_200_000);

function jobs(count: number, mutation?: string): readonly Job[] {
  return Array.from({ length: count }, (_, i) => i + 1)
    .filter((seed) => generateScript(seed, EXTRAS).actions.some(({ do: what }) => what === "nat-put"))
    .map((seed) => ({ seed, extras: EXTRAS, ...(mutation !== undefined && { mutation }) }));
}

t.test("an external address is given to one thing, and what translates it follows its object", async (t) => {
  const failures: string[] = [];
  const counts = new Set<string>();
  await runAll(jobs(SEEDS), DEFAULT_JOBS, ({ outcome }) => {
    for (const what of Object.keys(outcome.counts)) counts.add(what);
    const hint = `npm run sim -- --first-seed ${outcome.seed} --seeds 1 --with nat`;
    if (outcome.violations.length > 0) failures.push(outcomeText(outcome, hint));
    return failures.length < 3;
  });
  t.same(failures, []);
  t.ok(counts.has("empty database judged"), "some runs end with an empty database");
});

for (const { name } of NAT_MUTATIONS) {
  t.test(`a mutation is found: ${name}`, async (t) => {
    const found: Done[] = [];
    await runAll(jobs(PATIENCE, name), DEFAULT_JOBS, (done) => {
      if (done.outcome.violations.length > 0) found.push(done);
      return found.length === 0;
    });
    const [first] = found;
    if (first === undefined) return void t.fail(`not found in ${PATIENCE} seeds`);
    t.comment(`seed ${first.job.seed}: ${first.outcome.violations[0]}`);
    t.same(
      (await runScript(generateScript(first.job.seed, EXTRAS))).violations,
      [],
      "without it, there is no violation",
    );
  });
}
