// SPDX-License-Identifier: Apache-2.0

import { Backoff, type BackoffLimits } from "../time/backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { formatTime } from "../time/rfc3339.ts";
import { pause } from "./abort.ts";
import { KubeError } from "./errors.ts";
import { boundedMap, tokenBuckets } from "./event-limits.ts";
import type { Kube } from "./kube.ts";
import { apiVersionOf, EVENTS, type ResourceType, typeName } from "./resources.ts";
import type { KubeEvent } from "./types.ts";

/** The object that an Event is about. */
export interface EventSubject {
  readonly type: ResourceType;
  readonly name: string;
  readonly namespace?: string;
  /** `kubectl describe` finds Events by it. */
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** Writes core/v1 Events. They may be lost, and never delay or fail their callers. */
export interface EventRecorder {
  /** Records an Event. Never throws, never waits. */
  record(subject: EventSubject, type: "Normal" | "Warning", reason: string, message: string): void;
  /** Events that were not written: too many for one object, queue full, or refused by the API server. */
  readonly dropped: number;
  /** Events that wait to be written. */
  readonly queued: number;
  /** Accepts no more Events, writes the waiting ones for at most `deadlineMs` (default 2 s), and ends. */
  stop(deadlineMs?: number): Promise<void>;
}

/** Options of {@link eventRecorder}. */
export interface RecorderOptions {
  /** `source.component`, for example `kube-ovn-controller`. */
  readonly component: string;
  /** `source.host`, for daemons. */
  readonly host?: string;
  /** Called with the reason why an Event was not written. */
  readonly onError?: (error: KubeError) => void;
  /** Maximum number of waiting Events; default 1,000. */
  readonly maxQueued?: number;
  /** Per object: this many at once (default 25) … */
  readonly burst?: number;
  /** … and then one in this many milliseconds (default 5 minutes; both as in client-go). */
  readonly refillMs?: number;
  readonly backoff?: BackoffLimits;
  readonly clock?: Clock;
}

interface Pending {
  readonly subject: EventSubject;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly firstMs: number;
  lastMs: number;
  count: number;
}

interface Written {
  readonly name: string;
  readonly namespace: string;
  count: number;
}

/** How many Events and objects are cached, to count and limit repeats. */
const REMEMBERED = 1_024;
const MAX_ATTEMPTS = 5;
/** Limits of core/v1 Event (validation of events.k8s.io/v1). */
const MAX_MESSAGE = 1_024;
const MAX_REASON = 128;

/**
 * Creates an {@link EventRecorder}. One Event is written at a time; a repeat increases the count of the existing
 * Event.
 */
export function eventRecorder(kube: Kube, options: RecorderOptions): EventRecorder {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const maxQueued = options.maxQueued ?? 1_000;
  const limits = options.backoff ?? { firstMs: 500, maxMs: 10_000 };
  const mayWrite = tokenBuckets(options.burst ?? 25, options.refillMs ?? 300_000, REMEMBERED, clock);
  /** subject, type, reason and message → the Event to write. */
  const queue = new Map<string, Pending>();
  /** The same key → the Event in the API server. */
  const written = boundedMap<Written>(REMEMBERED);
  const ending = new AbortController();
  let stopped = false;
  let dropped = 0;
  let serial = 0;
  let writer: Promise<void> | undefined;

  async function create(key: string, event: Pending): Promise<void> {
    const namespace = event.subject.namespace ?? "default";
    serial = (serial + 1) % 0x1000;
    const suffix = (BigInt(Math.floor(clock.wall())) * 0x1000n + BigInt(serial)).toString(16);
    const name = `${event.subject.name.slice(0, 230).replace(/[^a-z0-9]+$/, "")}.${suffix}`;
    const source = { component: options.component, ...(options.host === undefined ? {} : { host: options.host }) };
    const { subject } = event;
    await kube.create<KubeEvent>(
      EVENTS,
      {
        metadata: { name, namespace },
        involvedObject: {
          apiVersion: apiVersionOf(subject.type),
          kind: subject.type.kind,
          name: subject.name,
          ...(subject.namespace === undefined ? {} : { namespace: subject.namespace }),
          ...(subject.uid === undefined ? {} : { uid: subject.uid }),
          ...(subject.resourceVersion === undefined ? {} : { resourceVersion: subject.resourceVersion }),
        },
        type: event.type,
        reason: event.reason,
        message: event.message,
        count: event.count,
        firstTimestamp: formatTime(event.firstMs),
        lastTimestamp: formatTime(event.lastMs),
        source,
        reportingComponent: options.component,
        reportingInstance: options.host ?? "",
      },
      { signal: ending.signal, metadataOnly: true },
    );
    written.set(key, { name, namespace, count: event.count });
  }

  async function write(key: string, event: Pending): Promise<void> {
    const known = written.get(key);
    if (known === undefined) return await create(key, event);
    const count = known.count + event.count;
    try {
      const body = { count, lastTimestamp: formatTime(event.lastMs) };
      await kube.patch(EVENTS, known, { type: "merge", body }, { signal: ending.signal, metadataOnly: true });
      known.count = count;
    } catch (error) {
      // Events expire after an hour by default.
      if (!(error instanceof KubeError) || error.code !== "not-found") throw error;
      written.delete(key);
      await create(key, event);
    }
  }

  async function persist(key: string, event: Pending): Promise<void> {
    const backoff = new Backoff(limits, () => clock.random());
    for (let attempt = 1; ; attempt++) {
      try {
        return await write(key, event);
      } catch (caught) {
        const error = KubeError.from(caught, "write event");
        // `exists`: another process chose the same name at the same time; the next one differs.
        const again = error.retryable || error.code === "exists";
        if (!again || attempt >= MAX_ATTEMPTS || ending.signal.aborted) {
          dropped += event.count;
          options.onError?.(error);
          return;
        }
        await pause(clock, backoff.next(), ending.signal).catch(() => undefined);
      }
    }
  }

  async function drain(): Promise<void> {
    // Events that are recorded synchronously are counted first and written afterwards.
    await Promise.resolve();
    for (const [key, event] of queue) {
      queue.delete(key);
      await persist(key, event);
    }
    writer = undefined;
  }

  return {
    record(subject, type, reason, message) {
      if (stopped) {
        dropped += 1;
        return;
      }
      const subjectKey = subject.uid ?? `${typeName(subject.type)} ${subject.namespace ?? ""}/${subject.name}`;
      const text = message.slice(0, MAX_MESSAGE);
      const key = JSON.stringify([subjectKey, type, reason, text]);
      const waiting = queue.get(key);
      if (waiting !== undefined) {
        waiting.count += 1;
        waiting.lastMs = clock.wall();
        return;
      }
      if (queue.size >= maxQueued || !mayWrite(subjectKey)) {
        dropped += 1;
        return;
      }
      const now = clock.wall();
      const cut = reason.slice(0, MAX_REASON);
      queue.set(key, { subject, type, reason: cut, message: text, firstMs: now, lastMs: now, count: 1 });
      writer ??= drain();
    },
    get dropped() {
      return dropped;
    },
    get queued() {
      return queue.size;
    },
    async stop(deadlineMs = 2_000) {
      stopped = true;
      const cancel = clock.after(deadlineMs, () => ending.abort(new KubeError("aborted", "the recorder is stopped")));
      await writer;
      cancel();
    },
  };
}
