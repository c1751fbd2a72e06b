// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import { backoffDelay } from "../../time/backoff.ts";
import type { DnsOutcome } from "./dns-client.ts";

/** How long and how much is remembered. */
export interface MemoryLimits {
  /** For so many ms after its TTL an address still counts: connections to it go on, and answers that rotate come back to it. */
  readonly graceMs: number;
  /** Addresses of one name and family, at most. */
  readonly addresses: number;
  /** The shortest and the longest time, in ms, until a name is asked for again. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
}

/** What is known of one name in one family. Pure but for its own memory: it is told the time. */
export class DomainMemory {
  readonly #family: 4 | 6;
  readonly #limits: MemoryLimits;
  /** address → when its TTL ends, in ms. */
  readonly #known = new Map<string, number>();
  #failures = 0;
  #empty = 0;
  #last: DnsOutcome | undefined;
  #dropped = 0;

  constructor(family: 4 | 6, limits: MemoryLimits) {
    this.#family = family;
    this.#limits = limits;
  }

  /** The addresses, sorted. */
  get addresses(): readonly string[] {
    return [...this.#known.keys()].sort();
  }

  /** Whether anything is known: an answer, or addresses from before. */
  get known(): boolean {
    return this.#known.size > 0 || (this.#last !== undefined && this.#last.kind !== "failed");
  }

  /** How many questions in a row have failed. */
  get failures(): number {
    return this.#failures;
  }

  /** The last outcome. */
  get last(): DnsOutcome | undefined {
    return this.#last;
  }

  /** How many addresses the last answer had that were not taken in. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes in addresses from before, as if their TTL ended now. */
  seed(addresses: readonly string[], now: number): void {
    for (const text of addresses) {
      const ip = parseIp(text);
      if (ip?.family === this.#family && !this.#known.has(ip.text)) this.#known.set(ip.text, now);
    }
  }

  /**
   * Takes in what a question came to; returns in how many ms to ask again. Addresses go when their grace is over, but only with an
   * answer: while the DNS is down nothing does.
   */
  note(outcome: DnsOutcome, now: number): number {
    const { graceMs, minPauseMs, maxPauseMs } = this.#limits;
    this.#last = outcome;
    if (outcome.kind === "failed") {
      this.#failures++;
      return backoffDelay(this.#failures, { firstMs: minPauseMs, maxMs: RETRY_MS });
    }
    this.#failures = 0;
    const answers = outcome.kind === "addresses" ? outcome.addresses : [];
    let least = Number.POSITIVE_INFINITY;
    const fresh = new Set<string>();
    for (const { address, ttl } of answers) {
      const ip = parseIp(address);
      if (ip?.family !== this.#family || !(ttl >= 0)) continue;
      least = Math.min(least, ttl * 1000);
      fresh.add(ip.text);
      this.#known.set(ip.text, Math.max(this.#known.get(ip.text) ?? 0, now + ttl * 1000));
    }
    for (const [address, until] of this.#known)
      if (!fresh.has(address) && until + graceMs <= now) this.#known.delete(address);
    this.#bound(fresh);
    this.#empty = fresh.size === 0 ? this.#empty + 1 : 0;
    if (fresh.size > 0) return Math.min(Math.max(least, minPauseMs), maxPauseMs);
    return backoffDelay(this.#empty, { firstMs: minPauseMs, maxMs: RETRY_MS });
  }

  /** Drops the stalest addresses of too many, and of too many fresh ones the last. */
  #bound(fresh: ReadonlySet<string>): void {
    const { addresses: limit } = this.#limits;
    const ranked = [...this.#known].sort(
      ([a, until], [b, other]) => Number(fresh.has(b)) - Number(fresh.has(a)) || other - until || (a < b ? -1 : 1),
    );
    for (const [address] of ranked.slice(limit)) this.#known.delete(address);
    this.#dropped = Math.max(0, fresh.size - limit);
  }
}

/** The longest pause, in ms, after failures and after answers without addresses. */
const RETRY_MS = 30_000;
