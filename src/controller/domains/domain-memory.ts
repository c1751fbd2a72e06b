// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import { backoffDelay } from "../../time/backoff.ts";
import type { DnsOutcome } from "./dns-client.ts";

/** Limits of time and size. */
export interface MemoryLimits {
  /** How long an address stays active after its TTL, in ms: connections to it continue, and rotating answers return it again. */
  readonly graceMs: number;
  /** The largest number of addresses of one name and family. */
  readonly addresses: number;
  /** The shortest and the longest time, in ms, until the next query of a name. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
}

/** The known addresses of one name and family. The time is a parameter of its methods. */
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

  /** Whether anything is known: an answer or earlier addresses. */
  get known(): boolean {
    return this.#known.size > 0 || (this.#last !== undefined && this.#last.kind !== "failed");
  }

  /** The number of failed queries in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** The last outcome. */
  get last(): DnsOutcome | undefined {
    return this.#last;
  }

  /** The number of ignored addresses of the last answer. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds earlier addresses, as if their TTL expired now. */
  seed(addresses: readonly string[], now: number): void {
    for (const text of addresses) {
      const ip = parseIp(text);
      if (ip?.family === this.#family && !this.#known.has(ip.text)) this.#known.set(ip.text, now);
    }
  }

  /**
   * Adds the result of a query; returns the time until the next one in ms. Addresses are removed when their grace period is over, but only with an
   * answer: none is removed while the DNS is down.
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

  /** Drops the addresses with the earliest expiry if there are too many, and of too many new ones the last. */
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
