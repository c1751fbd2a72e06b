import { type FailureSubject, Failures } from "../desired/failures.ts";
import { Backoff, type BackoffLimits } from "../time/backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { untilAborted } from "./abort.ts";
import { KubeError } from "./errors.ts";
import { type Change, informerCache, isLater, type Projection } from "./informer-cache.ts";
import type { Kube, ListOptions, Selection, WatchEvent } from "./kube.ts";
import { type KubeObject, keyOf } from "./object.ts";
import { type ResourceType, typeName } from "./resources.ts";

/**
 * - `idle`: not started
 * - `listing`: reading everything
 * - `watching`: up to date, as far as the API server tells
 * - `waiting`: something failed (see `lastError`); trying again after a pause
 * - `absent`: the API server does not serve the type; trying again after a pause
 * - `stopped`
 */
export type InformerState = "idle" | "listing" | "watching" | "waiting" | "absent" | "stopped";

/** Options of {@link informer}. */
export interface InformerOptions<T extends KubeObject, P> extends Selection {
  /** What is kept of an object. The object itself is dropped at once: do not keep it, or parts that hold much of it. */
  readonly project: Projection<T, P>;
  /** If given: an object whose projection equals the known one is not announced. */
  readonly equal?: (a: P, b: P) => boolean;
  /**
   * What a type that the API server does not serve means: `wait` (default): not synced until it is served; `empty`: synced
   * without objects. Both go on asking. Objects known before are kept: only a complete list deletes.
   */
  readonly absent?: "wait" | "empty";
  /**
   * The pause between two questions for a type that is not served, for those who say with `retryNow` when it may be; default: as
   * after other failures. After `retryNow` some questions follow each other as after other failures, for a type that has just been
   * made is not served at once.
   */
  readonly absentPauseMs?: number;
  /** Failures of list and watch (KubeError; all are retried; an absent type is told once). Must not throw. */
  readonly onError?: (error: unknown, context: string) => void;
  /**
   * What `project`, `equal` and listeners threw. The object at which that was stays as it was known, and after a pause it is read again, or the
   * listener told again; nothing else is held up. `kind`: what the failures are said to be of.
   */
  readonly failures?: { readonly failures: Failures; readonly kind: string };
  /** Must not throw. */
  readonly onState?: (state: InformerState) => void;
  /**
   * Lists may be what the API server has in its memory (`resourceVersion=0`, and later whatever is not older than what was seen): for clients of
   * which there are as many as nodes, whose lists are to cost the database nothing. The first one may then be of an old state, which
   * the watch brings up to date: who takes the absence of an object for its deletion must ask again. After a list that failed, and for
   * `refresh`, the state of the moment is asked for. Default: it always is.
   */
  readonly fromMemory?: boolean;
  /** Objects a page of the list; default 100. Halved as long as a page is too large. */
  readonly pageSize?: number;
  /** After so many milliseconds without an event or a bookmark the watch is opened anew, quietly; default 150 s. */
  readonly silenceMs?: number;
  /** Pauses after failures; default 0.2 s to 15 s. */
  readonly backoff?: BackoffLimits;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** Whose time and chance an informer has. */
export type InformerTime = Pick<InformerOptions<KubeObject, unknown>, "clock" | "random">;

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
  /** Ends a pause: the next attempt begins at once. For those who know that it may succeed now. */
  retryNow(): void;
  /**
   * Reads everything anew, for as long as it takes. When it resolves, everything is known that the API server had accepted when it
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

/**
 * The API server's own clients ask for 500. The text of a page and the objects parsed from it are garbage at once, but V8 grows its heap by
 * them: 10,000 pods cost 54 MiB of resident memory in pages of 100, 99 MiB in pages of 500.
 */
const DEFAULT_PAGE = 100;
/**
 * kube-apiserver sends a bookmark about once a minute, but none for a type in which nothing has happened since it started. Silence is
 * thus no proof that the server is frozen, or gone behind a middlebox that goes on answering keep-alives; opening the watch anew
 * is, and costs next to nothing.
 */
const DEFAULT_SILENCE_MS = 150_000;
/** A watch that is not open after so long has failed. */
const OPEN_MS = 30_000;
const DEFAULT_BACKOFF: BackoffLimits = { firstMs: 200, maxMs: 15_000 };
/** The server ends a watch after a time between these, which spreads the load of opening them (as client-go does). */
const WATCH_SECONDS = { min: 300, max: 600 } as const;
/** How many questions follow `retryNow` without the long pause for absent types: about a minute's. */
const EAGER = 10;
/** A watch that lived so long counts as a success, even if nothing happened in it. */
const STABLE_MS = 5_000;

interface InformerListener<P> {
  readonly listener: (change: Change<P>) => void;
  /** Key → what it last took of an object at which it threw since. */
  readonly missed: Map<string, P | undefined>;
}

/** Makes an {@link Informer}; nothing is read before `start()`. */
export function informer<T extends KubeObject, P = T>(
  kube: Kube,
  type: ResourceType,
  options: InformerOptions<T, P>,
): Informer<P> {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const random = options.random ?? Math.random;
  const backoff = new Backoff(options.backoff ?? DEFAULT_BACKOFF, random);
  const selection: Selection = {
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
    part: "projection",
    where: "",
    kind,
    key,
    ...(uid === undefined ? {} : { uid }),
  });
  const listeners = new Set<InformerListener<P>>();
  const stopping = new AbortController();
  const firstSync = Promise.withResolvers<void>();
  // Somebody may or may not wait for it: a stop before the first sync is no unhandled rejection.
  firstSync.promise.catch(() => undefined);
  let state: InformerState = "idle";
  let synced = false;
  let lastError: KubeError | undefined;
  /** Where the next watch begins; undefined: everything must be read first. */
  let version: string | undefined;
  let pageSize = options.pageSize ?? DEFAULT_PAGE;
  let running: Promise<void> | undefined;
  let endPause: () => void = () => undefined;
  /** Questions to come that do not wait for `absentPauseMs`. */
  let eager = 0;
  /** Up to where the server's word is known, by lists, events and bookmarks. */
  let reached: string | undefined;
  /** Those who wait until the watch has come to a version. */
  const awaiting = new Set<{ readonly version: string; readonly resolve: (reached: boolean) => void }>();
  const reach = (at: string): void => {
    reached = at;
    for (const waiter of awaiting) if (!isLater(waiter.version, at)) waiter.resolve(true);
  };
  /** The last list did not come to its end. */
  let listFailed = false;
  /** Those who wait for a list that is yet to begin. */
  const refreshing = new Set<PromiseWithResolvers<void>>();
  let endWatch: () => void = () => undefined;

