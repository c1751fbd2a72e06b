// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import {
  type AnyTableSchema,
  type AtomType,
  type BaseType,
  type ColumnKind,
  type ColumnSchema,
  columnKind,
} from "./schema.ts";

/** RFC 7047 §5.1 `<atom>`. A uuid is its lower-case text. Integers beyond 2^53 lose their last digits. */
export type Atom = string | number | boolean;

/** A value of any column in TypeScript, see {@link ColumnSchema}. Values are immutable and may be shared. */
export type Value = undefined | Atom | readonly Atom[] | Readonly<Record<string, Atom>>;

/** The uuid that means "none". */
export const ZERO_UUID = "00000000-0000-0000-0000-000000000000";

const EMPTY_SET: readonly Atom[] = Object.freeze([]);
const EMPTY_MAP: Readonly<Record<string, Atom>> = Object.freeze({});
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Operations on the values of one column. */
export interface ColumnCodec {
  readonly kind: ColumnKind;
  /** RFC 7047 §5.2.1: the value of a column that an insert does not name, and that updates omit. */
  readonly initial: Value;
  /** The value of an RFC 7047 `<value>`, sets sorted. Throws OvsdbError `protocol`. */
  decode(json: Json): Value;
  /** The RFC 7047 `<value>` of a value. Throws OvsdbError `invalid value`; `where` ("table.column") is for its message. */
  encode(value: Value, where: string): Json;
  equal(a: Value, b: Value): boolean;
}

const codecs = new WeakMap<ColumnSchema, ColumnCodec>();

/** The codec of a column; created once for each descriptor. */
export function columnCodec(column: ColumnSchema): ColumnCodec {
  let codec = codecs.get(column);
  if (codec === undefined) {
    codec = makeCodec(column);
    codecs.set(column, codec);
  }
  return codec;
}

/** Encodes one column of a table. Throws OvsdbError `invalid value`, and a TypeError for a column that does not exist. */
export function encodeColumn(schema: AnyTableSchema, table: string, column: string, value: Value): Json {
  const described = Object.hasOwn(schema.columns, column) ? schema.columns[column] : undefined;
  if (described === undefined) throw new TypeError(`${table} has no column ${column}`);
  return columnCodec(described).encode(value, `${table}.${column}`);
}

/** Encodes the named columns of a row. A property that is `undefined` empties an optional column. */
export function encodeColumns(schema: AnyTableSchema, table: string, row: object): JsonObject {
  const encoded: Record<string, Json> = {};
  for (const [column, value] of Object.entries(row as Readonly<Record<string, Value>>)) {
    encoded[column] = encodeColumn(schema, table, column, value);
  }
  return encoded;
}

/** RFC 7047 §5.1 `<uuid>`. Throws OvsdbError `invalid value` for anything but the lower-case text of a uuid. */
export function encodeUuid(uuid: string, where: string): Json {
  if (!UUID.test(uuid))
    throw new OvsdbError("invalid value", `${where}: ${JSON.stringify(uuid)} is not a lower-case uuid`);
  return ["uuid", uuid];
}

/** The order of members of sets: numbers by size, strings by UTF-16 code unit, false before true. */
export function compareAtoms(a: Atom, b: Atom): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function makeCodec(column: ColumnSchema): ColumnCodec {
  const kind = columnKind(column);
  const decodeKey = atomDecoder(column.key.type);
  switch (kind) {
    case "scalar":
      return {
        kind,
        initial: initialAtom(column.key.type),
        decode: (json) => decodeKey(single(json)),
        encode: (value, where) => encodeAtom(column.key, value, where),
        equal: (a, b) => a === b,
      };
    case "optional":
      return {
        kind,
        initial: undefined,
        decode: (json) => {
          const elements = setElements(json);
          if (elements === undefined) return decodeKey(json);
          return elements.length === 0 ? undefined : decodeKey(single(json));
        },
        encode: (value, where) => (value === undefined ? ["set", []] : encodeAtom(column.key, value, where)),
        equal: (a, b) => a === b,
      };
    case "set":
      return {
        kind,
        initial: EMPTY_SET,
        decode: (json) => decodeSet(json, decodeKey),
        encode: (value, where) => encodeSet(column, value, where),
        equal: (a, b) => a === b || equalSets(a as readonly Atom[], b as readonly Atom[]),
      };
    case "map":
      return mapCodec(column.key, column.value ?? column.key);
  }
}

