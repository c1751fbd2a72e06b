// SPDX-License-Identifier: Apache-2.0

import type { FactStore } from "../../facts/store.ts";
import type { FactKind, FactTypes } from "../../facts/types.ts";
import type { AnyTableKind } from "../../kinds/database.ts";
import type { Selection } from "../../ovsdb/selection.ts";

/** A change of a mirror's row, without its type. */
interface AnyRowChange {
  readonly table: string;
  readonly uuid: string;
  readonly old?: object;
  readonly new?: object;
}

/** The selection of a mirror for kinds of rows: for each table the columns of its kind. */
export function selectionOf<Tables>(kinds: readonly AnyTableKind<Tables>[]): Selection<Tables> {
  const entries = kinds.map(({ table, whereAny }) => {
    const columns = kinds.flatMap((kind) => (kind.table === table ? kind.columns : []));
    return [table, whereAny === undefined ? columns : { columns, whereAny }] as const;
  });
  // The declaration of a kind was checked against its table's columns.
  return Object.fromEntries(entries) as unknown as Selection<Tables>;
}

/**
 * Writes a mirror's rows to the store as facts. Of one message, which may contain several transactions, only the final state is written: a row may
 * get the key of another one in it. If a projection throws, the fact stays unchanged.
 */
export function takeChanges<Tables>(
  facts: FactStore,
  kinds: readonly AnyTableKind<Tables>[],
  changes: readonly AnyRowChange[],
): void {
  for (const { facts: kind, table, columns, project } of kinds) {
    // The mirror has the columns of the kind.
    const factOf = (row: object | undefined): FactTypes[FactKind] | undefined => row && project(row as never);
    const settled = new Map<string, FactTypes[FactKind] | undefined>();
    const take = (change: AnyRowChange, into: (key: string, fact: FactTypes[FactKind] | undefined) => void): void => {
      const [old, now] = [factOf(change.old), factOf(change.new)];
      if (old !== undefined && old.key !== now?.key && !settled.has(old.key)) into(old.key, undefined);
      if (now !== undefined) into(now.key, now);
    };
    for (const change of changes) {
      if (change.table !== table || isSame(columns, change)) continue;
      const subject = { part: "projection", where: "", kind, key: change.uuid } as const;
      try {
        take(change, (key, fact) => settled.set(key, fact));
      } catch (error) {
        const again = (): boolean =>
          facts.failures.run(subject, () => take(change, (key, fact) => facts.set(kind, key, fact)));
        facts.failures.failed(subject, error, again);
        continue;
      }
      facts.failures.succeeded(subject);
    }
    for (const [key, fact] of settled) facts.set(kind, key, fact);
  }
}

/** Whether none of the columns has changed. A mirror keeps the values of those that have not. */
function isSame(columns: readonly string[], { old, new: now }: AnyRowChange): boolean {
  if (old === undefined || now === undefined) return false;
  return columns.every((column) => Reflect.get(old, column) === Reflect.get(now, column));
}