  const cache = informerCache<T, P>({
    project: options.project,
    equal: options.equal,
    announce(change) {
      // A copy: who subscribes within an announcement hears of the next change first.
      for (const entry of [...listeners]) tell(entry, change);
    },
    onError(error, key, uid) {
      failures.failed(projection(key, uid), error, () => void readAgain(key, uid, error));
    },
    onTaken: (key) => failures.succeeded(projection(key)),
  });

  /** A listener that throws is told again after a pause, or with the next change of the same object, from what it last took. */
  function tell(entry: InformerListener<P>, { key, old, new: now }: Change<P>): void {
    if (!listeners.has(entry)) return;
    const from = entry.missed.has(key) ? entry.missed.get(key) : old;
    const subject: FailureSubject = { part: "listener", where: "informer", kind, key };
    try {
      entry.listener({ key, ...(from === undefined ? {} : { old: from }), ...(now === undefined ? {} : { new: now }) });
    } catch (error) {
      entry.missed.set(key, from);
      failures.failed(subject, error, () => {
        const value = cache.get(key);
        tell(entry, { key, ...(value === undefined ? {} : { new: value }) });
      });
      return;
    }
    if (entry.missed.delete(key)) failures.succeeded(subject);
  }

  /** Reads one object whose projection threw: it is not kept, for it may be large. */
  async function readAgain(key: string, uid: string, thrown: unknown): Promise<void> {
    if (stopping.signal.aborted) return;
    const [first = "", second] = key.split("/");
    const of = `metadata.name=${second ?? first}`;
    try {
      const { items } = await kube.list<T>(type, {
        ...selection,
        ...(second === undefined ? {} : { namespace: first }),
        fieldSelector: selection.fieldSelector === undefined ? of : `${selection.fieldSelector},${of}`,
        limit: 1,
        signal: stopping.signal,
      });
      stopping.signal.throwIfAborted();
      // One that is gone is announced by the watch.
      for (const object of items) cache.upsert(object, object.metadata.resourceVersion);
    } catch {
      if (stopping.signal.aborted) return;
      // It could not be read, which the watch notices as well.
      failures.failed(projection(key, uid), thrown, () => void readAgain(key, uid, thrown));
    }
  }