function mapCodec(key: BaseType, value: BaseType): ColumnCodec {
  const decodeKey = atomDecoder(key.type);
  const decodeValue = atomDecoder(value.type);
  return {
    kind: "map",
    initial: EMPTY_MAP,
    decode: (json) => {
      if (!Array.isArray(json) || json[0] !== "map" || !Array.isArray(json[1])) throw malformed("map", json);
      const pairs = json[1] as readonly Json[];
      if (pairs.length === 0) return EMPTY_MAP;
      const map: Record<string, Atom> = {};
      for (const pair of pairs) {
        if (!Array.isArray(pair) || pair.length !== 2) throw malformed("pair", pair as Json);
        setOwn(map, String(decodeKey(pair[0] as Json)), decodeValue(pair[1] as Json));
      }
      return map;
    },
    encode: (map, where) => {
      if (typeof map !== "object" || Array.isArray(map)) throw unfit(where, map, "a record");
      const pairs = Object.entries(map as Readonly<Record<string, Atom>>);
      const keys = pairs.map(([k]) => keyAtom(key.type, k));
      // Texts are unique as property names, but "5" and "05" are the same number.
      if (key.type !== "string") refuseRepeated(keys, where);
      return ["map", pairs.map(([, v], i) => [encodeAtom(key, keys[i], where), encodeAtom(value, v, where)])];
    },
    equal: (a, b) => a === b || equalMaps(a as Readonly<Record<string, Atom>>, b as Readonly<Record<string, Atom>>),
  };
}

/** `map[key] = value` also for the key `__proto__`, which an assignment would interpret differently. */
export function setOwn(map: Record<string, Atom>, key: string, value: Atom): void {
  if (key === "__proto__") {
    Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    map[key] = value;
  }
}

function atomDecoder(type: AtomType): (json: Json) => Atom {
  switch (type) {
    case "boolean":
      return (json) => (typeof json === "boolean" ? json : raise(type, json));
    case "integer":
    case "real":
      return (json) => (typeof json === "number" ? json : raise(type, json));
    case "string":
      return (json) => (typeof json === "string" ? json : raise(type, json));
    case "uuid":
      return (json) => {
        if (!Array.isArray(json) || json[0] !== "uuid" || typeof json[1] !== "string") return raise(type, json);
        return json[1];
      };
  }
}

function decodeSet(json: Json, decode: (json: Json) => Atom): readonly Atom[] {
  const elements = setElements(json);
  if (elements === undefined) return [decode(json)];
  if (elements.length === 0) return EMPTY_SET;
  const set = new Array<Atom>(elements.length);
  let sorted = true;
  for (let i = 0; i < elements.length; i++) {
    const atom = decode(elements[i] as Json);
    if (i > 0 && !((set[i - 1] as Atom) < atom)) sorted = false;
    set[i] = atom;
  }
  // Servers send sets in their own order, which for uuids and ASCII strings is the same.
  return sorted ? set : set.sort(compareAtoms);
}

/** The elements of `["set", […]]`, or undefined for a single atom (RFC 7047 §5.1 allows both). */
function setElements(json: Json): readonly Json[] | undefined {
  if (!Array.isArray(json) || json[0] !== "set") return undefined;
  if (!Array.isArray(json[1])) throw malformed("set", json);
  return json[1] as readonly Json[];
}

function single(json: Json): Json {
  const elements = setElements(json);
  if (elements === undefined) return json;
  const [only] = elements;
  if (elements.length !== 1 || only === undefined) throw malformed("single value", json);
  return only;
}

