// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  type NorthboundRow,
  TABLES_WITH_MATCH,
  wrongMatches,
  wrongMatchesOfDatabase,
} from "../policy/testing/ovn-matches.ts";
import { findOvnTrace, refusedByOvn } from "../policy/testing/ovn-trace.ts";

const ROOT = join(import.meta.dirname, "..");

/** The rows with a match in the golden files of units, each match once for each table and direction. */
function goldenRows(): readonly NorthboundRow[] {
  const found = new Map<string, NorthboundRow>();
  for (const file of globSync("**/{units,service}.golden/*.txt", { cwd: ROOT })) {
    for (const part of readFileSync(join(ROOT, file), "utf8").split(/^(?=[A-Z])/m)) {
      const [, table = "", name = ""] = /^([A-Z]\w+) (.*)/.exec(part) ?? [];
      const match = /^ {4}match: (".*")$/m.exec(part)?.[1];
      if (match === undefined) continue;
      const direction = /^ {4}direction: "(.*)"$/m.exec(part)?.[1];
      const columns = { name: `${file}: ${name}`, match: String(JSON.parse(match)), direction };
      found.set(`${table} ${direction} ${columns.match}`, { table, uuid: "", columns });
    }
  }
  return [...found.values()];
}

t.test("OVN accepts each match that units write, and each can match a packet", async (t) => {
  const rows = goldenRows();
  t.ok(rows.length > 60, `${rows.length} matches`);
  t.same(new Set(rows.map(({ table }) => table)).difference(new Set<string>(TABLES_WITH_MATCH)), new Set());
  t.same(wrongMatches(rows), []);
});

const trace = findOvnTrace();
const skip = typeof trace === "string" ? trace : false;

t.test("OVN itself accepts each match that units write", { skip }, async (t) => {
  const matches = goldenRows().map(({ columns }) => String(columns["match"]));
  t.same(await refusedByOvn(t, matches), []);
});

t.test("matches that OVN is known to refuse are refused by OVN and by the check", { skip }, async (t) => {
  const bad = [
    ...['inport != "p"', "!nd", "!(icmp6.type == 135)", "!ip4", "ip4.src == $gone", "inport == @gone"],
    ...["tcp.port == 80", "ip4.src == fd00::1", "ip4 && tcp || udp"],
  ];
  const rows = bad.map((match) => ({ table: "ACL", uuid: match, columns: { match, direction: "to-lport" } }));
  t.same(await refusedByOvn(t, bad), bad);
  t.same(
    wrongMatches(rows).map((text) => text.split(": ")[1]),
    bad.filter((match) => !/[$@]/.test(match)),
    "names are looked up in a whole database only",
  );
});

t.test("in a database each group, set and port of a match must exist where the match is evaluated", async (t) => {
  const acl = (uuid: string, match: string) => ({ table: "ACL", uuid, columns: { match, direction: "to-lport" } });
  const group = (name: string, ports: string[], acls: string[]) => ({
    table: "Port_Group",
    uuid: name,
    columns: { name, ports, acls },
  });
  const switchWith = (name: string, ports: string[], acls: string[]) => ({
    table: "Logical_Switch",
    uuid: name,
    columns: { name, ports, acls },
  });
  const port = (name: string) => ({ table: "Logical_Switch_Port", uuid: name, columns: { name } });
  const common = [port("a"), port("b"), group("web", ["a"], ["1"]), switchWith("one", ["a"], [])];
  const judge = (match: string): readonly string[] =>
    wrongMatchesOfDatabase([...common, acl("1", "ip4"), acl("2", match), switchWith("two", ["b"], ["2"])]);
  t.same(judge("ip4.src == $web_ip4 && inport == @web"), [], "nothing could match anyway where the group has no port");
  t.match(judge("ip4.src == $db_ip4"), [/there is no \$db_ip4$/]);
  t.match(judge('inport == "c"'), [/there is no port c$/]);
  t.match(judge("inport == @web || ip6"), [/OVN ignores it in switch two, where @web has no port$/]);
});
