// SPDX-License-Identifier: Apache-2.0

import type { Page } from "./contract.ts";
import { PageError } from "./page-error.ts";

/** Which part of a list is asked for. */
export interface PageQuestion {
  /** 1 to 500; default 100. */
  readonly limit?: number;
  /** What an earlier answer had. */
  readonly continue?: string;
}

const USUAL = 100;
const MOST = 500;

/**
 * One page of a list that is sorted by key. The continuation is the last key, so a page that follows is right although the list has changed. `row` is called for what
 * is on the page only. Throws a `PageError`.
 */
export function pageOf<T, R>(
  all: readonly T[],
  keyOf: (item: T) => string,
  row: (item: T) => R,
  { limit = USUAL, continue: after }: PageQuestion,
): Page<R> {
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST)
    throw new PageError("invalid", `limit is to be a number from 1 to ${MOST}`);
  let start = 0;
  if (after !== undefined) {
    const next = all.findIndex((item) => keyOf(item) > after);
    start = next < 0 ? all.length : next;
  }
  const items = all.slice(start, start + limit);
  const last = items.at(-1);
  const more = start + limit < all.length && last !== undefined;
  return { items: items.map(row), total: all.length, ...(more && { continue: keyOf(last) }) };
}

/** Whether a name or an address matches what was typed: it contains it, in lower case. */
export function matchesText(query: string, ...texts: readonly string[]): boolean {
  return texts.some((text) => text.toLowerCase().includes(query));
}
