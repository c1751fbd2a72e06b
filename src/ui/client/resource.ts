// SPDX-License-Identifier: Apache-2.0

import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ChangedKind } from "../../page/contract.ts";
import { ApiProblem, type PageProblem } from "../model/problem.ts";
import { request } from "./api.ts";
import { loginEnded } from "./session.ts";

/** What the page knows of one address of the server. */
export interface Resource<T> {
  /** The last answer; stays while the next is asked for, and where that fails. */
  readonly data?: T;
  /** Why the last request failed. */
  readonly problem?: PageProblem;
  readonly retry: () => void;
}

/** Answers that no view shows are kept for one that returns, at most this many. */
const KEPT = 40;
/** Between two requests of one address at least, and five times as long as the last one took. */
const PAUSE_MS = 1_000;

const entries = new Map<string, Entry>();

class Entry {
  readonly shown: Signal<Pick<Resource<unknown>, "data" | "problem">> = signal({});
  readonly retry = (): void => this.refresh();
  kinds: readonly ChangedKind[] = [];
  users = 0;
  stale = true;
  readonly #url: string;
  #running = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** Asks now, or after the running request and its pause. */
  refresh(): void {
    this.stale = true;
    if (this.#running || this.#timer !== undefined || this.users === 0) return;
    this.#running = true;
    void this.#ask();
  }

  async #ask(): Promise<void> {
    const since = performance.now();
    this.stale = false;
    try {
      this.shown.value = { data: await request(this.#url) };
    } catch (error) {
      const problem: PageProblem =
        error instanceof ApiProblem ? error.problem : { code: "internal", message: String(error) };
      const gone = problem.code === "not-found" || problem.code === "forbidden";
      this.shown.value = gone ? { problem } : { ...this.shown.value, problem };
      if (problem.code === "unauthenticated") loginEnded();
    }
    this.#running = false;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (this.stale) this.refresh();
      },
      Math.max(PAUSE_MS, 5 * (performance.now() - since)),
    );
  }
}

function entryOf(url: string): Entry {
  const known = entries.get(url);
  // The last used is the last in the map.
  entries.delete(url);
  const entry = known ?? new Entry(url);
  entries.set(url, entry);
  for (const [key, other] of entries) {
    if (entries.size <= KEPT) break;
    if (other.users === 0 && other !== entry) entries.delete(key);
  }
  return entry;
}

/** Requests again what shows objects of these kinds, or everything. */
export function refresh(kinds: readonly ChangedKind[] | "all"): void {
  for (const entry of entries.values()) {
    if (kinds === "all" || entry.kinds.some((kind) => kinds.includes(kind))) entry.refresh();
  }
}

/** Forgets everything: another account may see less. */
export function forget(): void {
  entries.clear();
}

const NOTHING: Resource<never> = { retry: () => undefined };

/**
 * What an address of the server answers, requested again when objects of `kinds` change; nothing for an undefined one. For a component that is
 * rendered again when it changes.
 */
export function useResource<T>(url: string | undefined, kinds: readonly ChangedKind[]): Resource<T> {
  const entry = url === undefined ? undefined : entryOf(url);
  useEffect(() => {
    if (entry === undefined) return;
    entry.users++;
    entry.kinds = kinds;
    if (entry.stale) entry.refresh();
    return () => {
      entry.users--;
    };
  }, [entry]);
  if (entry === undefined) return NOTHING;
  return { ...entry.shown.value, retry: entry.retry } as Resource<T>;
}
