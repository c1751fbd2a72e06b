// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue, DesiredRow, Edge, Effect, Fragment } from "../desired/fragment.ts";
import { qualify } from "../desired/identity.ts";

/** The identity of one cluster's rows in a database that several clusters may share. */
export interface RowIdentity {
  /** See {@link qualify}; called for each compiled unit, always with the same result. */
  readonly clusterId: () => string;
  /** Whether the values of a column are uuids of rows. */
  readonly isReference: (table: string, column: string) => boolean;
}

/**
 * The fragment with the uuids of one cluster, for rows and references. The only place where fragments depend on the cluster.
 */
export function withClusterId<E extends Effect>(fragment: Fragment<E>, identity: RowIdentity): Fragment<E> {
  const id = identity.clusterId();
  if (id === "") return fragment;
  const rows = fragment.rows.map((row): DesiredRow => {
    const uuid = qualify(row.uuid, id);
    const references = Object.keys(row.columns).filter(
      (column) => identity.isReference(row.table, column) && row.foreign?.includes(column) !== true,
    );
    if (references.length === 0) return { ...row, uuid };
    const columns = { ...row.columns };
    for (const column of references) columns[column] = qualifiedValue(row.columns[column], id);
    return { ...row, uuid, columns };
  });
  const edges = fragment.edges.map((edge): Edge => {
    const { table, row, column, member } = edge;
    return {
      ...edge,
      row: qualify(row, id),
      member: identity.isReference(table, column) ? qualify(member, id) : member,
    };
  });
  return { ...fragment, rows, edges };
}

function qualifiedValue(value: ColumnValue, id: string): ColumnValue {
  if (typeof value === "string") return qualify(value, id);
  // Sets are sorted.
  return Array.isArray(value) ? value.map((uuid) => qualify(String(uuid), id)).sort() : value;
}
