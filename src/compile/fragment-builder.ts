// SPDX-License-Identifier: Apache-2.0

import type { DesiredRow, Edge, Fragment } from "../desired/fragment.ts";
import type { OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import type { WeftEffect } from "./effects.ts";
import { edge, row } from "./rows.ts";

type Table = keyof OvnNbTables;

/** Collects the rows and edges of one fragment of the northbound database. Local to one `compile`, which stays pure. */
export class FragmentBuilder {
  readonly #rows: DesiredRow[] = [];
  readonly #edges: Edge[] = [];

  /** A row of a root table. `foreign`: see {@link DesiredRow}. */
  row<T extends Table>(
    table: T,
    ownerId: string,
    columns: Partial<OvnNbTables[T]>,
    foreign: readonly (keyof OvnNbTables[T] & string)[] = [],
  ): DesiredRow {
    const made = { ...row(table, ownerId, columns), ...(foreign.length > 0 && { foreign }) };
    this.#rows.push(made);
    return made;
  }

  /** A row of a non-root table that other units may want as well, see {@link DesiredRow.shared}. */
  shared<H extends Table, T extends Table>(
    holder: H,
    holderId: string,
    column: keyof OvnNbTables[H] & string,
    table: T,
    ownerId: string,
    columns: Partial<OvnNbTables[T]>,
  ): void {
    const made: DesiredRow = { ...row(table, ownerId, columns), shared: true };
    this.#rows.push(made);
    this.member(holder, holderId, column, made.uuid);
  }

  /** Whether the fragment already contains a row of this owner. */
  has(table: Table, ownerId: string): boolean {
    return this.#rows.some((row) => row.table === table && row.label === ownerId);
  }

  /** A row of a non-root table, which lives as long as `column` of the holder contains it. */
  held<H extends Table, T extends Table>(
    holder: H,
    holderId: string,
    column: keyof OvnNbTables[H] & string,
    table: T,
    ownerId: string,
    columns: Partial<OvnNbTables[T]>,
    foreign: readonly (keyof OvnNbTables[T] & string)[] = [],
  ): DesiredRow {
    const made = this.row(table, ownerId, columns, foreign);
    this.member(holder, holderId, column, made.uuid);
    return made;
  }

  /** `member`, which `memberUnit` owns if not the unit itself, is in a set of the row that another unit may own. */
  member<H extends Table>(
    holder: H,
    holderId: string,
    column: keyof OvnNbTables[H] & string,
    member: string,
    memberUnit?: string,
  ): void {
    this.#edges.push(edge(holder, holderId, column, member, memberUnit));
  }

  finish(effects: readonly WeftEffect[] = []): Fragment<WeftEffect> {
    return { database: "OVN_Northbound", rows: this.#rows, edges: this.#edges, effects };
  }
}
