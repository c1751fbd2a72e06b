// SPDX-License-Identifier: Apache-2.0

import { ToolError } from "./targets.ts";

/** Tools whose own arguments follow, and the number of weftctl's before them. */
const TOOLS: Readonly<Record<string, number>> = {
  ...{ nbctl: 0, sbctl: 0, vsctl: 1, ofctl: 1, dpctl: 1, appctl: 1, tcpdump: 1 },
};

/**
 * Converts the arguments of `kubectl ko`, whose programs' options need no `--` before them, to those of `weftctl`.
 * The name of the program decides: `kubectl-ko`; for other names the arguments stay unchanged. Throws a `ToolError` that says what to do instead for a verb that has no counterpart.
 */
export function argumentsFor(name: string, args: readonly string[]): readonly string[] {
  if (!/^kubectl-ko(\.exe)?$/.test(name)) return args;
  const [verb = "", ...rest] = args;
  if (verb === "nb" || verb === "sb") return centralArguments(verb, rest);
  const instead = INSTEAD[verb === "diagnose" && rest[0] === "IPPorts" ? "diagnose IPPorts" : verb];
  if (instead !== undefined) throw new ToolError(`kubectl ko ${verb} has no counterpart: ${instead}`);
  if (verb === "log" && LOGS[rest[0] ?? ""] !== undefined)
    throw new ToolError(`kubectl ko log ${rest[0]} does not collect files: ${LOGS[rest[0] ?? ""]}`);
  if (verb === "trace" || verb === "ovn-trace") return ["trace", ...traceArguments(rest)];
  const own = TOOLS[verb];
  return own === undefined ? args : [verb, ...rest.slice(0, own), "--", ...rest.slice(own)];
}

/** Kube-OVN's `nb status`, `sb backup` …: here both databases of each replica. */
function centralArguments(verb: string, [action = "", ...rest]: readonly string[]): readonly string[] {
  switch (action) {
    case "dbstatus":
    case "status":
      return ["central", "status", ...rest];
    case "backup":
      return ["central", "backup", ...rest];
    case "kick":
    case "restore":
      throw new ToolError(
        `kubectl ko ${verb} ${action} has no counterpart: \`central rejoin NODE\` has a replica that is lost or inconsistent join the others again, \`central restore NODE\` goes back to a backup`,
      );
    default:
      throw new ToolError(`kubectl ko ${verb}: must be one of: status, dbstatus, backup`);
  }
}

/** What to use for Kube-OVN's verbs that have no counterpart. */
const INSTEAD: Readonly<Record<string, string>> = {
  reload:
    "Weft's components follow changes without a restart; `kubectl -n kube-system rollout restart` restarts one workload",
  icnbctl: "Weft does not interconnect clusters by OVN-IC",
  icsbctl: "Weft does not interconnect clusters by OVN-IC",
  "diagnose IPPorts": "`trace node/NAME ADDRESS tcp PORT` follows a packet, `diagnose` checks the nodes",
};

const STREAM = "`log controller|daemon|central|ovs [NODE]` prints the log of a component, from all nodes or one";
/** Kube-OVN's groups of log files. */
const LOGS: Readonly<Record<string, string>> = {
  ...{ "kube-ovn": STREAM, ovn: STREAM, all: STREAM },
  linux: "`diagnose node NAME` checks links, routes, MTUs and checksums of a node and its pods",
};

const MAC = /^([\da-f]{1,2}:){5}[\da-f]{1,2}$/i;

/** `POD|node//NODE ADDRESS [MAC] PROTOCOL [PORT]` of `kubectl ko trace`. */
function traceArguments([from = "", ...rest]: readonly string[]): readonly string[] {
  const node = /^[^/]*\/\/(.+)$/.exec(from)?.[1];
  const ends = [...(from === "" ? [] : [node === undefined ? from : `node/${node}`]), ...rest.slice(0, 1)];
  const mac = rest[1];
  if (rest.includes("arp", 1))
    throw new ToolError(
      "kubectl ko trace … arp has no counterpart: OVN answers ARP for the addresses of a Subnet itself; trace icmp instead",
    );
  return mac !== undefined && MAC.test(mac) ? [...ends, ...rest.slice(2), `--mac=${mac}`] : [...ends, ...rest.slice(1)];
}
