// SPDX-License-Identifier: Apache-2.0

import { MatchError } from "../match-error.ts";
import { parseMatch } from "../match-evaluation.ts";
import type { MatchExpression } from "../match-expression.ts";
import { type MatchPlace, mayMatch } from "../may-match.ts";
import { setsIn } from "../user-match.ts";

/** A row of the northbound database. */
export interface NorthboundRow {
  readonly table: string;
  readonly uuid: string;
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The tables of ovn-nb(5) with a column `match`. */
export const TABLES_WITH_MATCH = ["ACL", "Logical_Router_Policy", "NAT", "QoS"] as const;

const TABLES: ReadonlySet<string> = new Set(TABLES_WITH_MATCH);

/** What OVN refuses of the matches of rows: one text for each. */
export function refusedMatches(rows: Iterable<NorthboundRow>): readonly string[] {
  return judge(rows, (match) => (typeof match === "string" ? `OVN refuses it: ${match}` : undefined));
}

/**
 * The same, and what OVN accepts and never applies, which is right only where a user has written it. Rows that are looked at alone (one unit's) are
 * enough.
 */
export function wrongMatches(rows: Iterable<NorthboundRow>): readonly string[] {
  return judge(rows, (match, row) => {
    if (typeof match === "string") return `OVN refuses it: ${match}`;
    return mayMatch(match, { place: placeOf(row) }) ? undefined : "no packet matches";
  });
}

function judge(
  rows: Iterable<NorthboundRow>,
  why: (match: MatchExpression | string, row: NorthboundRow) => string | undefined,
): readonly string[] {
  return [...rows].flatMap((row) => {
    const match = matchOf(row);
    const wrong = match === undefined ? undefined : why(parsed(match), row);
    return wrong === undefined ? [] : [`${describe(row)}: ${match}: ${wrong}`];
  });
}

/**
 * The same for all rows of a database, where names are looked up as well: each group, set and port of a match must exist. A group without a port in a
 * switch is no set in the southbound database there, so that OVN installs nothing: that is right only where nothing could match anyway.
 */
export function wrongMatchesOfDatabase(all: readonly NorthboundRow[]): readonly string[] {
  const found = [...wrongMatches(all)];
  const names = new Map<string, string>();
  const groups = new Map<string, NorthboundRow>();
  const switchOf = new Map<string, string>();
  const sets = new Set<string>();
  const portNames = new Set<string>();
  for (const row of all) {
    const name = String(row.columns["name"] ?? "");
    names.set(row.uuid, name);
    if (row.table === "Address_Set") sets.add(name);
    if (row.table === "Logical_Switch_Port" || row.table === "Logical_Router_Port")
      portNames.add(name).add(`cr-${name}`);
    if (row.table === "Logical_Switch") for (const port of uuids(row, "ports")) switchOf.set(port, row.uuid);
    if (row.table !== "Port_Group") continue;
    groups.set(name, row);
    sets.add(`${name}_ip4`).add(`${name}_ip6`);
  }
  /** ACL → the switches that evaluate it. */
  const switchesOf = new Map<string, Set<string>>();
  const switchesOfGroup = (row: NorthboundRow): Set<string> =>
    new Set(uuids(row, "ports").flatMap((port) => switchOf.get(port) ?? []));
  for (const row of all) {
    if (row.table !== "Port_Group" && row.table !== "Logical_Switch") continue;
    const of = row.table === "Logical_Switch" ? new Set([row.uuid]) : switchesOfGroup(row);
    for (const acl of uuids(row, "acls")) switchesOf.set(acl, new Set([...(switchesOf.get(acl) ?? []), ...of]));
  }
  for (const row of all) {
    const match = matchOf(row);
    const read = match === undefined ? "" : parsed(match);
    if (typeof read === "string") continue;
    const say = (what: string): void => void found.push(`${describe(row)}: ${match}: ${what}`);
    for (const port of portsIn(read)) if (!portNames.has(port)) say(`there is no port ${port}`);
    const named = [...setsIn(read)];
    for (const set of named) {
      const missing = set.startsWith("@") ? !groups.has(set.slice(1)) : !sets.has(set.slice(1));
      if (missing) say(`there is no ${set}`);
    }
    for (const on of switchesOf.get(row.uuid) ?? []) {
      const empty = named
        .filter((set) => set.startsWith("@"))
        .map((set) => set.slice(1))
        .filter((name) => !switchesOfGroup(groups.get(name) ?? row).has(on));
      if (empty.length > 0 && mayMatch(read, { place: placeOf(row), emptyGroups: new Set(empty) }))
        say(`OVN ignores it in switch ${names.get(on)}, where @${empty.join(", @")} has no port`);
    }
  }
  return found;
}

function matchOf({ table, columns }: NorthboundRow): string | undefined {
  const match = columns["match"];
  // NAT rules have a match only where they are limited to some packets.
  return TABLES.has(table) && typeof match === "string" && match !== "" ? match : undefined;
}

function placeOf({ table, columns }: NorthboundRow): MatchPlace {
  if (table === "Logical_Router_Policy" || table === "NAT") return "router";
  return columns["direction"] === "from-lport" ? "from-lport" : "to-lport";
}

function parsed(match: string): MatchExpression | string {
  try {
    return parseMatch(match);
  } catch (error) {
    if (error instanceof MatchError) return error.message;
    throw error;
  }
}

/** The ports that a match names one by one. */
export function portsIn(expression: MatchExpression): readonly string[] {
  switch (expression.kind) {
    case "not":
      return portsIn(expression.term);
    case "and":
    case "or":
      return expression.terms.flatMap(portsIn);
    case "resident":
      return [expression.port];
    case "compare":
      return expression.constants.flatMap((constant) => (constant.kind === "string" ? [constant.text] : []));
    default:
      return [];
  }
}

function uuids({ columns }: NorthboundRow, column: string): readonly string[] {
  const value = columns[column];
  return Array.isArray(value) || value instanceof Set ? [...value].map(String) : [];
}

function describe({ table, columns, uuid }: NorthboundRow): string {
  return `${table} ${String(columns["name"] ?? uuid)}`;
}
