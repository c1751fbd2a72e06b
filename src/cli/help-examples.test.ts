// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import t from "tap";
import { addFlowsCommand } from "./flows/command.ts";
import { addPerfCommand } from "./perf/command.ts";
import { addReplayCommand } from "./replay/command.ts";

/** A program with these commands, which run nothing: it records the options of each called command. */
function program() {
  const ran: object[] = [];
  const main = new Command("weftctl").option("-o, --output <form>", "", "table").exitOverride();
  const run = async (options: object): Promise<void> => {
    ran.push(options);
    // `--follow` would not end.
    throw new Error("ran");
  };
  addFlowsCommand(main, run);
  addReplayCommand(main, run);
  addPerfCommand(main, run);
  for (const command of main.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  return { main, ran };
}

/** The lines of a text that are commands of weftctl. */
function examplesIn(text: string, name: string): readonly string[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line.startsWith(`weftctl ${name} `) && !line.includes("["));
}

const doc = readFileSync(join(import.meta.dirname, "../../docs/look-inside.md"), "utf8");

for (const name of ["flows", "replay", "perf"])
  t.test(`the examples of weftctl ${name} --help and of its page have options that it knows`, async (t) => {
    let help = "";
    const { main } = program();
    main.commands
      .find((command) => command.name() === name)
      ?.configureOutput({ writeOut: (text) => (help += text) })
      .outputHelp();
    const examples = [...examplesIn(help, name), ...examplesIn(doc, name)];
    t.ok(examplesIn(help, name).length > 2 && examplesIn(doc, name).length > 1, examples.join("\n"));
    for (const example of examples) {
      const { main, ran } = program();
      await t.rejects(main.parseAsync(example.split(/ +/).slice(1), { from: "user" }), { message: "ran" }, example);
      t.equal(ran.length, 1, example);
    }
    await t.rejects(program().main.parseAsync([name, "a", "--unknown"], { from: "user" }), {
      code: "commander.unknownOption",
    });
  });
