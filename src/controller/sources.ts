// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { CAUGHT_UP } from "../api/annotations.ts";
import { samePlain } from "../collections/plain.ts";
import type { FactStore } from "../facts/store.ts";
import type { FactKind, FactTypes, ObjectKind } from "../facts/types.ts";
import { type Feed, feedsOf, shapedObject } from "../kinds/feeds.ts";
import { kindOf, knownAs, typeOf } from "../kinds/objects.ts";
import { KubeError } from "../kube/errors.ts";
import { type Informer, informer } from "../kube/informer.ts";
import type { InformerState } from "../kube/informer-options.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import type { Clock } from "../time/clock.ts";
import { AwaitedType } from "./awaited-type.ts";
import type { Settings } from "./settings.ts";
import { type AcceptedRecord, AcceptedRecords } from "./status/accepted-records.ts";
import type { Status, StatusResource } from "./status/status-writer.ts";

/** What the sources are made of. */
export interface SourceParts {
  readonly kube: Kube;
  readonly settings: Settings;
  readonly log: Logger;
  readonly clock: Clock;
  /** See {@link CATCH_UP}; default 500. */
  readonly listedWhole?: number;
}

/**
 * Types of which there may be so many objects that reading them takes seconds, which a new leader does not have. With more than `listedWhole` of them a
 * leader writes an annotation at one of them, which this controller annotates anyway, and waits until its watch shows that: see {@link Informer.catchUp}.
 */
const CATCH_UP: ReadonlySet<FactKind> = new Set(["pods", "ips"]);
const LISTED_WHOLE = 500;
/** How long for the watch, in ms; then all is read after all. */
const CATCH_UP_MS = 1_000;

/** What the informers give for one object: its fact, and its status where that is written here. */
interface Projected {
  readonly fact: unknown;
  readonly status?: Status;
}

/**
 * A type that is not served is asked for once in so many ms, although its definition is watched: what serves it need not be a
 * definition, and the watch may be forbidden.
 */
const ABSENT_MS = 60_000;

/** The informers are stopped before they have read everything. */
const quiet = (): void => undefined;

/** The facts by which a status that is written here is known. A Subnet's accepted configuration is another fact than its spec. */
function resourceOf(facts: FactKind): StatusResource | undefined {
  const kind = kindOf(facts);
  return kind?.status === undefined ? undefined : (knownAs(kind) as StatusResource);
}

/** The informers, each feeding one kind of fact. What a projection drops is not kept in memory. */
export class Sources {
  readonly #facts: FactStore;
  /** kind → its informer; "subnets" for what is written of subnets. */
  readonly #informers = new Map<FactKind, Informer<Projected>>();

  readonly #parts: SourceParts;

  /** The objects' accepted configurations. */
  readonly records: AcceptedRecords;

  /** Watch for the types that the cluster does not serve. */
  readonly #awaited: AwaitedType[] = [];

