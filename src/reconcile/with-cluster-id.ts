// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue, DesiredRow, Edge, Effect, Fragment } from "../desired/fragment.ts";
import { qualify } from "../desired/identity.ts";

/** How the rows of one cluster are known in a database that others may have rows in as well. */
export interface RowIdentity {
  /** See {@link qualify}; asked whenever a unit is compiled, and always the same. */
  readonly clusterId: () => string;
  /** Whether the values of a column are uuids of rows. */
  readonly isReference: (table: string, column: string) => boolean;
}

/**
 * The fragment as the database of one cluster is to have it: every uuid in it is that cluster's, be it a row's own or a reference. The only place
 * where fragments learn of which cluster they are.
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
