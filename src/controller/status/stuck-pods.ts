// SPDX-License-Identifier: Apache-2.0

import { podAnnotation } from "../../api/annotations.ts";
import { podInterfaces } from "../../claims/pod-interfaces.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactStore } from "../../facts/store.ts";
import type { Clock } from "../../time/clock.ts";

/** The time in ms after which a pod must have a network or an Event with the reason. */
const PATIENCE_MS = 5_000;
/** A pod that stays stuck is examined again after a doubling time, up to this. */
const MAX_DELAY_MS = 300_000;
/** The shortest time between two examinations, in ms: many pods may become due one after the other. */
const PACE_MS = 1_000;
/** The number of pods that are retried at once, and of those named in the log; the others follow later. */
const LIMIT = 100;
const NAMED = 5;

/** The dependencies of {@link StuckPods}. */
export interface StuckPodsOptions {
  readonly facts: FactStore;
  readonly clock: Pick<Clock, "now" | "after">;
  /** Whether an interface of the pod was refused an address, and an Event says why. */
  readonly isReported: (pod: PodFact, provider: string) => boolean;
  /** Called with stuck pods; `count` may be larger than the list. Once a second at most. */
  readonly report: (pods: readonly PodFact[], count: number) => void;
  /** Retries the pod. */
  readonly retry: (pod: PodFact) => void;
}

/** One pod that has no network yet. */
interface Entry {
  readonly uid: string;
  due: number;
  delay: number;
}

/**
 * Ensures that no pod waits without a message. A pod that is bound to a node and has neither a network nor an Event with the reason within 5 s is
 * reported, counted and retried: a notification was lost, or something that it needs (the API server, the database, its namespace) is missing. It
 * checks only the result of the controller's work, and has one timer, for the pod that is due first.
 */
export class StuckPods {
  readonly #options: StuckPodsOptions;
  /** Key → pods without a network, the oldest first; retried ones move to the end. */
  readonly #entries = new Map<string, Entry>();
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #active = false;
  #count = 0;

  constructor(options: StuckPodsOptions) {
    this.#options = options;
  }

  /** The number of times that a pod was found stuck. */
  get count(): number {
    return this.#count;
  }

  /** Starts, with all existing pods. */
  start(): void {
    this.#active = true;
    for (const pod of this.#options.facts.all("pods")) this.#look(pod);
  }

  /** Stops. */
  stop(): void {
    this.#active = false;
    this.#entries.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  noteFact(change: FactChange): void {
    if (!this.#active || change.kind !== "pods") return;
    const pod = change.new as PodFact | undefined;
    if (pod === undefined) this.#entries.delete(change.key);
    else this.#look(pod);
  }

  /** An address was decided for a pod after a refusal: it must get a network from now on. */
  decided({ key, uid }: Pick<PodFact, "key" | "uid">): void {
    const entry = this.#entries.get(key);
    const pod = this.#options.facts.get("pods", key);
    if (!this.#active || entry?.uid !== uid || pod === undefined) return;
    this.#entries.delete(key);
    this.#look(pod);
  }

  #look(pod: PodFact): void {
    const known = this.#entries.get(pod.key);
    if (unserved(this.#options.facts, pod).length === 0) {
      this.#entries.delete(pod.key);
      return;
    }
    if (known?.uid === pod.uid) return;
    this.#entries.delete(pod.key);
    const due = this.#options.clock.now() + PATIENCE_MS;
    this.#entries.set(pod.key, { uid: pod.uid, due, delay: PATIENCE_MS });
    this.#arm(due);
  }

  #arm(at: number): void {
    const { clock } = this.#options;
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const cancel = clock.after(Math.max(0, at - clock.now()), () => {
      this.#timer = undefined;
      const subject = { part: "task", where: "unserved", kind: "", key: "" } as const;
      this.#options.facts.failures.run(subject, () => this.#check());
    });
    this.#timer = { at, cancel };
  }

  #check(): void {
    const { facts, clock, isReported, report, retry } = this.#options;
    const now = clock.now();
    const found: PodFact[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [key, entry] of this.#entries) {
      const pod = facts.get("pods", key);
      const missing = pod === undefined ? [] : unserved(facts, pod);
      if (pod === undefined || missing.length === 0) {
        this.#entries.delete(key);
        continue;
      }
      if (entry.due <= now && missing.every((provider) => isReported(pod, provider))) {
        // The refused pod waits, and its time starts again with `decided`.
        entry.due = Number.POSITIVE_INFINITY;
      } else if (entry.due <= now && found.length < LIMIT) {
        found.push(pod);
        entry.delay = Math.min(entry.delay * 2, MAX_DELAY_MS);
        entry.due = now + entry.delay;
      }
      next = Math.min(next, entry.due);
    }
    // To the end, so that the others are retried too.
    for (const { key } of found) {
      const entry = this.#entries.get(key);
      this.#entries.delete(key);
      if (entry !== undefined) this.#entries.set(key, entry);
    }
    if (next < Number.POSITIVE_INFINITY) this.#arm(Math.max(next, now + PACE_MS));
    if (found.length === 0) return;
    this.#count += found.length;
    report(found.slice(0, NAMED), found.length);
    for (const pod of found) retry(pod);
  }
}

/** The interfaces of a bound pod whose annotations are not written. */
function unserved(facts: FactStore, pod: PodFact): readonly string[] {
  if (!pod.alive || pod.node === undefined) return [];
  return podInterfaces(facts, pod).interfaces.flatMap(({ provider }) =>
    pod.annotations[podAnnotation(provider, "allocated")] === "true" ? [] : [provider],
  );
}
