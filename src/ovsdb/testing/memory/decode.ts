// SPDX-License-Identifier: Apache-2.0

import type { Json } from "../../json.ts";
import type { BaseType, ColumnSchema } from "../../schema.ts";
import { type Atom, columnCodec, type Value } from "../../value.ts";
import { OperationFailure } from "./failure.ts";

/**
 * The value of an RFC 7047 `<value>`, as strict as ovsdb-server (`ovsdb_datum_from_json`): first the number of
 * members, then type and constraints of each, then duplicates. Throws Failure, or OvsdbError `protocol` for another
 * type.
 */
export function decodeStrictly(column: ColumnSchema, json: Json): Value {
  const isMap = column.value !== undefined;
  const members = membersOf(isMap ? "map" : "set", json);
  if (members !== undefined) {
    if (members.length < column.min || members.length > column.max) {
      throw new OperationFailure(
        "syntax error",
        `${members.length} members where ${column.min} to ${column.max} are allowed`,
      );
    }
    const seen = new Set<Atom>();
    let repeated = false;
    for (const member of members) {
      const pair: readonly Json[] = isMap && Array.isArray(member) ? (member as readonly Json[]) : [member];
      if (isMap && pair.length !== 2) throw new OperationFailure("syntax error", "expected 2-element array");
      const key = decodeAtom(column.key, pair[0] ?? null);
      if (column.value !== undefined) decodeAtom(column.value, pair[1] ?? null);
      repeated ||= seen.has(key);
      seen.add(key);
    }
    if (repeated)
      throw new OperationFailure("ovsdb error", isMap ? "map contains duplicate key" : "set contains duplicate");
  } else if (isMap) {
    throw new OperationFailure("syntax error", "expected map");
  } else {
    decodeAtom(column.key, json);
  }
  return columnCodec(column).decode(json);
}

/** Throws Failure `constraint violation` if an atom is outside the constraints of its type. */
export function checkAtom(base: BaseType, atom: Atom): void {
  if (typeof atom === "string" && base.type === "string" && !atom.isWellFormed()) {
    throw new OperationFailure("constraint violation", "not a valid UTF-8 string");
  }
  const size = typeof atom === "string" ? Array.from(atom).length : atom;
  const low = base.minInteger ?? base.minReal ?? base.minLength ?? Number.NEGATIVE_INFINITY;
  const high = base.maxInteger ?? base.maxReal ?? base.maxLength ?? Number.POSITIVE_INFINITY;
  const outside = typeof size === "number" && (size < low || size > high);
  if (outside || base.enum?.includes(atom) === false) {
    throw new OperationFailure("constraint violation", `${JSON.stringify(atom)} is not one of the allowed values`);
  }
}

function membersOf(kind: "set" | "map", json: Json): readonly Json[] | undefined {
  if (!Array.isArray(json) || json[0] !== kind) return undefined;
  if (json.length !== 2 || !Array.isArray(json[1]))
    throw new OperationFailure("syntax error", `expected ["${kind}", <array>]`);
  return json[1] as readonly Json[];
}

function decodeAtom(base: BaseType, json: Json): Atom {
  const atom = columnCodec({ key: base, min: 1, max: 1 }).decode(json) as Atom;
  if (base.type === "integer" && !Number.isSafeInteger(atom))
    throw new OperationFailure("syntax error", "expected integer");
  if (base.type === "uuid" && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(String(atom))) {
    throw new OperationFailure("syntax error", `${JSON.stringify(atom)} is not a valid UUID`);
  }
  checkAtom(base, atom);
  return atom;
}
