// SPDX-License-Identifier: Apache-2.0

/** Tools whose own arguments follow, and the number of weftctl's before them. */
const TOOLS: Readonly<Record<string, number>> = {
  ...{ nbctl: 0, sbctl: 0, vsctl: 1, ofctl: 1, dpctl: 1, appctl: 1, tcpdump: 1 },
};

/**
 * Converts the arguments of `kubectl ko`, whose programs' options need no `--` before them, to those of `weftctl`.
 * The name of the program decides: `kubectl-ko`; for other names the arguments stay unchanged.
 */
export function argumentsFor(name: string, args: readonly string[]): readonly string[] {
  if (!/^kubectl-ko(\.exe)?$/.test(name)) return args;
  const [verb = "", ...rest] = args;
  // Kube-OVN's `nb status`, `sb backup` …: here both databases of each replica.
  if ((verb === "nb" || verb === "sb") && (rest[0] === "status" || rest[0] === "backup")) return ["central", ...rest];
  if (verb === "ovn-trace") return ["trace", ...rest];
  const own = TOOLS[verb];
  return own === undefined ? args : [verb, ...rest.slice(0, own), "--", ...rest.slice(own)];
}