  const enter = (next: InformerState): void => {
    if (state === next) return;
    state = next;
    options.onState?.(next);
  };
  const markSynced = (): void => {
    synced = true;
    firstSync.resolve();
  };

  /** Which state the next list may be of. */
  function freshness(): Pick<ListOptions, "resourceVersion" | "resourceVersionMatch"> {
    if (options.fromMemory !== true || listFailed || refreshing.size > 0) return {};
    return reached === undefined
      ? { resourceVersion: "0" }
      : { resourceVersion: reached, resourceVersionMatch: "NotOlderThan" };
  }

  /** Reads all pages. Only when the last one is there can it be said what is gone. */
  async function list(): Promise<void> {
    // While attempts fail the state goes on saying so, rather than to flicker.
    if (state === "idle" || state === "watching") enter("listing");
    const served = [...refreshing];
    const seen = new Set<string>();
    let next: string | undefined;
    let first: string | undefined;
    let asOf: string | undefined;
    const freshest = freshness();
    listFailed = true;
    do {
      const page = await kube.list<T>(type, {
        ...selection,
        limit: pageSize,
        ...(next === undefined ? freshest : { continue: next }),
        signal: stopping.signal,
      });
      // A call that was under way when the informer was stopped may still succeed.
      stopping.signal.throwIfAborted();
      enter("listing");
      first ??= page.resourceVersion;
      // What is newer than the list was observed. But a server that has gone back in time (restored from a backup) is right all the same.
      asOf = reached !== undefined && isLater(reached, first) ? undefined : first;
      for (const object of page.items) {
        seen.add(keyOf(object.metadata));
        cache.upsert(object, asOf);
      }
      next = page.continue;
    } while (next !== undefined);
    listFailed = false;
    cache.retain(seen, asOf);
    if (first !== undefined) reach(first);
    markSynced();
    for (const waiter of served) {
      refreshing.delete(waiter);
      waiter.resolve();
    }
    // Whoever came meanwhile wants another one.
    version = refreshing.size === 0 ? first : undefined;
  }

  /** One watch, to its end, whichever that is. */
  async function watch(from: string): Promise<void> {
    const controller = new AbortController();
    const onStop = (): void => controller.abort(stopping.signal.reason);
    stopping.signal.addEventListener("abort", onStop, { once: true });
    endWatch = () => {
      silent = true;
      controller.abort();
    };
    const silenceMs = options.silenceMs ?? DEFAULT_SILENCE_MS;
    const openMs = Math.min(silenceMs, OPEN_MS);
    const asked = clock.now();
    let heard = asked;
    let open = false;
    let silent = false;
    // One timer that looks at the time of the last event, rather than a timer set anew by every event.
    const guard = (): void => {
      const left = heard + silenceMs - clock.now();
      silent = left <= 0;
      if (silent) controller.abort();
      else cancelGuard = clock.after(left, guard);
    };
    let cancelGuard = clock.after(openMs, () =>
      controller.abort(new KubeError("timeout", `watch ${name}: not open after ${openMs} ms`)),
    );
    const timeoutSeconds = Math.round(WATCH_SECONDS.min + random() * (WATCH_SECONDS.max - WATCH_SECONDS.min));
    const onEvent = (event: WatchEvent<T>): void => {
      if (controller.signal.aborted) return;
      heard = clock.now();
      backoff.reset();
      if (event.type === "BOOKMARK") {
        version = event.resourceVersion;
        reach(version);
        return;
      }
      const { metadata } = event.object;
      if (event.type === "DELETED") cache.remove(keyOf(metadata), metadata.resourceVersion);
      else cache.upsert(event.object, metadata.resourceVersion);
      version = metadata.resourceVersion;
      reach(version);
    };
    const onOpen = (): void => {
      open = true;
      heard = clock.now();
      lastError = undefined;
      cancelGuard();
      guard();
      enter("watching");
    };
    try {
      const { signal } = controller;
      await kube.watch<T>(type, { ...selection, resourceVersion: from, timeoutSeconds, signal, onOpen }, onEvent);
    } catch (error) {
      if (!silent) throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      cancelGuard();
      endWatch = () => undefined;
      stopping.signal.removeEventListener("abort", onStop);
      if (open && clock.now() - asked >= STABLE_MS) backoff.reset();
    }
    // Ended in good order, but at once: that must not become a tight loop.
    if (!silent && clock.now() - asked < STABLE_MS) {
      enter("waiting");
      await pause();
    }
  }

