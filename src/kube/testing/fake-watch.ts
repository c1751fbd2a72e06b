// SPDX-License-Identifier: Apache-2.0

import type { Timers } from "../../time/clock.ts";
import { KubeError } from "../errors.ts";
import type { WatchEvent, WatchOptions } from "../kube.ts";
import type { KubeObject } from "../object.ts";
import { type ResourceType, typeName } from "../resources.ts";
import { type Selector, selectorOf } from "./fake-selector.ts";
import type { Commit } from "./fake-store.ts";

/** How a test disturbs the watches of a fake API server. A `type` restricts it to the watches of that type. */
export interface FakeWatchControls {
  /** Breaks the connections of the open watches. */
  dropWatches(type?: ResourceType): void;
  /** Ends the open watches normally, as when their time is up. */
  endWatches(type?: ResourceType): void;
  /** The open watches stay open but deliver nothing any more, as with a half-open connection. */
  stallWatches(type?: ResourceType): void;
  /** The open watches end with an ERROR event that says 410 Gone. */
  expireWatches(type?: ResourceType): void;
  /** Sends a bookmark with the present version to the open watches. */
  bookmark(type?: ResourceType): void;
  /** Drops the history: watches from older versions, and pages of older lists, are refused with `gone`. */
  compact(): void;
  /** How many watches are open, stalled ones included. */
  watchCount(type?: ResourceType): number;
}

/** The watches of a fake API server. */
export interface FakeWatches extends FakeWatchControls {
  /** Runs one watch to its end. */
  open(type: ResourceType, options: WatchOptions, onEvent: (event: WatchEvent<KubeObject>) => void): Promise<void>;
  /** Delivers a change to the watches, and keeps it for those that are opened later. */
  publish(commit: Commit): void;
  /** The oldest version from which a watch can continue. */
  readonly oldest: number;
  /** Events that are not delivered yet. */
  readonly undelivered: number;
}

interface Watcher {
  readonly type: string;
  readonly matches: Selector;
  readonly deliver: (event: WatchEvent<KubeObject>) => void;
  readonly end: (error?: KubeError) => void;
  stalled: boolean;
}

const MAX_HISTORY = 20_000;

/** The watches of the changes passed to `publish`; `version` is the present version of the store. */
export function fakeWatches(clock: Timers, schedule: (run: () => void) => void, version: () => number): FakeWatches {
  const watchers = new Set<Watcher>();
  const history: Commit[] = [];
  let oldest = 0;
  let undelivered = 0;

  const each = (type: ResourceType | undefined, act: (watcher: Watcher) => void): void => {
    for (const watcher of [...watchers]) if (type === undefined || watcher.type === typeName(type)) act(watcher);
  };

  return {
    async open(type, options, onEvent) {
      const from = Number(options.resourceVersion);
      if (from < oldest) throw gone(typeName(type));
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const queue: WatchEvent<KubeObject>[] = [];
      let open = true;
      const watcher: Watcher = {
        type: typeName(type),
        matches: selectorOf(options),
        stalled: false,
        deliver(event) {
          queue.push(event);
          undelivered += 1;
          schedule(() => {
            undelivered -= 1;
            const next = queue.shift();
            if (open && !watcher.stalled && next !== undefined) onEvent(next);
          });
        },
        end(error) {
          // Pending events are delivered before the end.
          schedule(() => {
            if (error === undefined) resolve();
            else reject(error);
          });
        },
      };
      const onAbort = (): void => reject(new KubeError("aborted", `watch ${watcher.type}`));
      options.signal.addEventListener("abort", onAbort, { once: true });
      const cancelTimeout = clock.after(options.timeoutSeconds * 1_000, () => {
        if (!watcher.stalled) watcher.end();
      });
      options.onOpen?.();
      for (const commit of history) if (commit.version > from) notify(watcher, commit);
      watchers.add(watcher);
      try {
        await promise;
      } finally {
        open = false;
        watchers.delete(watcher);
        cancelTimeout();
        options.signal.removeEventListener("abort", onAbort);
      }
    },
    publish(commit) {
      history.push(commit);
      if (history.length > MAX_HISTORY) oldest = history.shift()?.version ?? oldest;
      for (const watcher of watchers) notify(watcher, commit);
    },
    get oldest() {
      return oldest;
    },
    get undelivered() {
      return undelivered;
    },
    dropWatches: (type) =>
      each(type, (watcher) => watcher.end(new KubeError("unavailable", `watch ${watcher.type}: the connection broke`))),
    endWatches: (type) => each(type, (watcher) => watcher.end()),
    stallWatches: (type) =>
      each(type, (watcher) => {
        watcher.stalled = true;
      }),
    expireWatches: (type) => each(type, (watcher) => watcher.end(gone(watcher.type))),
    bookmark: (type) =>
      each(type, (watcher) => watcher.deliver({ type: "BOOKMARK", resourceVersion: String(version()) })),
    compact() {
      history.length = 0;
      oldest = version();
    },
    watchCount(type) {
      let count = 0;
      each(type, () => {
        count += 1;
      });
      return count;
    },
  };
}

/**
 * The event of a change for a watch with a selector: an object that no longer matches is DELETED, one that begins to
 * match is ADDED.
 */
function notify(watcher: Watcher, commit: Commit): void {
  if (watcher.type !== typeName(commit.type)) return;
  const before = commit.old !== undefined && watcher.matches(commit.old);
  const after = commit.new !== undefined && watcher.matches(commit.new);
  if (after && commit.new !== undefined) {
    watcher.deliver({ type: before ? "MODIFIED" : "ADDED", object: commit.new });
  } else if (before && commit.old !== undefined) {
    const { metadata } = commit.old;
    const object = { ...commit.old, metadata: { ...metadata, resourceVersion: String(commit.version) } };
    watcher.deliver({ type: "DELETED", object });
  }
}

function gone(type: string): KubeError {
  return new KubeError("gone", `watch ${type}: too old resource version`, { status: 410, reason: "Expired" });
}
