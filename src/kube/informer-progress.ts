// SPDX-License-Identifier: Apache-2.0

import type { Timers } from "../time/clock.ts";
import { isLater } from "./informer-cache.ts";

/** The resource version up to which an informer is current, by lists, events and bookmarks. */
export class InformerProgress {
  #version: string | undefined;
  readonly #waiting = new Set<{ readonly version: string; readonly resolve: (reached: boolean) => void }>();

  /** undefined: nothing has been read yet. */
  get version(): string | undefined {
    return this.#version;
  }

  /** Everything up to `version` is known. */
  reach(version: string): void {
    this.#version = version;
    for (const waiter of this.#waiting) if (!isLater(waiter.version, version)) waiter.resolve(true);
  }

  /**
   * Calls `write`, which returns the new version of a watched object, and resolves with whether that is reached
   * within `ms`.
   */
  async catchUp(write: () => Promise<string>, ms: number, clock: Timers): Promise<boolean> {
    const before = this.#version;
    if (before === undefined) return false;
    const version = await write();
    // The versions of a server that was restored from a backup start again: then the comparison proves nothing.
    if (!isLater(version, before)) return false;
    if (!isLater(version, this.#version ?? before)) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { version, resolve };
    this.#waiting.add(waiter);
    const cancel = clock.after(ms, () => resolve(false));
    try {
      return await promise;
    } finally {
      cancel();
      this.#waiting.delete(waiter);
    }
  }

  /** No further version is reached. */
  stop(): void {
    for (const waiter of this.#waiting) waiter.resolve(false);
  }
}
