// SPDX-License-Identifier: Apache-2.0

import { Backoff, type BackoffLimits, withJitter } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { untilAborted } from "./abort.ts";
import { KubeError } from "./errors.ts";
import { type ListParts, listInto } from "./informer-list.ts";
import type { InformerOptions, InformerState } from "./informer-options.ts";
import { watchOnce } from "./informer-watch.ts";
import type { Kube, ListOptions, WatchEvent } from "./kube.ts";
import { type KubeObject, keyOf } from "./object.ts";
import { typeName } from "./resources.ts";

/** Objects in one page of a list, see {@link listInto}. */
const DEFAULT_PAGE = 100;
/**
 * kube-apiserver sends a bookmark about once a minute, but none for a type without changes since it started. Silence
 * therefore does not prove that the server is frozen, or unreachable behind a middlebox that answers keep-alives;
 * reopening the watch does, and is cheap.
 */
const DEFAULT_SILENCE_MS = 150_000;
const DEFAULT_BACKOFF: BackoffLimits = { firstMs: 200, maxMs: 15_000 };
/**
 * The longest pause, in ms, while no API server answers at all: an attempt costs none of its work then, and a new pod on this node waits for the next
 * one. (client-go's pauses grow to 30 to 60 s: tools/cache/reflector.go.)
 */
const UNREACHED_MS = 5_000;
/** Client → what ends the pauses of its informers that could not reach the API server. The first one that reaches it again ends those of the others. */
const UNREACHED = new WeakMap<Kube, Set<() => void>>();
/**
 * How many requests after `retryNow` use the ordinary pause instead of the long one for absent types: about a
 * minute's.
 */
const EAGER = 10;
/** A watch of at least this duration counts as a success, even without events. */
const STABLE_MS = 5_000;

/** Dependencies of {@link InformerLoop}. */
export interface InformerLoopParts<T extends KubeObject, P> extends ListParts<T, P> {
  readonly clock: Pick<Clock, "now" | "after" | "random">;
  readonly options: LoopOptions<T, P>;
}

type LoopOptions<T extends KubeObject, P> = Pick<
  InformerOptions<T, P>,
  "absent" | "absentPauseMs" | "onError" | "onState" | "fromMemory" | "pageSize" | "silenceMs" | "backoff"
>;

/**
 * Keeps an informer's cache up to date:
 *
 *     idle → listing → watching ─┐ the server ended it, silence: watch again; its version is too old, a refresh: list again
 *               ↑        ↑       │
 *               └─ waiting, absent ←─ list or watch failed: a pause
 *
 * Only `stop` ends it.
 */
export class InformerLoop<T extends KubeObject, P> {
  readonly #parts: InformerLoopParts<T, P>;
  readonly #name: string;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  readonly #firstSync = Promise.withResolvers<void>();
  /** Callers that wait for a list that has not begun yet. */
  readonly #refreshing = new Set<PromiseWithResolvers<void>>();
  #state: InformerState = "idle";
  #synced = false;
  #lastError: KubeError | undefined;
  #running: Promise<void> | undefined;
  /** The version from which the next watch continues; undefined: a list is needed first. */
  #version: string | undefined;
  #pageSize: number;
  /** The last list did not complete. */
  #listFailed = false;
  /** Remaining requests that do not wait for `absentPauseMs`. */
  #eager = 0;
  #endPause: () => void = () => undefined;
  #endWatch: () => void = () => undefined;

  constructor(parts: InformerLoopParts<T, P>) {
    const { type, clock, options } = parts;
    this.#parts = parts;
    this.#name = typeName(type);
    this.#backoff = new Backoff(options.backoff ?? DEFAULT_BACKOFF, () => clock.random());
    this.#pageSize = options.pageSize ?? DEFAULT_PAGE;
    // Possibly no caller waits for it: a stop before the first sync must not be an unhandled rejection.
    this.#firstSync.promise.catch(() => undefined);
  }

  get state(): InformerState {
    return this.#state;
  }

  get synced(): boolean {
    return this.#synced;
  }

  get lastError(): KubeError | undefined {
    return this.#lastError;
  }

  /** Fires when it is stopped. */
  get stopped(): AbortSignal {
    return this.#stopping.signal;
  }

  /** See `Informer`. */
  start(): void {
    if (!this.stopped.aborted) this.#running ??= this.#run();
  }

  /** See `Informer`. */
  async whenSynced(signal?: AbortSignal): Promise<void> {
    await this.#until(this.#firstSync.promise, signal, `waiting for ${this.#name}`);
  }

  /** See `Informer`. */
  retryNow(): void {
    this.#backoff.reset();
    this.#eager = EAGER;
    this.#endPause();
  }

  /** See `Informer`. */
  async refresh(signal?: AbortSignal): Promise<void> {
    const waiter = Promise.withResolvers<void>();
    if (this.stopped.aborted) waiter.reject(this.stopped.reason);
    else this.#refreshing.add(waiter);
    this.#version = undefined;
    this.#endWatch();
    this.#endPause();
    try {
      await this.#until(waiter.promise, signal, `refreshing ${this.#name}`);
    } finally {
      this.#refreshing.delete(waiter);
    }
  }

