// SPDX-License-Identifier: Apache-2.0

import type { Command } from "commander";

/** Shells for which there is a script. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/**
 * A script that completes subcommands, options and fixed arguments of `program`, under its own name and as a plugin of kubectl. zsh reads bash's by
 * `bashcompinit`, which is its own.
 */
export function completionScript(program: Command, shell: (typeof SHELLS)[number]): string {
  return shell === "fish" ? fishScript(program) : bashScript(program, shell === "zsh");
}

/** One line for each word, with its description (complete(1) of fish). */
function fishScript(program: Command): string {
  const all = [...commands(program, "weftctl")];
  const lines = all.flatMap(([path, command]) => {
    const add = (what: string, description: string): string =>
      `  complete -c $command -n ${fishQuoted(`__weftctl_at ${path}`)} ${what} -d ${fishQuoted(description)}`;
    return [
      ...shown(command).map((sub) => add(`-a ${fishQuoted(sub.name())}`, sub.description())),
      ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
        argChoices.map((choice) => add(`-a ${fishQuoted(choice)}`, description)),
      ),
      ...new Set(
        [...command.options, ...program.options].flatMap(({ long, required, description }) =>
          long === undefined ? [] : add(`-l ${long.slice(2)}${required ? " -r" : ""}`, description),
        ),
      ),
    ];
  });
  return `function __weftctl_at
  set -l path weftctl
  for word in (commandline -opc)[2..-1]
    if contains -- $path/$word ${all.map(([path]) => path).join(" ")}
      set path $path/$word
    end
  end
  test $path = $argv[1]
end
for command in weftctl kubectl-weft
${lines.join("\n")}
end
`;
}

/** In single quotes of fish, only \\ and ' are special. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}

function bashScript(program: Command, forZsh: boolean): string {
  const cases = [...commands(program, "")].map(([path, command]) => {
    const options = [...command.options, ...program.options].flatMap(({ long }) => long ?? []);
    const fixed = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    const words = [...shown(command).map((sub) => sub.name()), ...fixed, ...new Set(options), "--help"];
    return `    ${quoted(path)}) offer=${quoted(words.join(" "))} ;;`;
  });
  const paths = [...commands(program, "")].map(([path]) => path).filter((path) => path !== "");
  // The variables `path` and `words` are zsh's own, and it reads a letter after a colon as a modifier.
  return `${forZsh ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}_weftctl() {
  local cur=\${COMP_WORDS[COMP_CWORD]} verb= word offer=
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    case "$verb/$word" in ${paths.map(quoted).join("|")}) verb=$verb/$word ;; esac
  done
  case "$verb" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$offer" -- "$cur"))
}
complete -o default -F _weftctl weftctl kubectl-weft
`;
}

/** A command and all below it by their paths: "", "/status", "/policy/explain"; `path` is before them. Hidden ones are left out. */
function* commands(command: Command, path: string): Iterable<readonly [path: string, command: Command]> {
  yield [path, command];
  for (const sub of shown(command)) yield* commands(sub, `${path}/${sub.name()}`);
}

/** The subcommands that `--help` lists. */
function shown(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => command.commands.includes(sub));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