function encodeSet(column: ColumnSchema, value: Value, where: string): Json {
  if (!Array.isArray(value)) throw unfit(where, value, "an array");
  const atoms = value as readonly Atom[];
  if (atoms.length > column.max) throw unfit(where, `${atoms.length} members`, `at most ${column.max}`);
  refuseRepeated(atoms, where);
  return ["set", atoms.map((atom) => encodeAtom(column.key, atom, where))];
}

/** ovsdb-server does not merge duplicates, it refuses the whole transaction. */
function refuseRepeated(atoms: readonly Atom[], where: string): void {
  let sorted = true;
  for (let i = 1; i < atoms.length && sorted; i++) sorted = (atoms[i - 1] as Atom) < (atoms[i] as Atom);
  if (sorted) return;
  const seen = new Set<Atom>();
  for (const atom of atoms) {
    if (seen.has(atom)) throw new OvsdbError("invalid value", `${where}: ${shortened(atom)} is a duplicate`);
    seen.add(atom);
  }
}

/** The smallest positive number that ovsdb-server's JSON parser accepts: below it, strtod(3) reports a range error. */
export const SMALLEST_REAL = 2.2250738585072014e-308;

/**
 * Checks the type, and values that ovsdb-server's JSON parser refuses by closing the connection. Constraints are left
 * to the server, whose errors are more precise.
 */
function encodeAtom(base: BaseType, value: Value, where: string): Json {
  switch (base.type) {
    case "boolean":
      if (typeof value === "boolean") return value;
      break;
    case "integer":
      if (Number.isSafeInteger(value)) return value as number;
      break;
    case "real":
      if (Number.isFinite(value) && (value === 0 || Math.abs(value as number) >= SMALLEST_REAL)) return value as number;
      break;
    case "string":
      if (typeof value === "string") return encodeText(value, where);
      break;
    case "uuid":
      if (typeof value === "string") return encodeUuid(value, where);
      break;
  }
  throw unfit(where, value, `of type ${base.type}`);
}

/**
 * Returns the string if OVSDB can store it. Throws OvsdbError `invalid value` for one with U+0000 or an unpaired
 * surrogate, of which ovsdb-server accepts neither (lib/json.c, ovsdb_atom_check_constraints).
 */
export function encodeText(text: string, where: string): string {
  if (text.includes("\0")) {
    throw new OvsdbError("invalid value", `${where}: ${shortened(text)} contains U+0000, which OVSDB cannot hold`);
  }
  if (!text.isWellFormed()) {
    throw new OvsdbError(
      "invalid value",
      `${where}: ${shortened(text)} contains half a surrogate pair, which is not valid Unicode`,
    );
  }
  return text;
}

/** The atom of a property name of a map. */
export function keyAtom(type: AtomType, key: string): Atom {
  if (type === "integer" || type === "real") return Number(key);
  return type === "boolean" ? key === "true" : key;
}

function equalSets(a: readonly Atom[], b: readonly Atom[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function equalMaps(a: Readonly<Record<string, Atom>>, b: Readonly<Record<string, Atom>>): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) if (a[key] !== b[key] || !Object.hasOwn(b, key)) return false;
  return true;
}

function initialAtom(type: AtomType): Atom {
  switch (type) {
    case "boolean":
      return false;
    case "integer":
    case "real":
      return 0;
    case "string":
      return "";
    case "uuid":
      return ZERO_UUID;
  }
}

function raise(type: string, json: Json): never {
  throw malformed(type, json);
}

function malformed(what: string, json: Json): OvsdbError {
  return new OvsdbError("protocol", `not a ${what}: ${JSON.stringify(json)?.slice(0, 100)}`);
}

function unfit(where: string, value: unknown, wanted: string): OvsdbError {
  return new OvsdbError("invalid value", `${where}: ${shortened(value)} is not ${wanted}`);
}

function shortened(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 100) ?? "undefined";
}
