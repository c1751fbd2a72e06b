import type { Json } from "../json.ts";
import type { ColumnSchema } from "../schema.ts";
import { type Atom, columnCodec, compareAtoms, setOwn, type Value } from "../value.ts";
import { Failure } from "./failure.ts";

/** The value of a column after one RFC 7047 §5.1 `<mutation>`. */
export function mutateValue(column: ColumnSchema, old: Value, mutator: Json, json: Json): Value {
  const { kind } = columnCodec(column);
  if (mutator === "insert" || mutator === "delete") {
    if (kind === "map") return mutateMap(column, old as Readonly<Record<string, Atom>>, mutator, json);
    // An optional column is a set of at most one.
    const set: ColumnSchema = { key: column.key, min: 0, max: Number.POSITIVE_INFINITY };
    const members = columnCodec(set).decode(json) as readonly Atom[];
    const before: readonly Atom[] = kind === "set" ? (old as readonly Atom[]) : old === undefined ? [] : [old as Atom];
    const after =
      mutator === "insert"
        ? [...new Set([...before, ...members])].sort(compareAtoms)
        : before.filter((member) => !members.includes(member));
    if (kind === "set") return after;
    if (after.length > 1) throw new Failure("constraint violation", "more than one value in a column of at most one");
    return after[0];
  }
  if (typeof old !== "number" || typeof json !== "number") throw new Failure("domain error", "not a number");
  return calculate(old, String(mutator as string), json, column.key.type === "integer");
}

function mutateMap(
  column: ColumnSchema,
  old: Readonly<Record<string, Atom>>,
  mutator: "insert" | "delete",
  json: Json,
): Readonly<Record<string, Atom>> {
  const after: Record<string, Atom> = { ...old };
  if (Array.isArray(json) && json[0] === "map") {
    const pairs = columnCodec(column).decode(json) as Readonly<Record<string, Atom>>;
    for (const [key, value] of Object.entries(pairs)) {
      if (mutator === "delete") {
        if (Object.hasOwn(old, key) && old[key] === value) delete after[key];
      } else if (!Object.hasOwn(old, key)) {
        setOwn(after, key, value);
      }
    }
    return after;
  }
  if (mutator === "insert") throw new Failure("syntax error", "only pairs can be inserted into a map");
  const keys: ColumnSchema = { key: column.key, min: 0, max: Number.POSITIVE_INFINITY };
  for (const key of columnCodec(keys).decode(json) as readonly Atom[]) delete after[String(key)];
  return after;
}

function calculate(a: number, mutator: string, b: number, integer: boolean): number {
  if ((mutator === "/=" || mutator === "%=") && b === 0) throw new Failure("domain error", "division by zero");
  switch (mutator) {
    case "+=":
      return a + b;
    case "-=":
      return a - b;
    case "*=":
      return a * b;
    case "/=":
      return integer ? Math.trunc(a / b) : a / b;
    case "%=":
      return a % b;
    default:
      throw new Failure("syntax error", `unknown mutator ${mutator}`);
  }
}
