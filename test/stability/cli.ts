// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { inspect } from "node:util";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parse } from "yaml";
import { withFileLock } from "../../hack/host/lock.ts";
import type { Clock } from "../../src/time/clock.ts";
import { EXIT, StabilityError, textOf } from "./errors.ts";
import { FORMS } from "./faults/words.ts";
import type { Registry } from "./registry.ts";
import { readStore, storeResult } from "./report/store.ts";
import { summaryText } from "./report/table.ts";
import { trendsOf, trendsText } from "./report/trends.ts";
import { clean } from "./run/clean.ts";
import { UndoJournal } from "./run/journal.ts";
import { runTask, unsupported } from "./run/run-task.ts";
import { CLUSTER_PARTS } from "./targets/parts.ts";
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

/** The commands of a task. */
const EXAMPLES = `Examples:
  npm run lab -- up --ip-family dual
  npm run stability -- test/stability/tasks/minutes.yaml
  npm run stability -- test/stability/tasks/disks.yaml --only "full disk of nb" --set repeat=3
  npm run stability -- check test/stability/tasks/minutes.yaml --target kubeconfig:$HOME/.kube/config

The shipped tasks, what is measured, and how to write a task and a plugin: docs/stability.md`;

/** Dependencies of the command. */
export interface CliWorld {
  readonly plugins: Registry;
  readonly clock: Clock;
  /** Created when a run begins; aborted when the user interrupts it: faults end, and the setup is undone. */
  interrupt(): AbortSignal;
  /** For standard output. */
  print(text: string): void;
  /** Progress, for standard error. */
  log(text: string): void;
  /** Errors, for standard error. */
  error(text: string): void;
}

function addVariable(text: string, before: Record<string, unknown>): Record<string, unknown> {
  const [, name, value = ""] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("must be NAME=VALUE.");
  try {
    return { ...before, [name]: parse(value, { prettyErrors: false }) as unknown };
  } catch (error) {
    throw new InvalidArgumentError(`VALUE is not YAML: ${textOf(error)}`);
  }
}

function load(file: string, { set, target, only }: RunOptions, { plugins }: CliWorld): Task {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    throw new StabilityError("invalid-task", `cannot read ${file}: ${textOf(error)}`, { cause: error });
  }
  const task = onlyRuns(loadTask(file, source, set, plugins), only);
  if (target === undefined) return task;
  const [, name = "", path] = /^([^:]*)(?::(.*))?$/s.exec(target) ?? [];
  const found = plugins.targets.find((one) => one.name === name);
  const options = path === undefined ? null : { path };
  const configured = found?.configure(options);
  if (configured?.ok !== true) {
    const names = plugins.targets.map((one) => one.name).join(", ");
    throw new StabilityError("invalid-task", `--target ${target}: must be one of: ${names} (kubeconfig:PATH)`);
  }
  return { ...task, target: { name, options, choice: configured.value } };
}

async function run(file: string, options: RunOptions, world: CliWorld): Promise<number> {
  const { plugins, clock, print, log } = world;
  const task = load(file, options, world);
  const journal = new UndoJournal(join(options.state, "journal.jsonl"));
  await clean(journal, plugins.targets, log);
  const target = await task.target.choice.open();
  const signal = world.interrupt();
  try {
    journal.begin({ name: task.target.name, options: task.target.options });
    const result = await runTask(task, { target, clock, journal, signal, log });
    const paths = storeResult(join(options.state, "results"), result, plugins.reports);
    print(summaryText(result));
    for (const path of paths) print(relative(process.cwd(), path));
    return EXIT[result.outcome];
  } finally {
    // The journal stays if the target cannot remove what it has created in the cluster.
    await target.close();
    journal.end();
  }
}

