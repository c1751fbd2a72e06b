// SPDX-License-Identifier: Apache-2.0

import type { AnyRow } from "../../row-codec.ts";
import type { AnyTableSchema, BaseType, ColumnSchema } from "../../schema.ts";
import type { Atom, Value } from "../../value.ts";

/** One reference from a row to another. */
export interface Reference {
  readonly column: string;
  readonly strong: boolean;
  readonly table: string;
  readonly uuid: string;
}

/** Table → its columns that refer to rows. */
const referring = new WeakMap<AnyTableSchema, readonly (readonly [string, ColumnSchema])[]>();

function referringColumns(schema: AnyTableSchema): readonly (readonly [string, ColumnSchema])[] {
  const known = referring.get(schema);
  if (known !== undefined) return known;
  const found = Object.entries(schema.columns).filter(
    ([, { key, value }]) => key.refTable !== undefined || value?.refTable !== undefined,
  );
  referring.set(schema, found);
  return found;
}

/** All references of a row. */
export function* references(schema: AnyTableSchema, row: AnyRow): Iterable<Reference> {
  for (const [column, { key, value }] of referringColumns(schema)) {
    const held = row[column];
    yield* pointers(column, key, value === undefined ? atoms(held) : Object.keys(held as object));
    if (value !== undefined) yield* pointers(column, value, Object.values(held as Readonly<Record<string, Atom>>));
  }
}

/** The value without its weak references to deleted rows. */
export function pruneWeak(
  schema: AnyTableSchema,
  column: string,
  held: Value,
  exists: (ref: Reference) => boolean,
): Value {
  const described = schema.columns[column];
  if (described === undefined) return held;
  const { key, value } = described;
  const dangles = (base: BaseType, atom: Atom): boolean => {
    for (const ref of pointers(column, base, [atom])) if (!ref.strong && !exists(ref)) return true;
    return false;
  };
  if (value !== undefined) {
    const pairs = Object.entries(held as Readonly<Record<string, Atom>>);
    const kept = pairs.filter(([k, v]) => !dangles(key, k) && !dangles(value, v));
    return kept.length === pairs.length ? held : Object.fromEntries(kept);
  }
  if (typeof held === "object") {
    const members = held as readonly Atom[];
    const kept = members.filter((member) => !dangles(key, member));
    return kept.length === members.length ? held : kept;
  }
  return held !== undefined && dangles(key, held) ? undefined : held;
}

function* pointers(column: string, base: BaseType, held: readonly Atom[]): Iterable<Reference> {
  if (base.refTable === undefined) return;
  const strong = base.refType !== "weak";
  for (const uuid of held) yield { column, strong, table: base.refTable, uuid: String(uuid) };
}

function atoms(value: Value): readonly Atom[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly Atom[]) : [value as Atom];
}
