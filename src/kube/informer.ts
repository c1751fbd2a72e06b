// SPDX-License-Identifier: Apache-2.0

import { type FailureSubject, Failures } from "../desired/failures.ts";
import { SYSTEM_CLOCK } from "../time/clock.ts";
import type { KubeError } from "./errors.ts";
import { type Change, informerCache, isLater } from "./informer-cache.ts";
import { InformerListeners } from "./informer-listeners.ts";
import { InformerLoop } from "./informer-loop.ts";
import type { InformerOptions, InformerState } from "./informer-options.ts";
import { InformerProgress } from "./informer-progress.ts";
import type { Kube, ListSelection } from "./kube.ts";
import { type KubeObject, refOf } from "./object.ts";
import { type ResourceType, typeName } from "./resources.ts";

/** A live, projected copy of the objects of one type. */
export interface Informer<P> {
  /** Starts reading. Calling it again does nothing. */
  start(): void;
  /** True once everything has been listed; stays true. */
  readonly synced: boolean;
  /** Resolves when synced; rejects with a `KubeError` `aborted` if `signal` fires or the informer is stopped before. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  get(key: string): P | undefined;
  values(): IterableIterator<P>;
  /** Key and projection of each object. */
  entries(): IterableIterator<[string, P]>;
  readonly size: number;
  readonly state: InformerState;
  /** Why the last attempt failed; undefined after a success. */
  readonly lastError: KubeError | undefined;
  /**
   * Calls `listener` for each change, after the copy has changed, one after the other, never within the call of
   * `subscribe`. Existing objects are not replayed. Returns the function that ends it.
   */
  subscribe(listener: (change: Change<P>) => void): () => void;
  /** Ends a pause: list or watch is retried at once. For callers that know that it may succeed now. */
  retryNow(): void;
  /**
   * Lists everything again, however long that takes. When it resolves, everything is known that the API server had
   * accepted when it was called: a watch alone does not prove that. Rejects with a `KubeError` `aborted` if `signal`
   * fires or the informer is stopped.
   */
  refresh(signal?: AbortSignal): Promise<void>;
  /**
   * The same without a list: `write` changes a watched object and returns its new version, and a watch delivers
   * changes in order. Resolves with true when the watch has reached that version; with false if it does not within
   * `ms`.
   */
  catchUp(write: () => Promise<string>, ms: number): Promise<boolean>;
  /**
   * Stores an object from the answer to a write, ahead of the watch. Does nothing if the watch has already reached
   * that version: it may even have reported the object's deletion.
   */
  observe(object: KubeObject): void;
  /** Ends everything and drops the objects. Nothing more is reported. Resolves when no request is left. */
  stop(): Promise<void>;
}

/** Creates an {@link Informer}; nothing is read before `start()`. */
export function informer<T extends KubeObject, P = T>(
  kube: Kube,
  type: ResourceType,
  options: InformerOptions<T, P>,
): Informer<P> {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const selection: ListSelection = {
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
    ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
  };
  const name = typeName(type);
  const kind = options.failures?.kind ?? type.plural;
  const failures =
    options.failures?.failures ??
    new Failures(clock, ({ part, key, error }) => options.onError?.(error, `${part} of ${name}, ${key}`));
  const projection = (key: string, uid?: string): FailureSubject => ({
    ...({ part: "projection", where: "", kind, key } as const),
    ...(uid === undefined ? {} : { uid }),
  });
  const listeners: InformerListeners<P> = new InformerListeners(failures, kind, (key) => cache.get(key));
  const cache = informerCache<T, P>({
    project: options.project,
    equal: options.equal,
    announce: (change) => listeners.announce(change),
    onError: (error, key, uid) => failures.failed(projection(key, uid), error, () => void readAgain(key, uid, error)),
    onTaken: (key) => failures.succeeded(projection(key)),
  });
  const progress = new InformerProgress();
  const loop = new InformerLoop<T, P>({ kube, type, selection, clock, cache, progress, options });

  /** Reads one object again whose projection threw: it was not stored, because it may be large. */
  async function readAgain(key: string, uid: string, thrown: unknown): Promise<void> {
    const signal = loop.stopped;
    if (signal.aborted) return;
    const { name: only, ...where } = refOf(key);
    const of = `metadata.name=${only}`;
    const fieldSelector = selection.fieldSelector === undefined ? of : `${selection.fieldSelector},${of}`;
    try {
      const { items } = await kube.list<T>(type, { ...selection, ...where, fieldSelector, limit: 1, signal });
      signal.throwIfAborted();
      // The watch reports a deleted object.
      for (const object of items) cache.upsert(object, object.metadata.resourceVersion);
    } catch {
      if (signal.aborted) return;
      // It could not be read, which the watch detects as well.
      failures.failed(projection(key, uid), thrown, () => void readAgain(key, uid, thrown));
    }
  }

  return {
    start: () => loop.start(),
    get synced() {
      return loop.synced;
    },
    whenSynced: (signal) => loop.whenSynced(signal),
    get: (key) => cache.get(key),
    *values() {
      for (const [, value] of cache.entries()) yield value;
    },
    entries: () => cache.entries(),
    get size() {
      return cache.size;
    },
    get state() {
      return loop.state;
    },
    get lastError() {
      return loop.lastError;
    },
    subscribe: (listener) => listeners.add(listener),
    retryNow: () => loop.retryNow(),
    refresh: (signal) => loop.refresh(signal),
    catchUp: async (write, ms) => loop.state === "watching" && (await progress.catchUp(write, ms, clock)),
    observe(object) {
      const { resourceVersion } = object.metadata;
      if (progress.version === undefined || !isLater(resourceVersion, progress.version)) return;
      cache.upsert(object as T, resourceVersion);
    },
    async stop() {
      const stopped = loop.stop();
      progress.stop();
      listeners.clear();
      if (options.failures === undefined) failures.stop();
      await stopped;
      cache.clear();
    },
  };
}