async function checkTask(file: string, options: RunOptions, world: CliWorld): Promise<void> {
  const task = load(file, options, world);
  const runs = task.runs.map(
    ({ name, hooks, repeat }) => `  ${name}: ${hooks.map(({ fault }) => fault.shown).join(" + ")} × ${repeat}`,
  );
  world.print([`${task.title}: ${task.runs.length} runs on ${task.target.name}`, ...runs].join("\n"));
  if (options.target === undefined) return;
  const target = await task.target.choice.open();
  const lacking = unsupported(task, target);
  await target.close();
  if (lacking.length > 0) throw new StabilityError("unsupported", lacking.join("\n"));
}

function listPlugins({ plugins: registry, print }: CliWorld): void {
  for (const [kind, plugins] of Object.entries(registry)) {
    print(`${kind}:`);
    for (const { name, summary } of plugins) print(`  ${name.padEnd(26)}${summary}`);
  }
  print(["faults in words:", ...FORMS.map((form) => `  ${form}`)].join("\n"));
  print("parts:");
  for (const [name, { shown, roles, also }] of Object.entries(CLUSTER_PARTS)) {
    const more = [
      ...(roles.length === 0 ? [] : [`roles: ${roles.join(", ")}`]),
      ...(also.length === 0 ? [] : [`also called ${also.join(", ")}`]),
    ];
    print(`  ${name.padEnd(26)}${[shown, ...more].join("; ")}`);
  }
}

interface TrendOptions extends Common {
  readonly measures: string;
  readonly last: number;
  readonly output: "table" | "json";
}

function trends({ state, measures, last, output }: TrendOptions, { print, log }: CliWorld): void {
  const found = trendsOf(readStore(join(state, "results"), log), measures.split(","));
  print(output === "json" ? JSON.stringify(found, null, 2) : trendsText(found, last).trimEnd());
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("must be a number from 1.");
  return value;
}

/** Runs the command with its arguments, and returns its exit code. Does not reject: errors are printed, our own in one line each. */
export async function stability(args: readonly string[], world: CliWorld): Promise<number> {
  const { plugins, print, log, error } = world;
  let code: number = EXIT.passed;
  const program = new Command("npm run stability --")
    .exitOverride()
    .configureOutput({ writeOut: (text) => print(text.trimEnd()), writeErr: (text) => error(text.trimEnd()) })
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
  ).action(async (file: string, options: RunOptions) => {
    code = await withFileLock(
      join(options.state, "lock"),
      () => run(file, options, world),
      () => log("another run uses this folder; waiting for it"),
    );
  });
  withTask(program.command("check").description("checks a task; with --target also what the target cannot do")).action(
    (file: string, options: RunOptions) => checkTask(file, options, world),
  );
  withState(program.command("clean").description("undoes what a run that was killed left behind")).action(
    ({ state }: Common) =>
      withFileLock(join(state, "lock"), () =>
        clean(new UndoJournal(join(state, "journal.jsonl")), plugins.targets, log),
      ),
  );
  program
    .command("plugins")
    .description("lists the plugins that tasks may name")
    .action(() => listPlugins(world));
  withState(program.command("trends").description("how measures developed over stored results"))
    .option("--measures <names>", "comma-separated", "failures,longest_gap,recovery,first_ready,relative_degradation")
    .option("--last <n>", "so many results of each task", positive, 5)
    .addOption(
      new Option("-o, --output <format>", "for people or for programs").choices(["table", "json"]).default("table"),
    )
    .action((options: TrendOptions) => trends(options, world));
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return EXIT.invalid;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (thrown) {
    return exitOf(thrown, error);
  }
}

/** Prints an error, unless that has been done, and returns the exit code. Node.js and commander would use 1, which is a failed SLA here. */
function exitOf(thrown: unknown, error: CliWorld["error"]): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.passed : EXIT.invalid;
  error(thrown instanceof StabilityError ? thrown.message : inspect(thrown));
  if (thrown instanceof StabilityError && ["invalid-task", "unsupported"].includes(thrown.code)) return EXIT.invalid;
  return EXIT.broken;
}
