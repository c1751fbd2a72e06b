// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { OVN_SB } from "../../ovsdb/generated/ovn-sb.ts";
import { findOvsTools, type OvsTools } from "../../ovsdb/testing/ovs-tools.ts";
import { type NewRow, TestFolder } from "../../ovsdb/testing/server.ts";
import { readMatch } from "../match-evaluation.ts";
import type { MatchExpression } from "../match-expression.ts";
import { setsIn } from "../user-match.ts";
import { portsIn } from "./ovn-matches.ts";

/** The command that runs OVN's own ovn-trace, from where the other programs are; or why there is none. */
export function findOvnTrace(): readonly string[] | string {
  // What is installed on a machine may be without OVN; the cached root file system has it.
  process.env["WEFT_TEST_OVS"] = "cache";
  const tools = findOvsTools();
  if (typeof tools === "string") return tools;
  const command = tools.command("ovs-appctl");
  const path = join(dirname(command.at(-1) ?? ""), "ovn-trace");
  return existsSync(path) ? [...command.slice(0, -1), path] : `no ${basename(path)} beside ovs-appctl`;
}

/** Those of the matches that the parser of OVN refuses in a logical flow. All sets that they name exist, but those named `gone`. */
export async function refusedByOvn(t: Test, matches: readonly string[]): Promise<readonly string[]> {
  const folder = await TestFolder.make(findOvsTools() as OvsTools);
  t.teardown(() => folder.close());
  const server = await folder.standalone(OVN_SB);
  const named = (names: (match: MatchExpression) => Iterable<string>): Set<string> =>
    new Set(matches.flatMap((match) => [...names(readMatch(match) ?? NOTHING)]));
  const ports = ["a", ...named(portsIn).difference(new Set(["a"]))];
  const sets = named(setsIn).difference(new Set(["$gone", "@gone"]));
  const rows: readonly NewRow[] = [
    { table: "Datapath_Binding", name: "dp", row: { tunnel_key: 1, external_ids: ["map", [["name", "ls"]]] } },
    ...ports.map((logical_port, i) => ({
      table: "Port_Binding",
      row: { logical_port, type: "", datapath: ["named-uuid", "dp"], tunnel_key: i + 1 },
    })),
    ...[...sets].map((set) =>
      set.startsWith("@")
        ? // The southbound database has a port group for each datapath.
          { table: "Port_Group", row: { name: `1_${set.slice(1)}`, ports: ["set", ["a"]] } }
        : {
            table: "Address_Set",
            row: { name: set.slice(1), addresses: ["set", [set.endsWith("ip6") ? "fd00::1" : "10.0.0.1"]] },
          },
    ),
    ...matches.map((match, i) => ({
      table: "Logical_Flow",
      row: {
        priority: i,
        match,
        logical_datapath: ["named-uuid", "dp"],
        pipeline: "ingress",
        table_id: 0,
        actions: "drop;",
      },
    })),
  ];
  t.notMatch(await folder.insert(server, OVN_SB.name, rows), /error/);
  const [command = "", ...options] = findOvnTrace() as readonly string[];
  const packet =
    'inport == "a" && outport == "a" && eth.src == 00:00:00:00:00:01 && ip4.src == 192.0.2.1 && udp.dst == 9';
  const { stderr } = await promisify(execFile)(
    command,
    [...options, `--db=${server.remote}`, "-vPATTERN:console:%c|%p|%m", "ls", packet],
    { maxBuffer: 1 << 26 },
  );
  await server.stop();
  const refused = stderr.split("\n").flatMap((line) => /\|(.*): parsing expression failed/.exec(line)?.slice(1) ?? []);
  return matches.filter((match) => refused.some((text) => text.endsWith(match)));
}

const NOTHING: MatchExpression = { kind: "constant", value: false };
