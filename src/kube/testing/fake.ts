// SPDX-License-Identifier: Apache-2.0

import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import { KubeError } from "../errors.ts";
import type { Kube, ListOptions, ObjectList, SubresourceOptions, WriteOptions } from "../kube.ts";
import { type KubeObject, keyOf, type NewObjectMeta, type ObjectRef } from "../object.ts";
import { type ResourceType, typeName } from "../resources.ts";
import { copyOf } from "./copy.ts";
import { type FakeFault, type FakeRequest, fakeFaults } from "./fake-faults.ts";
import { applyPatch, type ConditionOwners } from "./fake-patch.ts";
import { selectorOf } from "./fake-selector.ts";
import { fakeStore } from "./fake-store.ts";
import { type FakeWatchControls, type FakeWatches, fakeWatches } from "./fake-watch.ts";

/** A {@link Kube} in memory that tests can disturb. */
export interface FakeKube extends Kube, FakeWatchControls {
  /**
   * The next matching requests fail; the returned function removes the fault. Faults are tried in the order in which
   * they were added.
   */
  fail(fault: FakeFault): () => void;
  /**
   * Sets whether a type is served. When it is no longer served, its objects are deleted (with events) and its watches
   * end. Initially all types are served.
   */
  serveType(type: ResourceType, served: boolean): void;
  /** The requests, oldest first; the last 10,000. Empty it with `requests.length = 0`. */
  readonly requests: FakeRequest[];
  /** The object as it is stored, without a request; undefined if there is none. */
  object<T extends KubeObject>(type: ResourceType, ref: ObjectRef): T | undefined;
  /** All objects of a type, without a request. */
  objects<T extends KubeObject>(type: ResourceType): readonly T[];
  /** Resolves when every event has been delivered and its promise chains have run. */
  settled(): Promise<void>;
}

/** Options of {@link fakeKube}. */
export interface FakeOptions {
  readonly clock?: Pick<Clock, "wall" | "after">;
  /** How each event of a watch is delivered; default: as a microtask. The order within one watch is always kept. */
  readonly schedule?: (deliver: () => void) => void;
}

/**
 * An API server in memory, for tests: versions, uids, generations, conflicts, finalizers, graceful deletion of pods,
 * status subresources, selectors, pages, watches with history. It has no schemas, admission, defaults or garbage
 * collection by owner.
 */
