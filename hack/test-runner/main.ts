import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { Command } from "commander";
import { ensurePackages } from "../host/packages.ts";
import { createProgress } from "../host/progress.ts";
import { DEBIAN_SUITE, ensureRootfs, NEWEST_SUITE } from "../image/base.ts";
import { ensureKubeBinaries } from "../kube/binaries.ts";
import { down } from "../lab/down.ts";
import { openLab } from "../lab/lab.ts";
import { LAB_NEEDS } from "../lab/needs.ts";
import { failedTests } from "./failed-tests.ts";

/** What ran, as counts of assertions. */
interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** And what of it failed. */
interface TapResult extends Count {
  readonly failures: readonly string[];
}

const UNIT = ["src/**/*.test.ts", "hack/**/*.test.ts", "test/policy-oracle/**/*.test.ts"];
const count: Count = { passed: 0, failed: 0, skipped: 0 };
/** What failed: a check's title, or a test file with the names of its tests. */
const failures: string[] = [];

/** Runs a command whose exit code is one check. */
async function check(title: string, command: string, args: readonly string[]): Promise<void> {
  console.log(`\n== ${title}`);
  const child = spawn(command, args, { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code === 0) count.passed++;
  else {
    count.failed++;
    failures.push(title);
    console.log(`!! ${title} failed (exit code ${code})`);
  }
}

/** Runs test files with tap and adds its summary to the count. */
async function tap(title: string, patterns: readonly string[], options: readonly string[]): Promise<void> {
  const files = globSync(patterns).sort();
  console.log(`\n== ${title}: ${files.length} files`);
  if (files.length === 0) return;
  const { failures: names, ...result } = await runTap(files, options);
  add(result);
  failures.push(...names);
}

/**
 * Runs the files of some patterns one by one. One that fails is run once more, and that is said: the lab has two busy cores, and what
 * fails twice is no accident. Both outputs are shown.
 */
async function tapEach(title: string, patterns: readonly string[], options: readonly string[]): Promise<void> {
  const files = globSync(patterns).sort();
  console.log(`\n== ${title}: ${files.length} files`);
  for (const file of files) {
    let { failures: names, ...result } = await runTap([file], options);
    if (result.failed > 0) {
      console.log(`!! ${file} failed (${result.failed}); it is run once more`);
      ({ failures: names, ...result } = await runTap([file], options));
      console.log(`!! ${file}: the second run ${result.failed > 0 ? "failed as well" : "passed: a flaky test"}`);
    }
    add(result);
    failures.push(...names);
  }
}

function add({ passed, failed, skipped }: Count): void {
  count.passed += passed;
  count.failed += failed;
  count.skipped += skipped;
}

/** Runs test files with tap and reads its summary; output is shown as it comes. */
async function runTap(files: readonly string[], options: readonly string[]): Promise<TapResult> {
  const child = spawn("tap", ["--reporter=terse", ...options, ...files], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    process.stdout.write(chunk);
    text = (text + chunk).slice(-200_000);
  });
  const [code] = (await once(child, "close")) as [number | null];
  const plain = stripColours(text);
  const summary = /# \{([^}]*)\}\s*(?:\n# time.*)?\s*$/m.exec(plain)?.[1] ?? "";
  const figure = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0);
  const failed = figure("fail");
  return {
    passed: figure("pass"),
    skipped: figure("skip") + figure("todo"),
    // A file that crashes, or a run without a summary, is a failure although no assertion is.
    failed: code === 0 ? failed : Math.max(1, failed),
    failures: code === 0 ? [] : failedTests(plain, files),
  };
}

function stripColours(text: string): string {
  return text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "");
}

/**
 * The tests that need the lab: one lab for all of them, taken down at the end whatever happens. Its image is made of the Debian `suite`
 * (`hack/image/base.ts`), for which the lab's deployment and those of the tests ask the environment.
 */
async function onLab(title: string, suite: string, patterns: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) {
    count.failed++;
    failures.push(`${title}: they need root`);
    console.log(`!! ${title} needs root: the lab makes network namespaces (npm run test:unit does not)`);
    return;
  }
  const progress = createProgress();
  const lab = openLab(progress);
  process.env["WEFT_DEBIAN_SUITE"] = suite;
  try {
    await lab.up({ nodes: 2, cni: "weft", ipFamily: "dual" });
    await tapEach(title, patterns, ["--jobs=1", "--timeout=600"]);
  } catch (error) {
    count.failed++;
    failures.push(`${title}: the lab did not come up`);
    console.log(`!! ${title}: the lab did not come up: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    if (process.env["WEFT_KEEP_LAB"] === undefined) await down(lab.paths, progress);
  }
}

/** Puts on the machine what tests against real servers need, so that none of them is skipped for want of it. */
async function prepareMachine(): Promise<void> {
  const progress = createProgress();
  await ensurePackages(LAB_NEEDS, progress);
  // One is bound by the network and the disk, the other by the processors.
  await Promise.all([ensureRootfs(progress), ensureKubeBinaries(progress)]);
}

const SMOKE = ["test/e2e/smoke/**/*.test.ts"];
const RELEASE = ["test/e2e/release/**/*.test.ts"];
/** What depends on how northd, ovn-controller and the switch do their work. */
const VERSIONS = [
  ...SMOKE,
  ...["egress-services", "fragments", "services", "sources"].map((name) => `test/e2e/release/${name}.test.ts`),
];

async function main(tier: string, { suite }: { readonly suite?: string }): Promise<void> {
  const whole = tier !== "unit";
  if (whole && process.getuid?.() === 0) await prepareMachine();
  await check("lint", "hack/lint", []);
  await check("types", "tsc", ["--noEmit"]);
  await tap("unit tests", UNIT, ["--jobs=2", "--timeout=300"]);
  // By itself: it uses all processors.
  await tap("simulation", ["test/sim/**/*.test.ts"], ["--jobs=1", "--timeout=600"]);
  if (whole) await onLab("smoke tests on the lab", suite ?? DEBIAN_SUITE, SMOKE);
  if (tier === "release") {
    await check("policies by the thousand", "node", ["test/policy-oracle/main.ts", "--runs", "4000"]);
    await onLab("release tests on the lab", suite ?? DEBIAN_SUITE, RELEASE);
    // Without the argument, on the OVN and OVS to come as well.
    if (suite === undefined) await onLab("tests on the lab with the newest OVN", NEWEST_SUITE, VERSIONS);
  }
  const { passed, failed, skipped } = count;
  const what = failures.length === 0 ? "" : `: ${failures.join("; ")}`;
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}${what}`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

const program = new Command("test")
  .description("Runs lint, types and unit tests; `smoke` adds the tests on the lab, `release` the long ones.")
  .argument("<tier>", "unit, smoke or release")
  .option("--suite <name>", "the Debian suite whose OVS and OVN the lab runs; without it, `release` runs on two")
  .action(main);
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
