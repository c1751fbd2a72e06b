// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../src/kube/errors.ts";
import type { Random } from "./random.ts";

/**
 * What may go wrong with a request to the API server.
 * - `refused`: it is answered with an error and has no effect (409, 429, 500, 503)
 * - `lost`: the connection breaks before it arrives
 * - `unanswered`: it takes effect, and the connection breaks before the answer
 * - `late`: it takes effect long afterwards, when its sender may have given it up
 * - `twice`: something on its way repeats it, as proxies do; the answer is the second one's
 */
export type KubeFault = "refused" | "lost" | "unanswered" | "late" | "twice";

const KINDS: Readonly<Record<WeatherKind, true>> = {
  refused: true,
  lost: true,
  unanswered: true,
  late: true,
  twice: true,
  "repeated-event": true,
  "database-refuses": true,
  "slow-network": true,
};

/** Whether that is the name of a kind of weather. */
export function isWeather(name: string): boolean {
  return Object.hasOwn(KINDS, name);
}

/** Kinds of bad weather; each is a probability that something goes wrong while it lasts. */
export type WeatherKind = KubeFault | "repeated-event" | "database-refuses" | "slow-network";

interface Spell {
  readonly kind: WeatherKind;
  readonly rate: number;
  /** Only this replica has it. */
  readonly replica: string | undefined;
}

/** Which faults are likely now. A run begins with fine weather; its script brings spells that end by themselves. */
export class Weather {
  readonly #spells = new Set<Spell>();
  /** What was injected, and how often. */
  readonly injected = new Map<string, number>();
  /** The API server answers nobody. */
  apiDown = false;

  /** Begins a spell; the function returned ends it. */
  begin(kind: WeatherKind, rate: number, replica?: string): () => void {
    const spell: Spell = { kind, rate, replica };
    this.#spells.add(spell);
    return () => void this.#spells.delete(spell);
  }

  /** Ends all spells. */
  clear(): void {
    this.#spells.clear();
    this.apiDown = false;
  }

  /** Whether a fault of that kind happens. */
  strikes(kind: WeatherKind, random: Random, replica: string): boolean {
    let rate = 0;
    for (const spell of this.#spells) {
      if (spell.kind === kind && (spell.replica ?? replica) === replica) rate = Math.max(rate, spell.rate);
    }
    // Chance is used either way, so that the weather does not shift what comes after.
    const struck = random.chance(rate);
    if (struck) this.count(kind);
    return struck;
  }

  /** Counts something that was injected. */
  count(name: string): void {
    this.injected.set(name, (this.injected.get(name) ?? 0) + 1);
  }
}

/** An error as an API server (or what is before it) gives without having done anything. */
export function refusal(random: Random, what: string, write: boolean): KubeError {
  const kinds = [
    { code: "internal", status: 500, reason: "InternalError" },
    { code: "unavailable", status: 503, reason: "ServiceUnavailable" },
    { code: "throttled", status: 429, reason: "TooManyRequests" },
    // The API server gives up a patch after some collisions with others.
    ...(write ? [{ code: "conflict", status: 409, reason: "Conflict" } as const] : []),
  ] as const;
  const { code, status, reason } = random.pick(kinds);
  return new KubeError(code, `${what}: simulated ${reason}`, { status, reason });
}
