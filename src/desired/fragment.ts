// SPDX-License-Identifier: Apache-2.0

/**
 * What a unit compiles to. A fragment is plain immutable data: the desired state in the database and in Kubernetes, not the steps towards it.
 */

/** A value of one column in the canonical form of `src/ovsdb` (sets as sorted arrays, optional scalars as `undefined`). */
export type ColumnValue =
  | undefined
  | string
  | number
  | boolean
  | readonly (string | number | boolean)[]
  | Readonly<Record<string, string | number>>;

/** The databases that units have rows in, by the names of their schemas: ovn-nb(5), ovn-ic-nb(5). */
export type Database = "OVN_Northbound" | "OVN_IC_Northbound";

/** One row that must exist. Only the named columns are compared and repaired; other clients own the rest. */
export interface DesiredRow {
  /** The OVSDB table, for example `Logical_Switch`. */
  readonly table: string;
  /** The row's `_uuid`, from {@link import("./identity.ts").rowUuid}. */
  readonly uuid: string;
  /** A human-readable name, used in plans, logs and golden files. */
  readonly label: string;
  readonly columns: Readonly<Record<string, ColumnValue>>;
  /** The columns that refer to rows of another client, given by users: these uuids are used as they are (see `qualify`). */
  readonly foreign?: readonly string[];
  /** Units may want this row together, if they want the same in it: one of them owns it for the others, whose edges to it count. */
  readonly shared?: true;
}

/**
 * One member that a set-valued column, or one entry that a map, must contain. Columns fed by several units (the ports of a switch or a port group)
 * are never rewritten: 10,000 ports are about 480 KB for each pod that changes.
 */
export interface Edge {
  readonly table: string;
  /** `_uuid` of the row that holds the set. */
  readonly row: string;
  readonly column: string;
  /**
   * The member: a row's `_uuid`, a string for columns such as `Address_Set.addresses`, or an entry of a map
   * ({@link import("./map-entry.ts").mapEntry}) for `Chassis_Template_Var.variables`.
   */
  readonly member: string;
  /**
   * The unit that must own the row that holds the set; no member is added to a row of another unit. Absent: any owner.
   */
  readonly holderUnit?: string;
  /** The unit that must own the member's row. Absent: the unit of the edge. */
  readonly memberUnit?: string;
}

/**
 * Something to do outside the database once the fragment's rows are committed. It is offered again for as long as the
 * unit's compile returns it, so a compile returns an effect only while the facts show that it is still to be done.
 */
export interface Effect {
  /** Identity: a later effect with the same key replaces an earlier one. */
  readonly key: string;
}

/** The whole output of one unit. Its rows do not depend on which cluster it is: see {@link import("./identity.ts").qualify}. */
export interface Fragment<E extends Effect = Effect> {
  /** Where all its rows and edges are. */
  readonly database: Database;
  readonly rows: readonly DesiredRow[];
  readonly edges: readonly Edge[];
  readonly effects: readonly E[];
}
