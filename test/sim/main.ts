import { generateScript } from "./generate.ts";
import { run } from "./run.ts";

const [first = "1", count = "1", verbose] = process.argv.slice(2);
let failed = 0;
const started = performance.now();
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  const t = performance.now();
  const outcome = await run(generateScript(seed), verbose ? { print: (line) => console.log(line) } : {});
  if (outcome.violations.length > 0) failed++;
  console.log(
    seed,
    outcome.hash,
    outcome.events,
    `${Math.round(performance.now() - t)} ms`,
    Math.round(outcome.simulated / 1000),
    "s",
    outcome.violations.length,
  );
  for (const v of outcome.violations.slice(0, 6)) console.log("    ", v.slice(0, 300));
}
console.log(failed, "failed", Math.round(performance.now() - started), "ms");
