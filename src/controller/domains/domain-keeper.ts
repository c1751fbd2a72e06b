// SPDX-License-Identifier: Apache-2.0

import type { DomainFact, DomainStateFact } from "../../facts/domain.ts";
import type { Clock } from "../../time/clock.ts";
import type { DnsClient } from "./dns-client.ts";
import { DomainMemory, type MemoryLimits } from "./domain-memory.ts";

/** The keeper's dependencies. */
export interface DomainKeeperOptions {
  readonly client: DnsClient;
  readonly clock: Clock;
  readonly limits: MemoryLimits;
  /** `address` or `address:port` of the cluster's DNS; none while it is unknown. */
  readonly servers: () => readonly string[];
  /** The addresses of a name have changed; `undefined`: the name is not needed any more. */
  readonly publish: (name: string, fact: DomainFact | undefined) => void;
  /** A name has a problem, or has none any more. */
  readonly state: (name: string, fact: DomainStateFact | undefined) => void;
}

/** The largest number of concurrent queries. */
const AT_ONCE = 32;
/** A problem is reported after this many failures in a row. */
const TROUBLE = 3;

interface Family {
  readonly memory: DomainMemory;
  /** Ends the pause before the next query; absent while one is in progress or queued. */
  cancel: (() => void) | undefined;
}

/**
 * Resolves DNS names with the cluster's DNS, each again when the shortest TTL of its last answer has expired. Wildcards cannot be resolved and are
 * ignored.
 */
export class DomainKeeper {
  readonly #options: DomainKeeperOptions;
  /** name → its state. */
  readonly #names = new Map<string, { readonly v4: Family; readonly v6: Family }>();
  readonly #queue: (() => Promise<void>)[] = [];
  #busy = 0;

  constructor(options: DomainKeeperOptions) {
    this.#options = options;
  }

  /** The number of names. */
  get size(): number {
    return this.#names.size;
  }

  /** Adds a name; `before`: its last known addresses. */
  add(name: string, before: readonly string[] = []): void {
    if (name.startsWith("*.") || this.#names.has(name)) return;
    const { limits, clock } = this.#options;
    const family = (number: 4 | 6): Family => {
      const memory = new DomainMemory(number, limits);
      memory.seed(before, clock.now());
      return { memory, cancel: undefined };
    };
    const kept = { v4: family(4), v6: family(6) };
    this.#names.set(name, kept);
    this.#publish(name);
    this.#ask(name, kept.v4, 4);
    this.#ask(name, kept.v6, 6);
  }

  /** Removes a name. */
  remove(name: string): void {
    const kept = this.#names.get(name);
    if (kept === undefined) return;
    this.#names.delete(name);
    kept.v4.cancel?.();
    kept.v6.cancel?.();
    this.#options.publish(name, undefined);
    this.#options.state(name, undefined);
  }

  /** The servers have changed: failed names are resolved at once. */
  hurry(): void {
    for (const [name, { v4, v6 }] of this.#names) {
      for (const [family, number] of [
        [v4, 4],
        [v6, 6],
      ] as const) {
        if (family.cancel === undefined || family.memory.failures === 0) continue;
        family.cancel();
        this.#ask(name, family, number);
      }
    }
  }

  /** Stops queries. Published addresses stay. */
  stop(): void {
    for (const { v4, v6 } of this.#names.values()) {
      v4.cancel?.();
      v6.cancel?.();
    }
    this.#names.clear();
    this.#queue.length = 0;
  }

  #ask(name: string, family: Family, number: 4 | 6): void {
    family.cancel = undefined;
    this.#queue.push(async () => {
      if (!this.#keeps(name, family)) return;
      const { client, servers, clock } = this.#options;
      const outcome = await client.ask(servers(), name, number);
      if (!this.#keeps(name, family)) return;
      const pause = family.memory.note(outcome, clock.now());
      // Retries have jitter, so that a server that recovers does not get all queries at once. Expiries of TTLs have none.
      const spread = outcome.kind === "failed" ? 0.5 + clock.random() / 2 : 1;
      family.cancel = clock.after(Math.ceil(pause * spread), () => this.#ask(name, family, number));
      this.#publish(name);
    });
    this.#work();
  }

  #work(): void {
    while (this.#busy < AT_ONCE) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#busy++;
      void next().finally(() => {
        this.#busy--;
        this.#work();
      });
    }
  }

  #keeps(name: string, family: Family): boolean {
    const kept = this.#names.get(name);
    return kept?.v4 === family || kept?.v6 === family;
  }

  #publish(name: string): void {
    const kept = this.#names.get(name);
    if (kept === undefined) return;
    const { v4, v6 } = { v4: kept.v4.memory, v6: kept.v6.memory };
    if (v4.known || v6.known) this.#options.publish(name, { key: name, v4: v4.addresses, v6: v6.addresses });
    const trouble = troubleOf(name, v4, v6);
    if (trouble !== "unchanged") this.#options.state(name, trouble && { key: name, ...trouble });
  }
}

/** The problem of a name. `unchanged` while it is not known: the name has not been resolved yet, or failed only a few times. */
function troubleOf(
  name: string,
  v4: DomainMemory,
  v6: DomainMemory,
): { readonly reason: string; readonly message: string } | "unchanged" | undefined {
  const dropped = v4.dropped + v6.dropped;
  if (dropped > 0) {
    const message = `the cluster's DNS returns more addresses for ${name} than the limit; ${dropped} are ignored`;
    return { reason: "TooManyAddresses", message };
  }
  const failed = [v4, v6].find(({ failures }) => failures >= TROUBLE);
  if (failed?.last?.kind === "failed") {
    const message = `failed to resolve ${name} with the cluster's DNS (${failed.last.reason}); its last known addresses stay active`;
    return { reason: "DomainNotResolved", message };
  }
  const answered = [v4, v6].every(({ last }) => last !== undefined && last.kind !== "failed");
  if (!answered) return "unchanged";
  if (v4.addresses.length + v6.addresses.length > 0) return undefined;
  const message = `the cluster's DNS has no address for ${name}; the name matches nothing until it has`;
  return { reason: "DomainNotFound", message };
}
