// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { DomainMemory } from "./domain-memory.ts";

const LIMITS = { graceMs: 60_000, addresses: 5, minPauseMs: 1000, maxPauseMs: 300_000 };

const address = fc.integer({ min: 1, max: 9 }).map((n) => `192.0.2.${n}`);
const outcome = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(fc.record({ address, ttl: fc.integer({ min: 0, max: 100 }) }), { maxLength: 4 })
      .map((addresses) => ({ kind: "addresses" as const, addresses })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "no-name" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "failed" as const, reason: "ESERVFAIL" }) },
);
const history = fc.array(fc.record({ wait: fc.integer({ min: 0, max: 90_000 }), outcome }), { maxLength: 40 });

t.test("whatever a DNS answers, and however long it does not, the guarantees are kept", async () => {
  fc.assert(
    fc.property(history, (steps) => {
      const memory = new DomainMemory(4, LIMITS);
      /** address → when its grace ends. */
      const promised = new Map<string, number>();
      let now = 0;
      for (const { wait, outcome } of steps) {
        now += wait;
        const before = memory.addresses;
        const pause = memory.note(outcome, now);
        const { addresses } = memory;
        if (pause < LIMITS.minPauseMs || pause > LIMITS.maxPauseMs) return false;
        if (addresses.length > LIMITS.addresses) return false;
        if (outcome.kind === "failed") {
          if (addresses.join() !== before.join()) return false;
          continue;
        }
        const answers = outcome.kind === "addresses" ? outcome.addresses : [];
        for (const { address, ttl } of answers) {
          if (!addresses.includes(address)) return false;
          promised.set(address, Math.max(promised.get(address) ?? 0, now + ttl * 1000 + LIMITS.graceMs));
        }
        const kept = new Set([...promised].flatMap(([one, until]) => (until > now ? [one] : [])));
        // No address that was never in an answer or whose grace period is over; all others, unless there are too many.
        if (!addresses.every((one) => kept.has(one) || answers.some(({ address }) => address === one))) return false;
        if (kept.size <= LIMITS.addresses && ![...kept].every((one) => addresses.includes(one))) {
          // An address that was dropped because of the limit does not return by itself.
          const lost = [...kept].filter((one) => !addresses.includes(one));
          if (lost.some((one) => before.includes(one))) return false;
        }
      }
      return true;
    }),
    { numRuns: 500 },
  );
});
