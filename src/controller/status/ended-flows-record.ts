// SPDX-License-Identifier: Apache-2.0

import { type EndedFlows, encodeEndedFlows } from "../../contract/ended-flows.ts";

/** Transactions that are recorded at once: a node whose watch was interrupted reads the last ones together. */
const MAX_ENTRIES = 16;

/** Records for the nodes which UDP flows of Services have been ended, see `src/daemon/services/ended-flows.ts` for what they do. */
export class EndedFlowsRecord {
  readonly #write: (text: string) => void;
  #entries: readonly EndedFlows[] = [];

  /** @param write writes the annotation; the last text counts. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** The term has ended: another leader replaces the record, and nodes would take what was in it for new. */
  clear(): void {
    this.#entries = [];
  }

  add(ended: EndedFlows): void {
    this.#entries = [...this.#entries, ended].slice(-MAX_ENTRIES);
    this.#write(encodeEndedFlows(this.#entries));
  }
}
