// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue, DesiredRow, Fragment } from "../desired/fragment.ts";

/** Rows of all fragments, by table and uuid, with the members of their set-valued columns. */
export class Tables {
  readonly #tables = new Map<string, Map<string, DesiredRow>>();
  readonly #byUuid = new Map<string, DesiredRow>();
  /** holder, column → members. */
  readonly #members = new Map<string, Set<string>>();

  constructor(fragments: Iterable<Pick<Fragment, "rows" | "edges">>) {
    for (const { rows, edges } of fragments) {
      for (const row of rows) {
        const table = this.#tables.get(row.table);
        if (table === undefined) this.#tables.set(row.table, new Map([[row.uuid, row]]));
        else table.set(row.uuid, row);
        this.#byUuid.set(row.uuid, row);
      }
      for (const { row, column, member } of edges) {
        const key = `${row}\0${column}`;
        const members = this.#members.get(key);
        if (members === undefined) this.#members.set(key, new Set([member]));
        else members.add(member);
      }
    }
  }

  rows(table: string): Iterable<[string, DesiredRow]> {
    return this.#tables.get(table) ?? [];
  }

  row(table: string, uuid: string): DesiredRow | undefined {
    return this.#tables.get(table)?.get(uuid);
  }

  /** The members of a set-valued column, from its row or from edges. Sorted. */
  members(uuid: string, column: string): readonly string[] {
    const own = texts(this.#byUuid.get(uuid)?.columns[column]);
    return [...new Set([...own, ...(this.#members.get(`${uuid}\0${column}`) ?? [])])].sort();
  }
}

/** See {@link Tables}. */
export function readTables(fragments: Iterable<Pick<Fragment, "rows" | "edges">>): Tables {
  return new Tables(fragments);
}

/** A column as a list of texts. */
export function texts(value: ColumnValue): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
