// SPDX-License-Identifier: Apache-2.0

import { podAnnotation } from "../../api/annotations.ts";
import { podInterfaces } from "../../claims/pod-interfaces.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactStore } from "../../facts/store.ts";
import type { Clock } from "../../time/clock.ts";

/** After so many ms a pod has been served, or told why it is not. */
const PATIENCE_MS = 5_000;
/** A pod that stays so is looked at again after twice as long each time, up to this. */
const MOST_MS = 300_000;
/** They are looked through once in so many ms at most: many may become due one after the other. */
const PACE_MS = 1_000;
/** How many pods are retried at once, and how many of them are named in the log; the others follow next time. */
const LIMIT = 100;
const NAMED = 5;

/** What {@link StuckPods} is given. */
export interface StuckPodsOptions {
  readonly facts: FactStore;
  readonly clock: Pick<Clock, "now" | "after">;
  /** Whether an interface of the pod was refused an address, and an Event says why. */
  readonly isTold: (pod: PodFact, provider: string) => boolean;
  /** Pods that nobody has served and told why; `count` may be more than are named. Once a second at most. */
  readonly report: (pods: readonly PodFact[], count: number) => void;
  /** Try again to serve it. */
  readonly retry: (pod: PodFact) => void;
}

/** One pod that has no network yet. */
interface Entry {
  readonly uid: string;
  due: number;
  delay: number;
}

/**
 * No pod waits without a message. One that is bound to a node and has neither a network nor an Event that says why within 5 s is reported, counted and
 * retried: a wake-up was lost, or something that it needs (the API server, the database, its namespace) is missing. It watches what came
 * of the controller's work, not how, and has one timer, for the pod that is due first.
 */
export class StuckPods {
  readonly #options: StuckPodsOptions;
  /** Key → pods that are not served, in the order in which they became so; retried ones move to the end. */
  readonly #entries = new Map<string, Entry>();
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #active = false;
  #count = 0;

  constructor(options: StuckPodsOptions) {
    this.#options = options;
  }

  /** How often a pod was found so. */
  get count(): number {
    return this.#count;
  }

  /** Begins to watch, all that there is. */
  start(): void {
    this.#active = true;
    for (const pod of this.#options.facts.all("pods")) this.#look(pod);
  }

  /** Ends it. */
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

  /** An address was decided for a pod that had been refused one: from now on it is to get on. */
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
    const { facts, clock, isTold, report, retry } = this.#options;
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
      if (entry.due <= now && missing.every((provider) => isTold(pod, provider))) {
        // It waits for a cause, and starts over when there is one (`decided`).
        entry.due = Number.POSITIVE_INFINITY;
      } else if (entry.due <= now && found.length < LIMIT) {
        found.push(pod);
        entry.delay = Math.min(entry.delay * 2, MOST_MS);
        entry.due = now + entry.delay;
      }
      next = Math.min(next, entry.due);
    }
    // Behind the others, so that these have their turn too.
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

/** Those interfaces of a pod that is bound of which it was not told that they are there. */
function unserved(facts: FactStore, pod: PodFact): readonly string[] {
  if (!pod.alive || pod.node === undefined) return [];
  return podInterfaces(facts, pod).interfaces.flatMap(({ provider }) =>
    pod.annotations[podAnnotation(provider, "allocated")] === "true" ? [] : [provider],
  );
}