export function fakeKube(options: FakeOptions = {}): FakeKube {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const absent = new Set<string>();
  const faults = fakeFaults(clock);
  const watches: FakeWatches = fakeWatches(clock, options.schedule ?? queueMicrotask, () => store.version);
  const store = fakeStore(clock, (commit) => watches.publish(commit));
  const owners: ConditionOwners = new Map();

  const requireServed = (type: ResourceType): void => {
    if (absent.has(typeName(type))) throw new KubeError("not-found", "404 page not found", { status: 404 });
  };

  /**
   * One page. The real API server reads all pages from one state; here later pages are newer, which a watch from the
   * version of the first page corrects. The continuation contains that version, so that `compact` can make it too
   * old.
   */
  function page<T extends KubeObject>(type: ResourceType, query: ListOptions): ObjectList<T> {
    const matches = selectorOf(query);
    const next =
      query.continue === undefined ? undefined : (JSON.parse(query.continue) as { at: number; after: string });
    const at = next?.at ?? store.version;
    if (at < watches.oldest) throw new KubeError("gone", "the continue parameter is too old", { status: 410 });
    const found = store.all(type).filter((object) => matches(object) && keyOf(object.metadata) > (next?.after ?? ""));
    const items = found.slice(0, query.limit ?? found.length);
    const last = items.at(-1);
    return {
      resourceVersion: String(at),
      // Items of a list have no kind, as in the real one.
      items: items.map((object) => withoutKind(object) as T),
      ...(last === undefined || items.length === found.length
        ? {}
        : { continue: JSON.stringify({ at, after: keyOf(last.metadata) }) }),
    };
  }

  const rulesOf = (call: SubresourceOptions, whole: boolean) => ({
    // An approval also changes the status.
    status: call.subresource === "status" || call.subresource === "approval",
    dryRun: call.dryRun ?? false,
    whole,
  });

  const kube: Kube = {
    async get(type, ref, call = {}) {
      return await faults.serve({ verb: "get", type, ...ref }, call, () => {
        requireServed(type);
        return store.get(type, ref) as never;
      });
    },
    async list(type, call: ListOptions = {}) {
      return await faults.serve({ verb: "list", type, namespace: call.namespace }, call, () => {
        requireServed(type);
        return page(type, call);
      });
    },
    async create(type, object, call = {}) {
      const body: { metadata: NewObjectMeta } = copyOf(object);
      const { name, namespace } = body.metadata;
      return await faults.serve({ verb: "create", type, name, namespace, body }, call, () => {
        requireServed(type);
        return answerOf(call, store.create(type, body, call.dryRun ?? false)) as never;
      });
    },
    async update(type, object, call = {}) {
      const body: KubeObject = copyOf(object);
      const { name, namespace } = body.metadata;
      const { subresource } = call;
      return await faults.serve({ verb: "update", type, name, namespace, subresource, body }, call, () => {
        requireServed(type);
        return answerOf(
          call,
          store.update(type, body.metadata, () => body, rulesOf(call, true)),
        ) as never;
      });
    },
    async patch(type, ref, patch, call = {}) {
      const copy = copyOf(patch);
      const { subresource } = call;
      return await faults.serve({ verb: "patch", type, ...ref, subresource, body: copy.body }, call, () => {
        requireServed(type);
        // Server-side apply creates a missing object.
        if (copy.type === "apply" && store.find(type, ref) === undefined) {
          const { metadata, ...content } = copy.body as { metadata?: NewObjectMeta };
          const object = { ...content, metadata: { ...metadata, ...ref } };
          return answerOf(call, store.create(type, object, call.dryRun ?? false)) as never;
        }
        const change = (stored: KubeObject): object => applyPatch(stored, copy, owners);
        return answerOf(call, store.update(type, ref, change, rulesOf(call, false))) as never;
      });
    },
    async delete(type, ref, call = {}) {
      await faults.serve({ verb: "delete", type, ...ref }, call, () => {
        requireServed(type);
        store.delete(type, ref, call);
      });
    },
    async watch(type, call, onEvent) {
      await faults.serve({ verb: "watch", type, namespace: call.namespace }, { signal: call.signal }, () => {
        requireServed(type);
        return watches.open(type, call, onEvent as never);
      });
    },
  };

  return {
    ...kube,
    dropWatches: watches.dropWatches,
    endWatches: watches.endWatches,
    stallWatches: watches.stallWatches,
    expireWatches: watches.expireWatches,
    bookmark: watches.bookmark,
    compact: watches.compact,
    watchCount: watches.watchCount,
    fail: faults.fail,
    requests: faults.requests,
    serveType(type, served) {
      if (served) {
        absent.delete(typeName(type));
        return;
      }
      absent.add(typeName(type));
      for (const object of store.all(type)) store.remove(type, object.metadata);
      watches.endWatches(type);
    },
    object: (type, ref) => store.find(type, ref) as never,
    objects: (type) => store.all(type) as never,
    async settled() {
      for (let turn = 0; turn < 4 || watches.undelivered > 0; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

function answerOf({ metadataOnly }: WriteOptions, object: KubeObject): KubeObject {
  if (!metadataOnly) return object;
  return { apiVersion: "meta.k8s.io/v1", kind: "PartialObjectMetadata", metadata: object.metadata };
}

function withoutKind(object: KubeObject): KubeObject {
  return Object.fromEntries(
    Object.entries(object).filter(([key]) => key !== "apiVersion" && key !== "kind"),
  ) as unknown as KubeObject;
}
