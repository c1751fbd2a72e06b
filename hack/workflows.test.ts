// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { ROOT } from "./build/npm.ts";

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Job {
  readonly "runs-on"?: unknown;
  readonly "timeout-minutes"?: unknown;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly name?: unknown;
  readonly permissions?: unknown;
  readonly concurrency?: { readonly group?: unknown };
  readonly jobs: Readonly<Record<string, Job>>;
}

const FOLDER = join(ROOT, ".github/workflows");
const SCRIPTS = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> })
  .scripts;
const FILES = globSync("*.yml", { cwd: FOLDER }).sort();

/** `npm test` or `npm run NAME`, as root where that is needed; nothing beside it, so that whatever CI does can be done by anyone. */
const COMMAND = /^(?:sudo env "PATH=\$PATH" (?:CI=true )?)?npm (?:run (?:-s )?(\S+)|(test))(?: -- [^;&|<>`\n]*)?$/;
/** A commit of an action's repository, and which version that is. */
const PINNED = /^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/;
/** What may write, and what: nothing else gets more than to read the sources. */
const WRITERS: Readonly<Record<string, readonly string[]>> = {
  "release.yml publish": ["artifact-metadata", "attestations", "contents", "id-token", "packages"],
};

for (const file of FILES) {
  const text = readFileSync(join(FOLDER, file), "utf8");
  const workflow = parse(text) as Workflow;
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps ?? []);

  t.test(`${file} has a name and a concurrency group, and gives no job a right that the job does not name`, (t) => {
    t.equal(workflow.name, basename(file, ".yml"));
    t.strictSame(workflow.permissions, {});
    t.type(workflow.concurrency?.group, "string");
    t.end();
  });

  for (const [name, job] of Object.entries(workflow.jobs)) {
    t.test(`${file}: the job ${name} has a fixed runner, a timeout, and only the rights that it needs`, (t) => {
      t.type(job["timeout-minutes"], "number");
      t.notMatch(JSON.stringify(job["runs-on"]), "latest");
      const writes = Object.entries(job.permissions ?? {}).filter(([, right]) => right === "write");
      t.strictSame(writes.map(([what]) => what).sort(), WRITERS[`${file} ${name}`] ?? []);
      t.ok(job.permissions !== undefined, "permissions are said");
      t.end();
    });
  }

  t.test(`${file} runs npm scripts that there are, and nothing else`, (t) => {
    const commands = steps.flatMap(({ run }) => (run === undefined ? [] : [run.trim()]));
    t.ok(commands.length > 0);
    for (const command of commands) {
      const [, script, test] = COMMAND.exec(command) ?? [];
      t.ok(SCRIPTS[script ?? test ?? ""], command);
      // Text that others write (branches, titles) comes by the environment, where no shell reads it.
      t.notMatch(command, /\$\{\{(?!\s*(?:github\.run_number|matrix\.))/, command);
    }
    t.end();
  });

  t.test(`${file} names each action by a commit, and leaves no token in the checkout`, (t) => {
    for (const [, used = ""] of text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)) t.match(used, PINNED);
    for (const step of steps) {
      if (step.uses?.startsWith("actions/checkout@")) t.equal(step.with?.["persist-credentials"], false);
    }
    t.end();
  });
}

t.test("there is a workflow for each tier, for what is built, and for what is generated", (t) => {
  t.strictSame(
    FILES.map((file) => basename(file, ".yml")),
    ["chart", "coverage", "current", "image", "lab", "nightly", "release", "simulation", "unit"],
  );
  const all = FILES.map((file) => readFileSync(join(FOLDER, file), "utf8")).join("\n");
  for (const script of ["coverage", "test", "test:unit", "test:release", "sim", "generate", "chart", "release"]) {
    t.match(all, new RegExp(`npm (run )?${script}\\b`), script);
  }
  t.end();
});

t.test("one action is used in one version", (t) => {
  const all = FILES.map((file) => readFileSync(join(FOLDER, file), "utf8")).join("\n");
  const versions = new Map<string, Set<string>>();
  for (const [, action = "", version = ""] of all.matchAll(/uses: ([^@\s]+)@(.*)$/gm)) {
    versions.set(action, (versions.get(action) ?? new Set()).add(version));
  }
  for (const [action, used] of versions) t.equal(used.size, 1, `${action}: ${[...used].join(", ")}`);
  t.end();
});
