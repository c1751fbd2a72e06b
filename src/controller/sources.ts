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

/** The dependencies of {@link Sources}. */
export interface SourceParts {
  readonly kube: Kube;
  readonly settings: Settings;
  readonly log: Logger;
  readonly clock: Clock;
  /** See {@link CATCH_UP}; default 500. */
  readonly listedWhole?: number;
}

/**
 * Types with perhaps so many objects that a list takes seconds, which is too long for a new leader. With more than `listedWhole` of them a leader
 * writes an annotation to one of them, which this controller annotates anyway, and waits until its watch delivers it: see {@link Informer.catchUp}.
 */
const CATCH_UP: ReadonlySet<FactKind> = new Set(["pods", "ips"]);
const LISTED_WHOLE = 500;
/** How long to wait for the watch, in ms; then all objects are listed. */
const CATCH_UP_MS = 1_000;

/** An informer's projection of one object: its fact, and its status if the controller writes it. */
interface Projected {
  readonly fact: unknown;
  readonly status?: Status;
}

/**
 * The interval, in ms, of lists of a type that is not served. Its definition is watched too, but an aggregated API server may serve it, and the watch
 * may be forbidden.
 */
const ABSENT_MS = 60_000;

/** The informers were stopped before they had read everything. */
const quiet = (): void => undefined;

/** The kind of fact for a status. A Subnet's accepted configuration is another fact than its spec. */
function resourceOf(facts: FactKind): StatusResource | undefined {
  const kind = kindOf(facts);
  return kind?.status === undefined ? undefined : (knownAs(kind) as StatusResource);
}

/** The informers, each for one kind of fact. Only the projections are kept in memory. */
export class Sources {
  readonly #facts: FactStore;
  /** kind → its informer; "subnets" for the statuses of subnets. */
  readonly #informers = new Map<FactKind, Informer<Projected>>();

  readonly #parts: SourceParts;

  /** The objects' accepted configurations. */
  readonly records: AcceptedRecords;

  /** Watch for the types that the cluster does not serve. */
  readonly #awaited: AwaitedType[] = [];

  /** `onStatus` is called when a status has changed or its object was deleted; `onRecord`: see {@link AcceptedRecords}. */
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
        // Each projection has its own structural type of the object; the API server guarantees it.
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
        // An equal fact is not stored again. (The status writer is notified of each status.)
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
      // The watch is opened later, but a leader must know which types are served as soon as everything is read.
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

  /** Starts the informers. */
  start(): void {
    for (const source of this.#informers.values()) source.start();
  }

  /** Resolves when all have been read. */
  async whenSynced(signal?: AbortSignal): Promise<void> {
    await Promise.all([...this.#informers.values()].map((source) => source.whenSynced(signal)));
  }

  /** Whether an informer has an object. */
  has(kind: FactKind, key: string): boolean {
    return this.#facts.get(kind, key) !== undefined;
  }

  /** Adds an object that a write returned, unless its informer has a newer version. */
  made(kind: FactKind, object: KubeObject): void {
    this.#informers.get(kind)?.observe(object);
  }

  /** The same for a write of a status. */
  written(resource: StatusResource, object: KubeObject): void {
    this.#informers.get(resource)?.observe(object);
  }

  /**
   * Lists everything again or checks that the watches are current; resolves when all writes that the API server had accepted before are known.
   * `kube`: the client for writes.
   */
  async refresh(kube: Kube): Promise<void> {
    const sources = [...this.#informers];
    await Promise.all(
      sources.map(async ([kind, source]) => {
        if (!(await this.#catchUp(kube, kind, source))) await source.refresh();
      }),
    );
  }

  /** Whether the watch of a type is known to be current without a list. */
  async #catchUp(kube: Kube, kind: FactKind, source: Informer<Projected>): Promise<boolean> {
    const { clock, listedWhole = LISTED_WHOLE } = this.#parts;
    const [key = ""] = source.entries().next().value ?? [];
    if (!CATCH_UP.has(kind) || source.size <= listedWhole) return false;
    const slash = key.indexOf("/");
    const ref = slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
    // An annotation that exists already would be no change.
    const value = `${clock.wall()}-${clock.random()}`;
    const body = { metadata: { annotations: { [CAUGHT_UP]: value } } };
    try {
      return await source.catchUp(async () => {
        const patch = { type: "merge", body } as const;
        const object = await kube.patch(typeOf(kind as ObjectKind), ref, patch, { metadataOnly: true });
        return object.metadata.resourceVersion;
      }, CATCH_UP_MS);
    } catch {
      // The object may have been deleted meanwhile. A list reports other errors.
      return false;
    }
  }

  /** The status of an object as last seen. */
  status(resource: StatusResource, name: string): Status | undefined {
    return this.#informers.get(resource)?.get(name)?.status;
  }

  /** Stops all informers. */
  async stop(): Promise<void> {
    await Promise.all(this.#awaited.map((type) => type.stop()));
    await Promise.all([...this.#informers.values()].map((source) => source.stop()));
  }

  /** The number of facts of each kind, for the log. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#informers.keys()].map((kind) => [kind, this.#facts.size(kind)]));
  }
}
