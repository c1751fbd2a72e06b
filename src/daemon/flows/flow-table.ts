// SPDX-License-Identifier: Apache-2.0

import type { FlowSample } from "./ipfix.ts";

/** Connections of one kind: from an address to a port of another one, as one ACL decided. Those that differ in the client's port are one. */
export interface Flow {
  /** Grows with each change of any flow: whoever has seen the flows up to a number asks for those after it. */
  readonly sequence: number;
  readonly point: number;
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  /** 0 where the protocol has none. */
  readonly port: number;
  /** ms since the epoch: when it was sampled first and last. */
  readonly first: number;
  readonly last: number;
  /** Sampled packets: of an allowed connection the first ones, of a dropped one each that is sent again. */
  readonly packets: number;
}

/** How many flows are kept, and how long, in ms. */
export const KEPT = { flows: 8_192, ms: 3_600_000 } as const;

/** The flows of the last hour, the latest last; with more than {@link KEPT} the ones that were not seen for longest are dropped. */
export class FlowTable {
  readonly #flows = new Map<string, Flow>();
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

  /** Takes a sample in. `now`: ms since the epoch. */
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

  /** The flows that have changed after `sequence`, those first that were not seen for longest; of the last hour only. */
  since(sequence: number, now: number): readonly Flow[] {
    return [...this.#flows.values()].filter((flow) => flow.sequence > sequence && flow.last > now - KEPT.ms);
  }
}
