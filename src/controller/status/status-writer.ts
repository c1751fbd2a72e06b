// SPDX-License-Identifier: Apache-2.0

import { type Condition, setCondition } from "../../api/conditions.ts";
import { writeCount } from "../../api/count.ts";
import { samePlain } from "../../collections/plain.ts";
import type { ConditionEffect } from "../../compile/effects.ts";
import { Failures } from "../../desired/failures.ts";
import type { Usage } from "../../ipam/types.ts";
import { kindOf, typeOf } from "../../kinds/objects.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Dual } from "../../net/dual.ts";
import { retryDelay } from "../../time/backoff.ts";
import type { Timers } from "../../time/clock.ts";

/** The kinds whose status is written. */
export type StatusResource = ConditionEffect["resource"];

/** A status in the API server. */
export type Status = Readonly<Record<string, unknown>> & { readonly conditions?: readonly Condition[] };

/**
 * The pause after a patch of an object, in ms, in which its counters are held back: the first one, and the longest. It doubles while they change in each: those of a
 * busy subnet change with each pod, and every daemon watches subnets. A client may expect them after five seconds (Kube-OVN's test/e2e/vip does).
 */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** The number of immediate patches of one object in a window, in ms from its first patch; further ones wait for its end. More means that another client undoes them. */
const BURST = 10;
const WINDOW_MS = 10_000;

/** The largest number of concurrent patches, of different objects. */
const WRITERS = 24;

/** The writer's dependencies. */
export interface StatusWriterOptions {
  readonly kube: Kube;
  readonly timers: Timers;
  /** The informer's last status; `undefined` if the object does not exist. */
  readonly current: (resource: StatusResource, name: string) => Status | undefined;
  /** The counters of an object of a kind that has them; empty if IPAM does not know it. */
  readonly usage: (resource: StatusResource, name: string) => Dual<Usage>;
  /** RFC 3339, whole seconds. */
  readonly now: () => string;
  readonly onError: (name: string, error: unknown) => void;
  /** Called with the object that a patch returned. */
  readonly onWritten: (resource: StatusResource, object: KubeObject) => void;
  /** Retries an object whose status cannot be computed, while the others go on. Without it the error is rethrown. */
  readonly failures?: Failures;
}

/** An object whose status is being processed or was patched recently. */
interface Entry {
  readonly key: string;
  readonly resource: StatusResource;
  readonly name: string;
  running: boolean;
  /** There was a `touch` while it was running. */
  again: boolean;
  /** A change waits for the end of the window. */
  held: boolean;
  /** Changed counters wait for the end of the pause. */
  counted: boolean;
  /** The length of the pause, in ms, and its timer. */
  pauseMs: number;
  pause: (() => void) | undefined;
  /** Patches in this window. */
  writes: number;
  /** Running. */
  failures: number;
  /** The timer of the window, or of the next attempt after a failure. */
  cancel: (() => void) | undefined;
}

