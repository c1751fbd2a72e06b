// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { parse } from "yaml";
import { withFileLock } from "../../hack/host/lock.ts";
import { SYSTEM_CLOCK } from "../../src/time/clock.ts";
import { EXIT, StabilityError, textOf } from "./errors.ts";
import { FORMS } from "./faults/words.ts";
import { PLUGINS } from "./plugins.ts";
import { readStore, storeResult } from "./report/store.ts";
import { summaryText } from "./report/table.ts";
import { trendsOf, trendsText } from "./report/trends.ts";
import { clean } from "./run/clean.ts";
import { Journal } from "./run/journal.ts";
import { runTask, unsupported } from "./run/run-task.ts";
import { PARTS } from "./targets/parts.ts";
import { loadTask, onlyRuns } from "./task/load.ts";
import type { Task } from "./task/task.ts";

/** Options of all commands. */
interface Common {
  /** Where the journal and the results are. */
  readonly state: string;
}

interface RunOptions extends Common {
  readonly set: Readonly<Record<string, unknown>>;
  readonly target?: string;
  readonly only?: string;
}

/** What to begin with. */
const EXAMPLES = `Examples:
  npm run lab -- up --ip-family dual
  npm run stability -- test/stability/tasks/minutes.yaml
  npm run stability -- test/stability/tasks/disks.yaml --only "full disk of nb" --set repeat=3
  npm run stability -- check test/stability/tasks/minutes.yaml --target kubeconfig:$HOME/.kube/config

The shipped tasks, what is measured, and how to write a task and a plugin: docs/stability.md`;

const log = (message: string): void => console.error(`${new Date().toISOString().slice(11, 23)} ${message}`);

function addVariable(text: string, before: Record<string, unknown>): Record<string, unknown> {
  const [, name, value = ""] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("must be NAME=VALUE.");
  return { ...before, [name]: parse(value) as unknown };
}

function load(file: string, { set, target, only }: RunOptions): Task {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    throw new StabilityError("invalid-task", `cannot read ${file}: ${textOf(error)}`, { cause: error });
  }
  const task = onlyRuns(loadTask(file, source, set, PLUGINS), only);
  if (target === undefined) return task;
  const [, name = "", path] = /^([^:]*)(?::(.*))?$/s.exec(target) ?? [];
  const found = PLUGINS.targets.find((one) => one.name === name);
  const options = path === undefined ? null : { path };
  const configured = found?.configure(options);
  if (configured?.ok !== true) {
    const names = PLUGINS.targets.map((one) => one.name).join(", ");
    throw new StabilityError("invalid-task", `--target ${target}: must be one of: ${names} (kubeconfig:PATH)`);
  }
  return { ...task, target: { name, options, choice: configured.value } };
}

async function run(file: string, options: RunOptions): Promise<void> {
  const task = load(file, options);
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      log("interrupted: ending faults and cleaning up (once more ends at once, and leaves that to the next run)");
      interrupt.abort();
    });
  const journal = new Journal(join(options.state, "journal.jsonl"));
  await clean(journal, PLUGINS.targets, log);
  const target = await task.target.choice.open();
  try {
    journal.begin({ name: task.target.name, options: task.target.options });
    const result = await runTask(task, { target, clock: SYSTEM_CLOCK, journal, signal: interrupt.signal, log });
    const paths = storeResult(join(options.state, "results"), result, PLUGINS.reports);
    console.log(summaryText(result));
    for (const path of paths) console.log(relative(process.cwd(), path));
    process.exitCode = EXIT[result.outcome];
  } finally {
    // The journal stays where the target cannot take away what it has put into the cluster.
    await target.close();
    journal.end();
  }
}

