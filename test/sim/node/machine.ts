// SPDX-License-Identifier: Apache-2.0

import type { PodLink } from "../../../src/daemon/pods/pod-links.ts";
import type { NetlinkEvent } from "../../../src/netlink/watch.ts";
import { FakeKernel } from "../../../src/node/testing/fake-kernel.ts";

/** The pod's end of a pair. */
export interface PodEnd {
  readonly wanted: PodLink;
  /** It is up and has its addresses. */
  configured: boolean;
}

/** A listener for changes of nftables tables. */
type TableListener = (table: string) => void;

/**
 * A node without its daemon, with everything that outlives it: the kernel with the namespaces of pods and the tables of
 * nftables, and the runtime's folder.
 */
export class Machine {
  readonly kernel = new FakeKernel();
  /** Paths of existing namespaces. */
  readonly namespaces = new Set<string>();
  /** Host end's name → the pod's end. */
  readonly pairs = new Map<string, PodEnd>();
  /** Table (`inet weft`) → its listing. */
  readonly tables = new Map<string, string>();
  /** The runtime's network configuration, if one has been written. */
  conflist: string | undefined;
  readonly #tableListeners = new Set<TableListener>();

  constructor() {
    this.kernel.watch((event) => this.#note(event));
  }

  /** Replaces or, with "", removes a table. */
  setTable(name: string, listing: string): void {
    if (listing === "") this.tables.delete(name);
    else this.tables.set(name, listing);
    for (const listener of [...this.#tableListeners]) listener(name);
  }

  /** Calls `listener` with the name of each table that changes; returns a function that stops it. */
  watchTables(listener: TableListener): () => void {
    this.#tableListeners.add(listener);
    return () => this.#tableListeners.delete(listener);
  }

  /** Deletes the namespace, and with it the pairs that end in it. */
  removeNamespace(path: string): void {
    this.namespaces.delete(path);
    for (const [name, { wanted }] of this.pairs) if (wanted.netns === path) this.deleteLink(name);
  }

  /** Deletes a link, if it exists. */
  deleteLink(name: string): void {
    const index = this.kernel.link(name)?.index;
    if (index !== undefined) this.kernel.deleteLink(index);
  }

  #note(event: NetlinkEvent): void {
    // Both ends of a pair are deleted.
    if (event.type === "link" && event.change === "removed") this.pairs.delete(event.link.name);
  }
}
