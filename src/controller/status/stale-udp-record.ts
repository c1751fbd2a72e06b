// SPDX-License-Identifier: Apache-2.0

import { encodeStaleFlows, type StaleFlows } from "../../contract/stale-udp-flows.ts";

/** The number of recorded transactions: a node whose watch was interrupted reads the last ones together. */
const MAX_ENTRIES = 16;

/** Records the ended UDP flows of Services for the nodes, see `src/daemon/services/stale-udp-flush.ts`. */
export class StaleFlowsRecord {
  readonly #write: (text: string) => void;
  #entries: readonly StaleFlows[] = [];

  /** @param write writes the annotation; a later text replaces it. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** The term has ended: another leader replaces the record, and nodes would process old entries again. */
  clear(): void {
    this.#entries = [];
  }

  add(ended: StaleFlows): void {
    this.#entries = [...this.#entries, ended].slice(-MAX_ENTRIES);
    this.#write(encodeStaleFlows(this.#entries));
  }
}
