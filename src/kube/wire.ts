// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";
import type { ObjectList, WatchEvent } from "./kube.ts";
import type { KubeObject } from "./object.ts";

/**
 * Parses the answer of a verb on one object. Throws `protocol` if it is invalid. The result of a dry run was not
 * `stored`: it has no version.
 */
export function parseObject<T extends KubeObject>(text: string, what: string, stored = true): T {
  const value = parseJson(text, what);
  if (stored ? !isObject(value) : !isNamed(value))
    throw new KubeError("protocol", `${what}: the answer is not an object of the API`);
  return value as unknown as T;
}

/** What the API server answers to an object that it does not store; it has no name. Throws KubeError `protocol`. */
export function parseReview<T extends KubeObject>(text: string, what: string): T {
  return parseJson(text, what) as T;
}

/** Reads one page of a list. `items` is `null` in an empty list from some servers. */
export function parseList<T extends KubeObject>(text: string, what: string): ObjectList<T> {
  const { metadata, items } = parseJson(text, what) as { metadata?: ListMeta; items?: unknown };
  const version = metadata?.resourceVersion;
  if (typeof version !== "string" || version === "" || !(items === null || Array.isArray(items))) {
    throw new KubeError("protocol", `${what}: the answer is not a list`);
  }
  for (const item of items ?? []) {
    if (!isObject(item)) throw new KubeError("protocol", `${what}: the list contains something that is not an object`);
  }
  const next = metadata?.continue;
  return {
    resourceVersion: version,
    items: (items ?? []) as T[],
    ...(next === undefined || next === "" ? {} : { continue: next }),
  };
}

/** Parses one line of a watch. An ERROR event is thrown as its error. */
export function parseWatchLine<T extends KubeObject>(line: string, what: string): WatchEvent<T> {
  const { type, object } = parseJson(line, what) as { type?: unknown; object?: unknown };
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      if (!isObject(object)) throw new KubeError("protocol", `${what}: a watch event without an object`);
      return { type, object: object as unknown as T };
    case "BOOKMARK": {
      const resourceVersion = (object as { metadata?: { resourceVersion?: unknown } } | undefined)?.metadata
        ?.resourceVersion;
      if (typeof resourceVersion !== "string" || resourceVersion === "") {
        throw new KubeError("protocol", `${what}: a bookmark without a resourceVersion`);
      }
      return { type, resourceVersion };
    }
    case "ERROR": {
      const code = (object as { code?: unknown } | undefined)?.code;
      throw KubeError.fromAnswer(typeof code === "number" ? code : 500, JSON.stringify(object ?? {}), what);
    }
    default:
      throw new KubeError("protocol", `${what}: a watch event of the unknown type ${JSON.stringify(type)}`);
  }
}

interface ListMeta {
  readonly resourceVersion?: string;
  readonly continue?: string;
}

/** Parses an answer that is an object or an array. Throws KubeError `protocol`. */
export function parseJson(text: string, what: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KubeError("protocol", `${what}: the answer is not JSON`, { cause });
  }
  if (typeof value !== "object" || value === null)
    throw new KubeError("protocol", `${what}: the answer is not an object`);
  return value;
}

function isObject(value: unknown): boolean {
  const metadata = (value as { metadata?: { resourceVersion?: unknown } } | null | undefined)?.metadata;
  return isNamed(value) && typeof metadata?.resourceVersion === "string";
}

function isNamed(value: unknown): boolean {
  const metadata = (value as { metadata?: { name?: unknown } } | null | undefined)?.metadata;
  return typeof metadata?.name === "string";
}
