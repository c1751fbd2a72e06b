import { type Condition, setCondition } from "../api/conditions.ts";
import { writeCount } from "../api/count.ts";
import type { ConditionEffect } from "../compile/effects.ts";
import type { Usage } from "../ipam/types.ts";
import { kindOf, typeOf } from "../kinds/objects.ts";
import type { Kube } from "../kube/kube.ts";
import type { Dual } from "../net/dual.ts";
import { retryDelay } from "../reconcile/effects.ts";
import type { Timers } from "../reconcile/timers.ts";
import { samePlain } from "../unit/plain.ts";

/** The kinds whose status is written. */
export type StatusResource = ConditionEffect["resource"];

/** A status as the API server has it. */
export type Status = Readonly<Record<string, unknown>> & { readonly conditions?: readonly Condition[] };

/** At most one patch of one object's status in so many ms: the counters of a busy subnet change with each pod. */
const INTERVAL_MS = 1000;

/** What the writer is given. */
export interface StatusWriterOptions {
  readonly kube: Kube;
  readonly timers: Timers;
  /** The status that the informer last saw; `undefined` where the object does not exist. */
  readonly current: (resource: StatusResource, name: string) => Status | undefined;
  /** The counters of a subnet or of a pool; empty where IPAM does not know it. */
  readonly usage: (resource: "subnets" | "ipPools", name: string) => Dual<Usage>;
  /** RFC 3339, whole seconds. */
  readonly now: () => string;
  readonly onError: (name: string, error: unknown) => void;
}

/**
 * Writes the statuses of objects, of whichever kind: conditions, joined with the counters of IPAM. It compares with what is there and
 * patches only what differs, at most once a second for each object, with the newest values. It must be told (`touch`) of changes on
 * either side: what is there is seen late, and a comparison with what was there before may find nothing to do.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  /** `resource/name` → the state that compile has found. */
  readonly #states = new Map<string, ConditionEffect>();
  /** `resource/name` of objects whose patch is under way or whose pause is running → whether another one is wanted. */
  readonly #busy = new Map<string, { again: boolean; failures: number }>();
  #stopped = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Compile has found an object in force, or not. */
  state(effect: ConditionEffect): void {
    this.#states.set(`${effect.resource}/${effect.name}`, effect);
    this.touch(effect.resource, effect.name);
  }

  /** Something that an object's status shows has changed, or the status itself as it is seen. */
  touch(resource: StatusResource, name: string): void {
    if (this.#stopped) return;
    const key = `${resource}/${name}`;
    const busy = this.#busy.get(key);
    if (busy !== undefined) {
      busy.again = true;
      return;
    }
    const entry = { again: false, failures: 0 };
    this.#busy.set(key, entry);
    // The first of a burst waits for the rest of its own task only.
    queueMicrotask(() => void this.#write(resource, name, entry));
  }

  /** An object is gone, and with it what was found of it. */
  forget(resource: StatusResource, name: string): void {
    this.#states.delete(`${resource}/${name}`);
  }

  /** Writes nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  async #write(resource: StatusResource, name: string, entry: { again: boolean; failures: number }): Promise<void> {
    const key = `${resource}/${name}`;
    entry.again = false;
    let delay = INTERVAL_MS;
    try {
      const patch = this.#difference(resource, name);
      if (patch !== undefined && !this.#stopped) {
        await this.#options.kube.patch(
          typeOf(resource),
          { name },
          { type: "merge", body: { status: patch } },
          kindOf(resource)?.status === "object" ? {} : { subresource: "status" },
        );
      }
      entry.failures = 0;
    } catch (error) {
      this.#options.onError(name, error);
      entry.failures++;
      entry.again = true;
      delay = retryDelay(entry.failures);
    }
    this.#options.timers.after(delay, () => {
      if (entry.again && !this.#stopped) void this.#write(resource, name, entry);
      else this.#busy.delete(key);
    });
  }

  /** What of the wanted status differs from the present one; nothing where all is as it should be. */
  #difference(resource: StatusResource, name: string): Record<string, unknown> | undefined {
    const current = this.#options.current(resource, name);
    if (current === undefined) return undefined;
    const wanted: Record<string, unknown> = {};
    const state = this.#states.get(`${resource}/${name}`);
    if (state !== undefined) {
      Object.assign(wanted, state.status);
      wanted["conditions"] = this.#conditions(current.conditions ?? [], state);
    }
    if (resource === "subnets" || resource === "ipPools")
      Object.assign(wanted, counters(FIELDS[resource], this.#options.usage(resource, name)));
    const changed = Object.entries(wanted).filter(([field, value]) => !samePlain(current[field], value));
    return changed.length === 0 ? undefined : Object.fromEntries(changed);
  }

  #conditions(current: readonly Condition[], state: ConditionEffect): readonly Condition[] {
    const { ready, reason, message, generation, refused } = state;
    const now = this.#options.now();
    const status = ready ? "True" : "False";
    const valid = refused === undefined && (ready || SOUND.has(reason)) ? "True" : "False";
    const common = { reason, message, ...(generation !== undefined && { observedGeneration: generation }) };
    const validated = setCondition(current, { type: "Validated", status: valid, ...common, ...refused }, now);
    return setCondition(validated, { type: "Ready", status, ...common }, now);
  }
}

/** Reasons for which an object is not ready although there is nothing wrong with its spec. */
const SOUND: ReadonlySet<string> = new Set(["InUse", "NoProviderNetwork", "NoAvailableAddress"]);

/** How the counters' fields end, after the family. Kube-OVN spells a pool's and a subnet's differently. */
const FIELDS = {
  subnets: {
    available: "availableIPs",
    using: "usingIPs",
    availableRange: "availableIPrange",
    usingRange: "usingIPrange",
  },
  ipPools: {
    available: "AvailableIPs",
    using: "UsingIPs",
    availableRange: "AvailableIPRange",
    usingRange: "UsingIPRange",
  },
} as const;

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
