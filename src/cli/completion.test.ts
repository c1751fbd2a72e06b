// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { Argument, Command } from "commander";
import t from "tap";
import { completionScript, SHELLS } from "./completion.ts";

const program = new Command("weftctl").option("-o, --output <form>").option("--context <name>");
program.command("status").option("-n, --namespace <namespace>");
program.command("diagnose").addArgument(new Argument("[area]").choices(["all", "node"]));
program.command("policy").command("explain");

/** The completions of bash for the last word of a line. */
function offered(...words: readonly string[]): readonly string[] {
  const line = ["weftctl", ...words].map((word) => `'${word}'`).join(" ");
  const script = `${completionScript(program, "bash")}
COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _weftctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  t.equal(stderr, "");
  return stdout.split("\n").filter((word) => word !== "");
}

t.test("bash completes subcommands, their options and fixed arguments", async (t) => {
  t.same(offered("s"), ["status"]);
  t.same(offered("policy", ""), ["explain", "--output", "--context", "--help"]);
  t.same(offered("diagnose", "n"), ["node"]);
  t.same(offered("--context", "x", "status", "--n"), ["--namespace"]);
  t.same(offered("policy", "explain", "--o"), ["--output"]);
  // zsh: "unrecognized modifier".
  t.notMatch(completionScript(program, "zsh"), /\$\{[^}]*:[A-Z]/);
  t.match(completionScript(program, "zsh"), /^autoload -U \+X bashcompinit/);
});

t.test("hidden commands are not offered", async (t) => {
  const own = new Command("weftctl");
  own.command("in-pod", { hidden: true });
  own.command("status").description("it's the state");
  for (const shell of SHELLS) t.notMatch(completionScript(own, shell), /in-pod/, shell);
});

t.test("fish gets a line for each subcommand, fixed argument and option, with its description", async (t) => {
  const own = new Command("weftctl").option("--context <name>", "context of the kubeconfig");
  own.command("status").description("it's the state").option("--wide", "more");
  own.command("diagnose").addArgument(new Argument("[area]", "what to check").choices(["all", "node"]));
  const lines = completionScript(own, "fish").split("\n");
  for (const line of [
    String.raw`  complete -c $command -n '__weftctl_at weftctl' -a 'status' -d 'it\'s the state'`,
    "  complete -c $command -n '__weftctl_at weftctl/diagnose' -a 'node' -d 'what to check'",
    "  complete -c $command -n '__weftctl_at weftctl/status' -l wide -d 'more'",
    "  complete -c $command -n '__weftctl_at weftctl/status' -l context -r -d 'context of the kubeconfig'",
  ])
    t.ok(lines.includes(line), `${line}\n${lines.join("\n")}`);
});