  /** `onStatus` is called when a status was seen to have changed, or its object to be gone; `onRecord`: see {@link AcceptedRecords}. */
  constructor(
    parts: SourceParts,
    facts: FactStore,
    onStatus: (resource: StatusResource, name: string, gone: boolean) => void,
    onRecord: (record: AcceptedRecord) => void,
  ) {
    const { kube, settings, log, clock } = parts;
    this.#parts = parts;
    this.#facts = facts;
    this.records = new AcceptedRecords(onRecord);
    const { clusterRouter: router, nodeSwitch: joinSubnet, enableLb, keepVmIp } = settings;
    const feeds = feedsOf({ router, joinSubnet, enableLb, keepVmIp });
    for (const [kind, feed] of Object.entries(feeds) as [FactKind, Feed][]) {
      const { type, project, fieldSelector, absent } = feed;
      const resource = resourceOf(kind);
      const made = informer<KubeObject, Projected>(kube, type, {
        // What a projection reads of an object is its own, structural type; the API server promises the rest.
        project: (object) => {
          const fact = project(this.records.keep(kind, object) as never);
          if (fact === undefined) return undefined;
          return resource !== undefined
            ? { fact, status: (shapedObject(object, type).object.status ?? {}) as Status }
            : { fact };
        },
        onError: (error, context) => {
          const served = absent === undefined || !(error instanceof KubeError && error.code === "not-found");
          if (served) log.warn({ err: error, resource: type.plural, context }, "list/watch failed; retrying");
          else log.info({ resource: type.plural }, "the API server does not serve this type yet");
        },
        // An equal fact is not kept beside the one in the store. (Who writes a status hears of each that was seen.)
        ...(resource === undefined && { equal: samePlain }),
        failures: { failures: facts.failures, kind },
        clock,
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
        ...(absent === undefined ? {} : { absent, absentPauseMs: ABSENT_MS, onState: (state) => noteState(state) }),
      });
      const noteState = (state: InformerState): void => {
        awaited?.note(state === "absent");
        if (state === "absent") facts.set("served", kind, undefined);
        if (state === "watching") facts.set("served", kind, { key: kind });
      };
      // Whoever leads as soon as all is read must know which types are served: the watch is opened later.
      if (absent !== undefined) made.whenSynced().then(() => made.state !== "absent" && noteState("watching"), quiet);
      const awaited = absent && new AwaitedType({ kube, clock, log }, type, () => made.retryNow());
      if (awaited !== undefined) this.#awaited.push(awaited);
      made.subscribe(({ key, new: now }) => {
        facts.set(kind, key, now?.fact as FactTypes[FactKind] | undefined);
        if (now === undefined) this.records.forget(kind, key);
        if (resource !== undefined) onStatus(resource, key, now === undefined);
      });
      this.#informers.set(resource ?? kind, made);
    }
  }

  /** Begins to read. */
  start(): void {
    for (const source of this.#informers.values()) source.start();
  }

  /** Resolves when all have been read. */
  async whenSynced(signal?: AbortSignal): Promise<void> {
    await Promise.all([...this.#informers.values()].map((source) => source.whenSynced(signal)));
  }

  /** Whether the informers know an object. */
  has(kind: FactKind, key: string): boolean {
    return this.#facts.get(kind, key) !== undefined;
  }

  /** Takes an object in as a write returned it, unless its informer knows better by now. */
  made(kind: FactKind, object: KubeObject): void {
    this.#informers.get(kind)?.observe(object);
  }

  /** The same for an object whose status was written. */
  written(resource: StatusResource, object: KubeObject): void {
    this.#informers.get(resource)?.observe(object);
  }

  /** Reads everything again, or makes sure that it is known; resolves when all is known that the API server had accepted before. `kube` writes. */
  async refresh(kube: Kube): Promise<void> {
    const sources = [...this.#informers];
    await Promise.all(
      sources.map(async ([kind, source]) => {
        if (!(await this.#catchUp(kube, kind, source))) await source.refresh();
      }),
    );
  }

  /** Whether a type is known to be known without reading it. */
  async #catchUp(kube: Kube, kind: FactKind, source: Informer<Projected>): Promise<boolean> {
    const { clock, listedWhole = LISTED_WHOLE } = this.#parts;
    const [key = ""] = source.entries().next().value ?? [];
    if (!CATCH_UP.has(kind) || source.size <= listedWhole) return false;
    const slash = key.indexOf("/");
    const ref = slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
    // One that was there already would be no change.
    const value = `${clock.wall()}-${clock.random()}`;
    const body = { metadata: { annotations: { [CAUGHT_UP]: value } } };
    try {
      return await source.catchUp(async () => {
        const patch = { type: "merge", body } as const;
        const object = await kube.patch(typeOf(kind as ObjectKind), ref, patch, { metadataOnly: true });
        return object.metadata.resourceVersion;
      }, CATCH_UP_MS);
    } catch {
      // The object may be gone by now. What else is wrong, reading will say.
      return false;
    }
  }

  /** The status of an object as last seen. */
  status(resource: StatusResource, name: string): Status | undefined {
    return this.#informers.get(resource)?.get(name)?.status;
  }

  /** Ends all. */
  async stop(): Promise<void> {
    await Promise.all(this.#awaited.map((type) => type.stop()));
    await Promise.all([...this.#informers.values()].map((source) => source.stop()));
  }

  /** How many facts of each kind there are, for the log. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#informers.keys()].map((kind) => [kind, this.#facts.size(kind)]));
  }
}
