// SPDX-License-Identifier: Apache-2.0

import type { DnsClient, DnsOutcome } from "../domains/dns-client.ts";

/** A DNS in memory, for tests. */
export interface FakeDns extends DnsClient {
  /** `name/family` → what a question comes to; what is not there does not exist. A list rotates by one with each question. */
  readonly zone: Map<string, DnsOutcome | { readonly rotate: readonly (readonly string[])[]; readonly ttl: number }>;
  /** `name/family` of the questions, oldest first. */
  readonly asked: string[];
  /** While set, every question fails for this reason. */
  down: string | undefined;
}

/** Makes a {@link FakeDns}. */
export function fakeDns(): FakeDns {
  const turns = new Map<string, number>();
  const fake: FakeDns = {
    zone: new Map(),
    asked: [],
    down: undefined,
    async ask(_servers, name, family) {
      const key = `${name}/${family}`;
      fake.asked.push(key);
      if (fake.down !== undefined) return { kind: "failed", reason: fake.down };
      const entry = fake.zone.get(key);
      if (entry === undefined) return { kind: "no-name" };
      if ("kind" in entry) return entry;
      const turn = turns.get(key) ?? 0;
      turns.set(key, turn + 1);
      const addresses = entry.rotate[turn % entry.rotate.length] ?? [];
      return { kind: "addresses", addresses: addresses.map((address) => ({ address, ttl: entry.ttl })) };
    },
  };
  return fake;
}

/** An outcome with these addresses. */
export function answer(ttl: number, ...addresses: string[]): DnsOutcome {
  return { kind: "addresses", addresses: addresses.map((address) => ({ address, ttl })) };
}
