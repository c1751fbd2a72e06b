// SPDX-License-Identifier: Apache-2.0

import { type EndedFlows, encodeEndedFlows } from "../../contract/ended-flows.ts";

/** The number of recorded transactions: a node whose watch was interrupted reads the last ones together. */
const MAX_ENTRIES = 16;

/** Records the ended UDP flows of Services for the nodes, see `src/daemon/services/ended-flows.ts`. */
export class EndedFlowsRecord {
  readonly #write: (text: string) => void;
  #entries: readonly EndedFlows[] = [];

  /** @param write writes the annotation; a later text replaces it. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** The term has ended: another leader replaces the record, and nodes would process old entries again. */
  clear(): void {
    this.#entries = [];
  }

  add(ended: EndedFlows): void {
    this.#entries = [...this.#entries, ended].slice(-MAX_ENTRIES);
    this.#write(encodeEndedFlows(this.#entries));
  }
}
