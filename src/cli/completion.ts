// SPDX-License-Identifier: Apache-2.0

import type { Command } from "commander";

/** Shells for which there is a script. */
export const SHELLS = ["bash", "zsh"] as const;

/**
 * A script that completes subcommands, options and fixed arguments of `program`, under its own name and as a plugin of kubectl. zsh reads bash's by
 * `bashcompinit`, which is its own.
 */
export function completionScript(program: Command, shell: (typeof SHELLS)[number]): string {
  const cases = [...commands(program, "")].map(([path, command]) => {
    const options = [...command.options, ...program.options].flatMap(({ long }) => long ?? []);
    const fixed = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    const words = [...command.commands.map((sub) => sub.name()), ...fixed, ...new Set(options), "--help"];
    return `    ${quoted(path)}) offer=${quoted(words.join(" "))} ;;`;
  });
  const paths = [...commands(program, "")].map(([path]) => path).filter((path) => path !== "");
  // The variables `path` and `words` are zsh's own, and it reads a letter after a colon as a modifier.
  return `${shell === "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}_weftctl() {
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

/** A command and all below it by their paths: "", "/status", "/policy/explain". */
function* commands(command: Command, path: string): Iterable<readonly [path: string, command: Command]> {
  yield [path, command];
  for (const sub of command.commands) yield* commands(sub, `${path}/${sub.name()}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