  /** Ends everything. Resolves when no request is left. */
  async stop(): Promise<void> {
    if (!this.stopped.aborted) {
      const reason = new KubeError("aborted", `the informer of ${this.#name} is stopped`);
      this.#stopping.abort(reason);
      this.#firstSync.reject(reason);
      for (const waiter of this.#refreshing) waiter.reject(reason);
      this.#enter("stopped");
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.stopped.aborted) {
      try {
        if (this.#version === undefined) await this.#list();
        if (this.#version !== undefined) await this.#watch(this.#version);
      } catch (error) {
        if (this.stopped.aborted) return;
        this.#failed(KubeError.from(error, this.#name));
        try {
          await this.#pause();
        } catch {
          return; // Stopped within the pause.
        }
      }
    }
  }

  async #list(): Promise<void> {
    // While attempts fail the state stays, so that it does not alternate.
    if (this.#state === "idle" || this.#state === "watching") this.#enter("listing");
    const served = [...this.#refreshing];
    const query = { ...this.#freshness(), limit: this.#pageSize, signal: this.stopped };
    this.#listFailed = true;
    const version = await listInto(this.#parts, query, () => this.#enter("listing"));
    this.#listFailed = false;
    this.#reached();
    this.#markSynced(served);
    // Callers that were added meanwhile wait for another list.
    this.#version = this.#refreshing.size === 0 ? version : undefined;
  }

  /** The minimum version of the next list. */
  #freshness(): Pick<ListOptions, "resourceVersion" | "resourceVersionMatch"> {
    const { options, progress } = this.#parts;
    if (options.fromMemory !== true || this.#listFailed || this.#refreshing.size > 0) return {};
    return progress.version === undefined
      ? { resourceVersion: "0" }
      : { resourceVersion: progress.version, resourceVersionMatch: "NotOlderThan" };
  }

  /** Runs one watch, and a pause after it if it ended at once, to avoid a tight loop. */
  async #watch(from: string): Promise<void> {
    const { kube, type, selection, clock, options } = this.#parts;
    const ending = new AbortController();
    this.#endWatch = () => ending.abort();
    const asked = clock.now();
    let open = false;
    let outcome: "served" | "silent" | "ended";
    const onOpen = (): void => {
      open = true;
      this.#reached();
      this.#lastError = undefined;
      this.#enter("watching");
    };
    const parts = { kube, type, selection, clock, onOpen };
    const silenceMs = options.silenceMs ?? DEFAULT_SILENCE_MS;
    const onEvent = (event: WatchEvent<T>): void => this.#take(event);
    try {
      const signals = { stop: this.stopped, end: ending.signal };
      outcome = await watchOnce<T>({ ...parts, silenceMs, onEvent }, from, signals);
    } finally {
      this.#endWatch = () => undefined;
      if (open && clock.now() - asked >= STABLE_MS) this.#backoff.reset();
    }
    if (outcome === "served" && clock.now() - asked < STABLE_MS) {
      this.#enter("waiting");
      await this.#pause();
    }
  }

  #take(event: WatchEvent<T>): void {
    const { cache, progress } = this.#parts;
    this.#backoff.reset();
    const version = event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
    if (event.type === "DELETED") cache.remove(keyOf(event.object.metadata), version);
    else if (event.type !== "BOOKMARK") cache.upsert(event.object, version);
    this.#version = version;
    progress.reach(version);
  }

  /** Records a failure and decides where to continue. */
  #failed(error: KubeError): void {
    const { options } = this.#parts;
    this.#lastError = error;
    if (error.code === "gone" || error.code === "too-large" || error.code === "protocol") this.#version = undefined;
    if (error.code === "too-large") this.#pageSize = Math.max(1, this.#pageSize >> 1);
    if (error.code === "not-found") {
      // The type may be recreated with other objects: earlier versions are then meaningless.
      this.#version = undefined;
      if (options.absent === "empty") this.#markSynced([...this.#refreshing]);
      // Reported once: a type may be absent permanently.
      if (this.#state === "absent") return;
      this.#enter("absent");
    } else {
      this.#enter("waiting");
    }
    options.onError?.(error, this.#name);
  }

  async #pause(): Promise<void> {
    const { clock, options } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    const patient = this.#state === "absent" && this.#eager === 0 ? options.absentPauseMs : undefined;
    this.#eager = Math.max(0, this.#eager - 1);
    const usual = patient ?? this.#backoff.next();
    const unreached = this.#unreached();
    const random = (): number => clock.random();
    const cancel = clock.after(unreached ? Math.min(usual, withJitter(UNREACHED_MS, random)) : usual, resolve);
    this.#endPause = resolve;
    if (unreached) this.#others().add(resolve);
    try {
      await untilAborted(promise, this.stopped);
    } finally {
      cancel();
      this.#others().delete(resolve);
    }
  }

  /** Whether no API server answered the last request. */
  #unreached(): boolean {
    return this.#lastError?.code === "unavailable" && this.#lastError.status === undefined;
  }

  /** The API server has answered. */
  #reached(): void {
    if (!this.#unreached()) return;
    this.#lastError = undefined;
    for (const endPause of this.#others()) endPause();
  }

  #others(): Set<() => void> {
    const { kube } = this.#parts;
    const others = UNREACHED.get(kube) ?? new Set();
    UNREACHED.set(kube, others);
    return others;
  }

  #enter(next: InformerState): void {
    if (this.#state === next) return;
    this.#state = next;
    this.#parts.options.onState?.(next);
  }

  /** A list that `served` waits for is complete. */
  #markSynced(served: readonly PromiseWithResolvers<void>[]): void {
    this.#synced = true;
    this.#firstSync.resolve();
    for (const waiter of served) {
      this.#refreshing.delete(waiter);
      waiter.resolve();
    }
  }

  async #until(promise: Promise<void>, signal: AbortSignal | undefined, context: string): Promise<void> {
    if (signal === undefined) return await promise;
    try {
      await untilAborted(promise, signal);
    } catch (cause) {
      throw cause instanceof KubeError ? cause : new KubeError("aborted", context, { cause });
    }
  }
}
