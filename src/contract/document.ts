// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";

/**
 * The version of written documents. It is increased when a reader of the earlier version would do something wrong; a field that such a reader may
 * ignore does not need a new version.
 */
const CONTRACT_VERSION = 1;

/** Longer texts are rejected; no written document is nearly as long. */
export const MAX_LENGTH = 16 * 1024;

/**
 * - `malformed`: not a JSON object, without a version, or too long
 * - `unsupported-version`: of an unknown version
 * - `invalid-field`: a field is absent or has an invalid value
 */
export type ContractErrorCode = "malformed" | "unsupported-version" | "invalid-field";

/** A text that is not a valid contract. Its reader keeps the last valid one. */
export class ContractError extends Error {
  readonly code: ContractErrorCode;
  /** For `invalid-field`: its name; for an annotation the full name. */
  readonly field: string | undefined;

  constructor(code: ContractErrorCode, message: string, options: ErrorOptions & { readonly field?: string } = {}) {
    super(message, options);
    this.name = "ContractError";
    this.code = code;
    this.field = options.field;
  }
}

/** The fields of a document of {@link CONTRACT_VERSION}. Unknown fields are ignored. */
export type Fields = Readonly<Record<string, unknown>>;

/** The fields as a document, for a writer that serialises it itself. */
export function documentOf(fields: Fields): Fields {
  return { version: CONTRACT_VERSION, ...fields };
}

/** Serialises fields as a document. Equal fields in equal order give equal texts. */
export function writeDocument(fields: Fields): string {
  return JSON.stringify(documentOf(fields));
}

/**
 * Parses the output of {@link writeDocument} of this or another version.
 * @throws ContractError
 */
export function readDocument(text: string): Fields {
  if (text.length > MAX_LENGTH)
    throw new ContractError("malformed", `the document has more than ${MAX_LENGTH} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ContractError("malformed", "the document is not JSON", { cause });
  }
  if (!isObject(value)) throw new ContractError("malformed", "the document is not a JSON object");
  const version = value["version"];
  if (version === CONTRACT_VERSION) return value;
  if (!Number.isInteger(version)) throw new ContractError("malformed", "the document has no version");
  const message = `the document has version ${String(version)}, and only version ${CONTRACT_VERSION} is supported`;
  throw new ContractError("unsupported-version", message);
}

/** The error about one field. */
export function invalidField(name: string, wanted: string): ContractError {
  return new ContractError("invalid-field", `field "${name}" must be ${wanted}`, { field: name });
}

/** A field that is true or false. @throws ContractError */
export function readBoolean(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== "boolean") throw invalidField(name, "true or false");
  return value;
}

/** A field that is a whole number in a range, both ends included. @throws ContractError */
export function readInteger(fields: Fields, name: string, [least, most]: readonly [number, number]): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidField(name, `a whole number from ${least} to ${most}`);
}

/** A field that is one of some words. @throws ContractError */
export function readWord<W extends string>(fields: Fields, name: string, words: readonly W[]): W {
  const found = words.find((word) => word === fields[name]);
  if (found === undefined) throw invalidField(name, words.map((word) => `"${word}"`).join(" or "));
  return found;
}

/** A field that is a list, each item parsed by `parse`. @throws ContractError */
export function readList<T>(
  fields: Fields,
  name: string,
  parse: (text: string) => T | undefined,
  wanted: string,
): readonly T[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw invalidField(name, wanted);
  return value.map((item: unknown) => {
    const parsed = typeof item === "string" ? parse(item) : undefined;
    if (parsed === undefined) throw invalidField(name, wanted);
    return parsed;
  });
}
