// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { writtenColumns } from "./northbound.ts";

/** Columns of rows that no golden file has: of ports with DHCP, and of those that stand for shared addresses. */
const ELSEWHERE = ["dhcpv4_options", "dhcpv6_options", "enabled"];

/** table → columns, of the rows and edges in the golden files of units; edges of rows of others are named by uuids there, and left out. */
function goldenColumns(): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  const add = (table: string, column: string): unknown => found.set(table, (found.get(table) ?? new Set()).add(column));
  for (const file of globSync("**/{units,service}.golden/*.txt", { cwd: join(import.meta.dirname, "..") })) {
    let table = "";
    for (const line of readFileSync(join(import.meta.dirname, "..", file), "utf8").split("\n")) {
      const edge = /^([A-Z]\w+) .* (\w+) \+= /.exec(line);
      const column = /^ {4}(\w+): /.exec(line)?.[1];
      if (edge !== null) add(edge[1] ?? "", edge[2] ?? "");
      else if (column !== undefined) add(table, column);
      else table = /^([A-Z]\w+) /.exec(line)?.[1] ?? "";
    }
  }
  for (const column of ELSEWHERE) add("Logical_Switch_Port", column);
  return found;
}

t.test("every table and column that a unit writes is mirrored, and no other", async (t) => {
  const plain = (columns: ReadonlyMap<string, Iterable<string>>): unknown =>
    Object.fromEntries([...columns].map(([table, names]) => [table, [...names].sort()]));
  t.strictSame(plain(writtenColumns()), plain(goldenColumns()));
});