/**
 * Writes the statuses of objects of any kind: conditions and the counters of IPAM. It patches only fields that differ, with the newest values: at
 * once if a condition has changed, and if only counters have, after a pause for each object that grows from one second to ten while they keep changing. `touch`
 * must be called for changes on both sides, because the informer's status lags and an earlier comparison may have found no difference.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #failures: Failures;
  /** `resource/name` → the compiled state. */
  readonly #states = new Map<string, ConditionEffect>();
  /** `resource/name` → its progress; only objects with a patch, a window or a pause. */
  readonly #entries = new Map<string, Entry>();
  /** Objects to process, in order. */
  readonly #ready = new Set<Entry>();
  #writers = 0;
  #stopped = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#failures = options.failures ?? new Failures();
  }

  /** An object was accepted or refused. */
  state(effect: ConditionEffect): void {
    this.#states.set(`${effect.resource}/${effect.name}`, effect);
    this.touch(effect.resource, effect.name);
  }

  /** The desired or the current status of an object has changed. */
  touch(resource: StatusResource, name: string): void {
    if (this.#stopped) return;
    const key = `${resource}/${name}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        ...{ key, resource, name, running: false, again: false, held: false },
        ...{ counted: false, pauseMs: FIRST_PAUSE_MS, pause: undefined },
        ...{ writes: 0, failures: 0, cancel: undefined },
      };
      this.#entries.set(key, entry);
    }
    if (entry.running) entry.again = true;
    else if (!isRetried(entry)) this.#look(entry);
  }

  /** An object was deleted. */
  forget(resource: StatusResource, name: string): void {
    this.#states.delete(`${resource}/${name}`);
  }

  /** Stops writing. */
  stop(): void {
    this.#stopped = true;
    for (const { cancel, pause } of this.#entries.values()) {
      cancel?.();
      pause?.();
    }
    this.#entries.clear();
    this.#ready.clear();
  }

  #look(entry: Entry): void {
    // The first change of a burst waits for the end of the current task only.
    if (this.#ready.size === 0) queueMicrotask(() => this.#pump());
    this.#ready.add(entry);
  }

  #pump(): void {
    for (const entry of this.#ready) {
      if (this.#writers >= WRITERS) return;
      this.#ready.delete(entry);
      const subject = { part: "status", where: "", kind: entry.resource, key: entry.name } as const;
      this.#failures.run(subject, () => this.#advance(entry));
    }
  }

  #advance(entry: Entry): void {
    // At the retry the object may have been recreated, or a patch may be in progress.
    if (this.#stopped || entry.running || this.#entries.get(entry.key) !== entry) return;
    const patch = this.#due(entry);
    if (patch !== undefined) void this.#write(entry, patch);
    else this.#drop(entry);
  }

  /** Forgets an entry of which nothing is left. */
  #drop(entry: Entry): void {
    const idle = !entry.running && entry.cancel === undefined && entry.pause === undefined;
    if (idle && !this.#ready.has(entry)) this.#entries.delete(entry.key);
  }

  /** The fields to patch now. Fields that are held back are processed at the end of the window or of the pause. */
  #due(entry: Entry): Record<string, unknown> | undefined {
    const current = this.#options.current(entry.resource, entry.name);
    const state = current && this.#states.get(entry.key);
    const patch = state && differing(current, this.#wanted(current, state));
    const urgent = patch !== undefined && Object.keys(patch).length > 0;
    if (entry.cancel !== undefined && entry.writes >= BURST) {
      entry.held = true;
      return undefined;
    }
    if (entry.pause !== undefined && !urgent) {
      entry.counted = true;
      return undefined;
    }
    entry.held = false;
    const counts = current && differing(current, this.#counters(entry));
    const whole = { ...patch, ...counts };
    const any = Object.keys(whole).length > 0;
    // The counters of an object that is not compiled yet wait for its first conditions.
    const early = any && state === undefined && !entry.counted;
    if (early) this.#openPause(entry);
    entry.counted = early;
    return any && !early ? whole : undefined;
  }

  #openWindow(entry: Entry): void {
    entry.writes = 0;
    entry.cancel = this.#options.timers.after(WINDOW_MS, () => this.#resume(entry));
  }

  /** A window, or the pause after a failure, has ended. */
  #resume(entry: Entry): void {
    entry.cancel = undefined;
    if (entry.held) this.#look(entry);
    else this.#drop(entry);
  }

  #openPause(entry: Entry): void {
    entry.pause = this.#options.timers.after(entry.pauseMs, () => {
      entry.pause = undefined;
      entry.pauseMs = entry.counted ? Math.min(2 * entry.pauseMs, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
      if (entry.running) entry.again = true;
      else if (entry.counted && !isRetried(entry)) this.#look(entry);
      else this.#drop(entry);
    });
  }

  async #write(entry: Entry, patch: Record<string, unknown>): Promise<void> {
    const { resource, name } = entry;
    const { kube, timers, onWritten, onError } = this.#options;
    this.#writers++;
    entry.running = true;
    entry.again = false;
    if (entry.cancel === undefined) this.#openWindow(entry);
    if (entry.pause === undefined) this.#openPause(entry);
    entry.writes++;
    try {
      const how = kindOf(resource)?.status === "object" ? {} : ({ subresource: "status" } as const);
      const object = await kube.patch(typeOf(resource), { name }, { type: "merge", body: { status: patch } }, how);
      entry.failures = 0;
      // Otherwise the next comparison would use the old status.
      if (!this.#stopped) onWritten(resource, object);
    } catch (error) {
      onError(name, error);
      entry.failures++;
      entry.held = true;
      entry.cancel?.();
      entry.cancel = timers.after(retryDelay(entry.failures), () => this.#resume(entry));
    }
    entry.running = false;
    this.#writers--;
    if (this.#stopped) return entry.cancel?.();
    if (entry.failures === 0) {
      if (entry.again) this.#look(entry);
      else this.#drop(entry);
    }
    this.#pump();
  }

  #wanted(current: Status, state: ConditionEffect): Record<string, unknown> {
    return { ...state.status, conditions: this.#conditions(current.conditions ?? [], state) };
  }

  #counters({ resource, name }: Entry): Record<string, unknown> {
    const of = kindOf(resource)?.counters;
    return of === undefined ? {} : counters(of.fields, this.#options.usage(resource, name));
  }

  #conditions(current: readonly Condition[], state: ConditionEffect): readonly Condition[] {
    const { ready, reason, message, generation, refused, nodes = [] } = state;
    const now = this.#options.now();
    const names = new Set(nodes.map(({ node }) => node));
    const present = current.filter(({ node }) => node === undefined || names.has(node));
    const status = ready ? "True" : "False";
    const valid = refused === undefined && (ready || SOUND.has(reason)) ? "True" : "False";
    const common = { reason, message, ...(generation !== undefined && { observedGeneration: generation }) };
    const validated = setCondition(present, { type: "Validated", status: valid, ...common, ...refused }, now);
    let conditions = setCondition(validated, { type: "Ready", status, ...common }, now);
    for (const { node, ready, reason, message } of nodes)
      conditions = setCondition(
        conditions,
        { type: "Ready", node, status: ready ? "True" : "False", reason, message },
        now,
      );
    return conditions;
  }
}

/** Whether the next attempt after a failure is to come, which takes what has changed meanwhile. After it counters can still wait for the end of the pause. */
function isRetried({ failures, cancel }: Entry): boolean {
  return failures > 0 && cancel !== undefined;
}

/** Reasons why an object with a valid spec is not ready. */
const SOUND: ReadonlySet<string> = new Set(["InUse", "NoProviderNetwork", "NoAvailableAddress", "NodesNotReady"]);

function counters(fields: Readonly<Record<keyof Usage, string>>, usage: Dual<Usage>): Record<string, unknown> {
  const status: Record<string, unknown> = {};
  for (const family of ["v4", "v6"] as const) {
    const of = usage[family];
    status[family + fields.available] = writeCount(of?.available ?? 0n);
    status[family + fields.using] = writeCount(of?.using ?? 0n);
    status[family + fields.availableRange] = of?.availableRange ?? "";
    status[family + fields.usingRange] = of?.usingRange ?? "";
  }
  return status;
}

/** The fields of `wanted` that differ from `current`. */
function differing(current: Status, wanted: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(wanted).filter(([field, value]) => !samePlain(current[field], value)));
}
