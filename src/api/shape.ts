// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";
import { cutText } from "./text.ts";

/** The type of a value in a CRD's schema. `count`: a number or a string. */
export type Shape = "text" | "number" | "flag" | "count" | ListShape | MapShape | FieldsShape;

interface ListShape {
  readonly list: Shape;
}

interface MapShape {
  readonly map: Shape;
}

interface FieldsShape {
  readonly fields: Readonly<Record<string, Shape>>;
}

/** An object whose fields have the types of the schema. */
export interface Shaped {
  readonly value: Readonly<Record<string, unknown>>;
  /** The first fields that had another type. */
  readonly malformed: readonly MalformedField[];
}

/** A field of another type than its schema says. */
export interface MalformedField {
  /** `spec.acls[0].match`. */
  readonly path: string;
  /** A message about the value. */
  readonly message: string;
}

/** The largest number of fields that are named. */
const NAMED = 5;
/** The largest number of UTF-16 units of a shown value. */
const SHOWN = 60;

/**
 * Converts fields of a `spec` to the types of the schema, because an object may be older than the schema, or the cluster's CRD may validate less than
 * ours. A value of another type is replaced by an invalid value of the right type: a string for a string, a list with one such entry for a list, and
 * no value for a number or a boolean. It is then handled like any other invalid input. `null` is no value.
 */
export function shapedSpec(value: unknown, shape: FieldsShape): Shaped {
  const reader = new Reader(unreadable);
  const read = reader.read(value ?? {}, shape, "spec");
  return { value: isObject(read) ? read : {}, malformed: reader.found };
}

/** The same for a `status`, which is ours: values of another type are left out, so that they are written again. */
export function shapedStatus(value: unknown, shape: FieldsShape): Readonly<Record<string, unknown>> {
  const read = new Reader(() => undefined).read(value ?? {}, shape, "status");
  return isObject(read) ? read : {};
}

class Reader {
  readonly found: MalformedField[] = [];
  /** The replacement for a value of another type; `undefined`: none. */
  readonly #instead: (shape: Shape, value: unknown) => unknown;

  constructor(instead: (shape: Shape, value: unknown) => unknown) {
    this.#instead = instead;
  }

  read(value: unknown, shape: Shape, path: string): unknown {
    if (typeof shape === "string") return SCALARS[shape](value) ? value : this.#wrong(value, shape, path);
    if ("list" in shape) {
      if (!Array.isArray(value)) return this.#wrong(value, shape, path);
      const items = value.map((item: unknown, i) => this.read(item, shape.list, `${path}[${i}]`));
      return this.#same(value, items) ? value : items.filter((item) => item !== undefined);
    }
    if (!isObject(value)) return this.#wrong(value, shape, path);
    // Nearly all are valid: a copy is made at the first invalid one.
    let copy: Record<string, unknown> | undefined;
    for (const key of Object.keys(value)) {
      const field = value[key];
      const of = "map" in shape ? shape.map : Object.hasOwn(shape.fields, key) ? shape.fields[key] : undefined;
      if (of === undefined || (typeof of === "string" && SCALARS[of](field))) continue;
      const read = field === null ? undefined : this.read(field, of, `${path}.${key}`);
      if (read === field) continue;
      copy ??= { ...value };
      if (read === undefined) delete copy[key];
      else copy[key] = read;
    }
    return copy ?? value;
  }

  #same(before: readonly unknown[], after: readonly unknown[]): boolean {
    return before.every((value, i) => value === after[i]);
  }

  #wrong(value: unknown, shape: Shape, path: string): unknown {
    if (this.found.length < NAMED) this.found.push({ path, message: `${textOf(value)} is not ${nameOf(shape)}` });
    return this.#instead(shape, value);
  }
}

const SCALARS = {
  text: (value: unknown) => typeof value === "string",
  number: (value: unknown) => typeof value === "number",
  flag: (value: unknown) => typeof value === "boolean",
  count: (value: unknown) => typeof value === "string" || typeof value === "number",
} as const;

function nameOf(shape: Shape): string {
  if (typeof shape === "string")
    return { text: "a text", number: "a number", flag: "true or false", count: "a number" }[shape];
  return "list" in shape ? "a list" : "an object";
}

function unreadable(shape: Shape, value: unknown): unknown {
  if (shape === "text") return textOf(value);
  if (typeof shape === "string") return undefined;
  if ("list" in shape) {
    const item = unreadable(shape.list, value);
    return item === undefined ? [] : [item];
  }
  // No key or label has such a name.
  if ("map" in shape) return { "?": unreadable(shape.map, value) };
  const fields = Object.entries(shape.fields).map(([key, of]) => [key, unreadable(of, value)] as const);
  return Object.fromEntries(fields.filter(([, field]) => field !== undefined));
}

function textOf(value: unknown): string {
  // It may be large, and deeper than JSON.stringify can go.
  if (Array.isArray(value)) return `[${value.length} entries]`;
  if (isObject(value)) return `{${Object.keys(value).length} fields}`;
  const text = JSON.stringify(value) ?? "";
  return text.length > SHOWN ? `${cutText(text, SHOWN)}…` : text;
}
