// SPDX-License-Identifier: Apache-2.0

import type { SampledFlow } from "../../api/sampling.ts";
import type { FlowSample } from "./ipfix.ts";

/** The number of flows that are kept, and how long, in ms. */
export const KEPT = { flows: 8_192, ms: 3_600_000 } as const;

/** The flows of the last hour, the latest last; with more than {@link KEPT} the oldest ones are dropped. */
export class FlowTable {
  readonly #flows = new Map<string, SampledFlow>();
  #sequence: number;
  #dropped = 0;

  /** `begun`: ms since the epoch. Numbers begin with it in µs, so that those of a new process follow those of the one before. */
  constructor(begun: number) {
    this.#sequence = Math.floor(begun * 1_000);
  }

  /** Flows that were dropped, before an hour had passed, to make room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds a sample. `now`: ms since the epoch. */
  add({ point, from, to, protocol, toPort: port, packets }: FlowSample, now: number): void {
    const key = `${point} ${from} ${to} ${protocol} ${port}`;
    const known = this.#flows.get(key);
    this.#flows.delete(key);
    this.#flows.set(key, {
      ...{ sequence: ++this.#sequence, point, from, to, protocol, port },
      ...{ first: known?.first ?? now, last: now, packets: (known?.packets ?? 0) + packets },
    });
    for (const [oldest, { last }] of this.#flows) {
      const isFull = this.#flows.size > KEPT.flows;
      if (!isFull && last > now - KEPT.ms) break;
      if (last > now - KEPT.ms) this.#dropped++;
      this.#flows.delete(oldest);
    }
  }

  /**
   * The flows of the last hour that have changed after `sequence`, oldest first. All of them, if that is a number of a process whose clock was ahead of this one's: otherwise
   * there would be none until this one's have reached it.
   */
  since(sequence: number, now: number): readonly SampledFlow[] {
    const after = sequence > this.#sequence ? 0 : sequence;
    return [...this.#flows.values()].filter((flow) => flow.sequence > after && flow.last > now - KEPT.ms);
  }
}
