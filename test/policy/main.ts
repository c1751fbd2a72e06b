import { Command } from "commander";
import fc from "fast-check";
import type { World } from "./api.ts";
import { disagreement } from "./compare.ts";
import { networkPolicyWorlds } from "./generate.ts";

/** Kinds of worlds by name. */
const WORLDS: Readonly<Record<string, fc.Arbitrary<World>>> = { networkpolicy: networkPolicyWorlds };

function main(options: { readonly runs: string; readonly seed?: string; readonly worlds?: string }): void {
  for (const [name, worlds] of Object.entries(WORLDS)) {
    if (options.worlds !== undefined && options.worlds !== name) continue;
    const seed = options.seed === undefined ? Date.now() & 0x7fff_ffff : Number(options.seed);
    const started = performance.now();
    const result = fc.check(
      fc.property(worlds, (world) => {
        const found = disagreement(world);
        if (found !== undefined) throw new Error(found);
      }),
      { numRuns: Number(options.runs), seed },
    );
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      `${name}: ${result.numRuns} worlds in ${seconds} s, seed ${seed}: ${result.failed ? "a disagreement" : "all agree"}`,
    );
    if (!result.failed) continue;
    process.exitCode = 1;
    console.log(result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance));
    console.log(JSON.stringify(result.counterexample?.[0], undefined, 1));
  }
}

new Command("policies")
  .description("Compares the ACLs of generated clusters with the specifications, pair by pair.")
  .option("--runs <number>", "how many clusters", "1000")
  .option("--seed <number>", "of the generator; the time, if not given")
  .option("--worlds <kind>", `one of ${Object.keys(WORLDS).join(", ")}; all, if not given`)
  .action(main)
  .parse();