  async function pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const patient = state === "absent" && eager === 0 ? options.absentPauseMs : undefined;
    eager = Math.max(0, eager - 1);
    const cancel = clock.after(patient ?? backoff.next(), resolve);
    endPause = resolve;
    try {
      await untilAborted(promise, stopping.signal);
    } finally {
      cancel();
    }
  }

  /** Takes note of a failure and decides from where to go on. */
  function failed(error: KubeError): void {
    lastError = error;
    if (error.code === "gone" || error.code === "too-large" || error.code === "protocol") version = undefined;
    if (error.code === "too-large") pageSize = Math.max(1, pageSize >> 1);
    if (error.code === "not-found") {
      // The type may come back with other objects: a version from before means nothing then.
      version = undefined;
      if (options.absent === "empty") {
        markSynced();
        for (const waiter of refreshing) waiter.resolve();
        refreshing.clear();
      }
      // Said once: a type may well be absent for good.
      if (state === "absent") return;
      enter("absent");
    } else {
      enter("waiting");
    }
    options.onError?.(error, name);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        if (version === undefined) await list();
        if (version !== undefined) await watch(version);
      } catch (error) {
        if (stopping.signal.aborted) return;
        failed(KubeError.from(error, name));
        try {
          await pause();
        } catch {
          return; // Stopped within the pause.
        }
      }
    }
  }

  return {
    start() {
      if (running === undefined && !stopping.signal.aborted) running = run();
    },
    get synced() {
      return synced;
    },
    async whenSynced(signal) {
      if (signal === undefined) return await firstSync.promise;
      try {
        await untilAborted(firstSync.promise, signal);
      } catch (cause) {
        throw cause instanceof KubeError ? cause : new KubeError("aborted", `waiting for ${name}`, { cause });
      }
    },
    get: (key) => cache.get(key),
    *values() {
      for (const [, value] of cache.entries()) yield value;
    },
    entries: () => cache.entries(),
    get size() {
      return cache.size;
    },
    get state() {
      return state;
    },
    get lastError() {
      return lastError;
    },
    subscribe(listener) {
      const entry = { listener, missed: new Map<string, P | undefined>() };
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    retryNow() {
      backoff.reset();
      eager = EAGER;
      endPause();
    },
    async refresh(signal) {
      const waiter = Promise.withResolvers<void>();
      if (stopping.signal.aborted) waiter.reject(stopping.signal.reason);
      else refreshing.add(waiter);
      version = undefined;
      endWatch();
      endPause();
      try {
        await (signal === undefined ? waiter.promise : untilAborted(waiter.promise, signal));
      } catch (cause) {
        throw cause instanceof KubeError ? cause : new KubeError("aborted", `refreshing ${name}`, { cause });
      } finally {
        refreshing.delete(waiter);
      }
    },
    async catchUp(write, ms) {
      if (state !== "watching" || reached === undefined) return false;
      const before = reached;
      const written = await write();
      // A server that was restored from a backup counts anew: then nothing follows from what was reached.
      if (!isLater(written, before)) return false;
      if (!isLater(written, reached)) return true;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const waiter = { version: written, resolve };
      awaiting.add(waiter);
      const cancel = clock.after(ms, () => resolve(false));
      try {
        return await promise;
      } finally {
        cancel();
        awaiting.delete(waiter);
      }
    },
    observe(object) {
      const { resourceVersion } = object.metadata;
      if (reached === undefined || !isLater(resourceVersion, reached)) return;
      cache.upsert(object as T, resourceVersion);
    },
    async stop() {
      if (!stopping.signal.aborted) {
        const reason = new KubeError("aborted", `the informer of ${name} is stopped`);
        stopping.abort(reason);
        firstSync.reject(reason);
        for (const waiter of refreshing) waiter.reject(reason);
        for (const waiter of awaiting) waiter.resolve(false);
        listeners.clear();
        if (options.failures === undefined) failures.stop();
        enter("stopped");
      }
      await running;
      cache.clear();
    },
  };
}