async function checkTask(file: string, options: RunOptions): Promise<void> {
  const task = load(file, options);
  const runs = task.runs.map(
    ({ name, hooks, repeat }) => `  ${name}: ${hooks.map(({ fault }) => fault.shown).join(" + ")} × ${repeat}`,
  );
  console.log([`${task.title}: ${task.runs.length} runs on ${task.target.name}`, ...runs].join("\n"));
  if (options.target === undefined) return;
  const target = await task.target.choice.open();
  const lacking = unsupported(task, target);
  await target.close();
  if (lacking.length > 0) throw new StabilityError("unsupported", lacking.join("\n"));
}

function listPlugins(): void {
  for (const [kind, plugins] of Object.entries(PLUGINS)) {
    console.log(`${kind}:`);
    for (const { name, summary } of plugins) console.log(`  ${name.padEnd(26)}${summary}`);
  }
  console.log(["faults in words:", ...FORMS.map((form) => `  ${form}`)].join("\n"));
  console.log("parts:");
  for (const [name, { shown, roles, also }] of Object.entries(PARTS)) {
    const more = [
      ...(roles.length === 0 ? [] : [`roles: ${roles.join(", ")}`]),
      ...(also.length === 0 ? [] : [`also called ${also.join(", ")}`]),
    ];
    console.log(`  ${name.padEnd(26)}${[shown, ...more].join("; ")}`);
  }
}

function trends({ state, measures, last }: Common & { measures: string; last: string }): void {
  const results = readStore(join(state, "results"), log);
  console.log(trendsText(trendsOf(results, measures.split(",")), Number(last)));
}

/** Errors of ours are told in one line each, with an exit code of their own. */
async function main(): Promise<void> {
  const program = new Command("npm run stability --")
    .exitOverride()
    .description(
      `Breaks a cluster on purpose and measures the damage. Exit codes: ${EXIT.passed} passed, ${EXIT.failed} an SLA or a verifier failed, ${EXIT.invalid} the task is invalid or the target cannot do it, ${EXIT.broken} the run is broken, ${EXIT.interrupted} interrupted.`,
    )
    .addHelpText("after", `\n${EXAMPLES}`);
  const withState = (command: Command): Command =>
    command.option("--state <folder>", "where the journal and the results are", "dist/stability");
  const withTask = (command: Command): Command =>
    withState(command)
      .argument("<task>", "a task (YAML)")
      .option("--set <name=value>", "a variable of the task; repeat for more", addVariable, {})
      .option("--only <text>", "only the runs with this text in their names")
      .option("--target <target>", "lab, or kubeconfig[:PATH], instead of the task's");
  withTask(
    program.command("run", { isDefault: true }).description("runs a task, after cleaning up what a killed run left"),
  ).action((file: string, options: RunOptions) =>
    withFileLock(
      join(options.state, "lock"),
      () => run(file, options),
      () => log("another run uses this folder; waiting for it"),
    ),
  );
  withTask(program.command("check").description("checks a task; with --target also what the target cannot do")).action(
    checkTask,
  );
  withState(program.command("clean").description("undoes what a run that was killed left behind")).action(
    ({ state }: Common) =>
      withFileLock(join(state, "lock"), () => clean(new Journal(join(state, "journal.jsonl")), PLUGINS.targets, log)),
  );
  program.command("plugins").description("lists the plugins that tasks may name").action(listPlugins);
  withState(program.command("trends").description("how measures developed over stored results"))
    .option("--measures <names>", "comma-separated", "failures,longest_gap,recovery,first_success,relative_degradation")
    .option("--last <n>", "so many results", "5")
    .action(trends);
  if (process.argv.length <= 2) {
    program.outputHelp({ error: true });
    process.exitCode = EXIT.invalid;
    return;
  }
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = exitOf(error);
  }
}

/** Tells an error, unless that has been done, and returns the exit code. Node.js and commander would say 1, which is a failed SLA here. */
function exitOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.passed : EXIT.invalid;
  console.error(error instanceof StabilityError ? error.message : error);
  if (error instanceof StabilityError && ["invalid-task", "unsupported"].includes(error.code)) return EXIT.invalid;
  return EXIT.broken;
}

await main();
