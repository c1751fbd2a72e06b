// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../src/kube/errors.ts";
import type { Random } from "./random.ts";

/**
 * Faults of requests to the API server.
 * - `refused`: it is rejected with an error and has no effect (409, 429, 500, 503)
 * - `lost`: the connection breaks before it arrives
 * - `unanswered`: it takes effect, and the connection breaks before the response
 * - `late`: it takes effect much later, when the sender may have timed out
 * - `twice`: it is repeated on the way, as proxies do; the response is that of the second one
 */
export type KubeFault = "refused" | "lost" | "unanswered" | "late" | "twice";

const KINDS: Readonly<Record<RandomFaultKind, true>> = {
  refused: true,
  lost: true,
  unanswered: true,
  late: true,
  twice: true,
  "repeated-event": true,
  "database-refuses": true,
  "slow-network": true,
};

/** Whether this is the name of a random fault. */
export function isRandomFault(name: string): boolean {
  return Object.hasOwn(KINDS, name);
}

/** Kinds of random faults; each occurs with a probability during a period. */
export type RandomFaultKind = KubeFault | "repeated-event" | "database-refuses" | "slow-network";

interface Period {
  readonly kind: RandomFaultKind;
  readonly rate: number;
  /** The only replica to which it applies. */
  readonly replica: string | undefined;
}

/** Probabilities of faults. A run begins without faults; its script has periods in which some occur. */
export class RandomFaults {
  readonly #periods = new Set<Period>();
  /** The number of injected faults, by name. */
  readonly injected = new Map<string, number>();
  /** The API server does not respond. */
  apiDown = false;

  /** Begins a period; the returned function ends it. */
  begin(kind: RandomFaultKind, rate: number, replica?: string): () => void {
    const period: Period = { kind, rate, replica };
    this.#periods.add(period);
    return () => void this.#periods.delete(period);
  }

  /** Ends all periods. */
  clear(): void {
    this.#periods.clear();
    this.apiDown = false;
  }

  /** Whether a fault of that kind happens. */
  happens(kind: RandomFaultKind, random: Random, replica: string): boolean {
    let rate = 0;
    for (const period of this.#periods) {
      if (period.kind === kind && (period.replica ?? replica) === replica) rate = Math.max(rate, period.rate);
    }
    // A random number is drawn either way, so that faults do not change later random choices.
    const struck = random.chance(rate);
    if (struck) this.count(kind);
    return struck;
  }

  /** Counts something that was injected. */
  count(name: string): void {
    this.injected.set(name, (this.injected.get(name) ?? 0) + 1);
  }
}

/** An error of an API server (or of a proxy) that has not carried out the request. */
export function refusal(random: Random, what: string, write: boolean): KubeError {
  const kinds = [
    { code: "internal", status: 500, reason: "InternalError" },
    { code: "unavailable", status: 503, reason: "ServiceUnavailable" },
    { code: "throttled", status: 429, reason: "TooManyRequests" },
    // The API server rejects a patch after several conflicts.
    ...(write ? [{ code: "conflict", status: 409, reason: "Conflict" } as const] : []),
  ] as const;
  const { code, status, reason } = random.pick(kinds);
  return new KubeError(code, `${what}: simulated ${reason}`, { status, reason });
}
