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
  /** Begins to read. Calling it again does nothing. */
  start(): void;
  /** True once everything has been read; stays true. */
  readonly synced: boolean;
  /** Resolves when synced; rejects with a `KubeError` `aborted` if `signal` fires or the informer is stopped before. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  get(key: string): P | undefined;
  values(): IterableIterator<P>;
  /** Key and projection of each object. */
  entries(): IterableIterator<[string, P]>;
  readonly size: number;
  readonly state: InformerState;
  /** Why the last attempt failed; undefined once one has succeeded. */
  readonly lastError: KubeError | undefined;
  /**
   * Calls `listener` for each change, after the copy has changed, one after the other, never within the call of `subscribe`.
   * There is no replay. Returns the function that ends it.
   */
  subscribe(listener: (change: Change<P>) => void): () => void;
  /** Ends a pause: list or watch is retried at once. For those who know that it may succeed now. */
  retryNow(): void;
  /**
   * Lists everything again, however long that takes. When it resolves, everything is known that the API server had accepted when it
   * was called: a watch alone never proves that. Rejects with a `KubeError` `aborted` if `signal` fires or the informer is stopped.
   */
  refresh(signal?: AbortSignal): Promise<void>;
  /**
   * The same without reading anything: `write` changes some object that is watched and returns its new version, and a watch tells of changes
   * in their order. Resolves with true when the watch has come to that version; with false where that is not seen within `ms`.
   */
  catchUp(write: () => Promise<string>, ms: number): Promise<boolean>;
  /**
   * Takes in an object as the answer to a write shows it, ahead of the watch. Does nothing if the watch has come that far
   * already: then it knows better, perhaps even that the object is gone again.
   */
  observe(object: KubeObject): void;
  /** Ends everything and forgets the objects. Nothing is announced any more. Resolves when no request is left. */
  stop(): Promise<void>;
}

/** Makes an {@link Informer}; nothing is read before `start()`. */
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

  /** Reads one object whose projection threw: it is not kept, for it may be large. */
  async function readAgain(key: string, uid: string, thrown: unknown): Promise<void> {
    const signal = loop.stopped;
    if (signal.aborted) return;
    const { name: only, ...where } = refOf(key);
    const of = `metadata.name=${only}`;
    const fieldSelector = selection.fieldSelector === undefined ? of : `${selection.fieldSelector},${of}`;
    try {
      const { items } = await kube.list<T>(type, { ...selection, ...where, fieldSelector, limit: 1, signal });
      signal.throwIfAborted();
      // One that is gone is announced by the watch.
      for (const object of items) cache.upsert(object, object.metadata.resourceVersion);
    } catch {
      if (signal.aborted) return;
      // It could not be read, which the watch notices as well.
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
