// SPDX-License-Identifier: Apache-2.0

import type { Json } from "../../json.ts";
import type { ColumnSchema } from "../../schema.ts";
import { type Atom, columnCodec, compareAtoms, setOwn, type Value } from "../../value.ts";
import { checkAtom, decodeStrictly } from "./decode.ts";
import { OperationFailure } from "./failure.ts";

const MUTATORS: ReadonlySet<Json> = new Set(["insert", "delete", "+=", "-=", "*=", "/=", "%="]);

/** The change of a column's value. */
export type ValueChange = (old: Value) => Value;

/** One RFC 7047 §5.1 `<mutation>` of a column, checked before any row is selected, as `ovsdb_mutation_from_json` does. */
export function compileMutation(column: ColumnSchema, mutator: Json, json: Json): ValueChange {
  const { kind } = columnCodec(column);
  const { type } = column.key;
  if (!MUTATORS.has(mutator))
    throw new OperationFailure("unknown mutator", `No mutator named ${String(mutator as string)}.`);
  if (mutator === "insert" || mutator === "delete") {
    if (kind === "scalar") throw new OperationFailure("syntax error", "not a set");
    if (kind === "map") return mutateMap(column, mutator, json);
    const members = membersOf(column, mutator, json);
    return (old) => {
      const before = listOf(old);
      if (mutator === "delete")
        return asValue(
          column,
          before.filter((member) => !members.includes(member)),
        );
      return asValue(column, [...new Set([...before, ...members])].sort(compareAtoms));
    };
  }
  if (kind === "map" || (type !== "integer" && type !== "real") || (type === "real" && mutator === "%=")) {
    throw new OperationFailure("syntax error", "not a number");
  }
  const operand = decodeStrictly({ key: { type }, min: 1, max: 1 }, json) as number;
  const calculate = calculation(String(mutator as string), operand, type === "integer");
  return (old) => {
    const after = listOf(old).map((atom) => calculate(atom as number));
    for (const atom of after) checkAtom(column.key, atom);
    if (new Set(after).size < after.length)
      throw new OperationFailure("constraint violation", "the result contains duplicates");
    return asValue(column, after.sort(compareAtoms));
  };
}

function membersOf(column: ColumnSchema, mutator: "insert" | "delete", json: Json): readonly Atom[] {
  const max = mutator === "delete" ? Number.POSITIVE_INFINITY : column.max;
  return listOf(decodeStrictly({ key: column.key, min: 0, max }, json));
}

function mutateMap(column: ColumnSchema, mutator: "insert" | "delete", json: Json): ValueChange {
  if (mutator === "delete" && !fits(() => decodeStrictly({ ...column, min: 0 }, json))) {
    const keys = membersOf(column, mutator, json);
    return (old) => {
      const after: Record<string, Atom> = { ...(old as Readonly<Record<string, Atom>>) };
      for (const key of keys) delete after[String(key)];
      return after;
    };
  }
  const max = mutator === "delete" ? Number.POSITIVE_INFINITY : column.max;
  const pairs = Object.entries(decodeStrictly({ ...column, min: 0, max }, json) as Readonly<Record<string, Atom>>);
  return (old) => {
    const before = old as Readonly<Record<string, Atom>>;
    const after: Record<string, Atom> = { ...before };
    for (const [key, value] of pairs) {
      const has = Object.hasOwn(before, key);
      if (mutator === "insert" && !has) setOwn(after, key, value);
      if (mutator === "delete" && has && before[key] === value) delete after[key];
    }
    return after;
  };
}

function fits(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

/** A set or an optional value, which is a set of at most one, as a list. */
function listOf(value: Value): readonly Atom[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly Atom[]) : [value as Atom];
}

function asValue(column: ColumnSchema, atoms: readonly Atom[]): Value {
  if (columnCodec(column).kind === "set") return atoms;
  if (atoms.length > 1)
    throw new OperationFailure("constraint violation", "more than one value in a column of at most one");
  return atoms[0];
}

function calculation(mutator: string, b: number, integer: boolean): (a: number) => number {
  switch (mutator) {
    case "+=":
      return (a) => inRange(a + b);
    case "-=":
      return (a) => inRange(a - b);
    case "*=":
      return (a) => inRange(a * b);
    case "/=":
      return (a) => inRange(integer ? Math.trunc(a / divisor(b)) : a / divisor(b));
    default:
      return (a) => a % divisor(b);
  }
}

function divisor(b: number): number {
  if (b === 0) throw new OperationFailure("domain error", "Division by zero.");
  return b;
}

function inRange(result: number): number {
  if (!Number.isFinite(result)) throw new OperationFailure("range error", "the result is beyond the range of its type");
  // Zero has no sign in a database.
  return result === 0 ? 0 : result;
}
