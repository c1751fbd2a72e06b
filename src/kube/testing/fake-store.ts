// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import { getOrAdd } from "../../collections/get-or-add.ts";
import type { Clock } from "../../time/clock.ts";
import { formatTime } from "../../time/rfc3339.ts";
import { KubeError } from "../errors.ts";
import type { DeleteOptions } from "../kube.ts";
import { type KubeObject, keyOf, type NewObjectMeta, type ObjectMeta, type ObjectRef } from "../object.ts";
import { apiVersionOf, type ResourceType, typeName } from "../resources.ts";
import { copyOf } from "./copy.ts";

/**
 * One change of the stored state. `old` absent: created; `new` absent: removed, `old` then has the version of the
 * removal.
 */
export interface Commit {
  readonly version: number;
  readonly type: ResourceType;
  readonly old?: KubeObject;
  readonly new?: KubeObject;
}

/** The objects of a fake API server, and the rules by which writes change them. Synchronous; throws `KubeError`. */
export interface FakeStore {
  /** The version of the store. */
  readonly version: number;
  /**
   * All objects of a type, in the order of their keys: the same array until one of them changes. Objects are frozen, so
   * that stored objects cannot be changed.
   */
  all(type: ResourceType): readonly KubeObject[];
  find(type: ResourceType, ref: ObjectRef): KubeObject | undefined;
  /** Like `find`, but throws `not-found`. */
  get(type: ResourceType, ref: ObjectRef): KubeObject;
  create(type: ResourceType, object: { readonly metadata: NewObjectMeta }, dryRun: boolean): KubeObject;
  /**
   * `whole`: an update, which must name the version it replaces, instead of a patch. Replaces the stored object by
   * the result of `change`, by the rules of the endpoint (the object's or its status's).
   */
  update(
    type: ResourceType,
    ref: ObjectRef,
    change: (stored: KubeObject) => object,
    options: { readonly status: boolean; readonly dryRun: boolean; readonly whole: boolean },
  ): KubeObject;
  delete(type: ResourceType, ref: ObjectRef, options: DeleteOptions): void;
  /** Removes the object, whatever finalizers it has. */
  remove(type: ResourceType, ref: ObjectRef): void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = { metadata: Mutable<ObjectMeta> } & Record<string, unknown>;

/** Types without a status subresource. All others have one, as most of Kube-OVN's CRDs do. */
const PLAIN_TYPES = new Set([
  "configmaps",
  "secrets",
  "events",
  "serviceaccounts",
  "leases",
  "endpointslices",
  "networkpolicies",
  "ips",
  "vips",
]);
/** Types whose objects have no generation. */
const WITHOUT_GENERATION = new Set([
  "configmaps",
  "secrets",
  "events",
  "serviceaccounts",
  "leases",
  "nodes",
  "namespaces",
  "services",
]);

/** All keys and values of an object's annotations together, in bytes (`TotalAnnotationSizeLimitB` of k8s.io/apimachinery). */
export const MAX_ANNOTATIONS = 256 * 1024;

function checkAnnotations(type: ResourceType, { annotations = {}, ...ref }: ObjectMeta): void {
  let size = 0;
  for (const pair of Object.entries(annotations)) for (const text of pair) size += Buffer.byteLength(text);
  if (size > MAX_ANNOTATIONS)
    throw refusal(
      "invalid",
      422,
      "Invalid",
      type,
      ref,
      `metadata.annotations: Too long: may not be more than ${MAX_ANNOTATIONS} bytes`,
    );
}

/** An empty {@link FakeStore}; `onCommit` is called with every change, synchronously. */
export function fakeStore(clock: Pick<Clock, "wall">, onCommit: (commit: Commit) => void): FakeStore {
  /** type → key → object. */
  const types = new Map<string, Map<string, KubeObject>>();
  /** type → its objects in their order, as far as that is known. */
  const ordered = new Map<string, readonly KubeObject[]>();
  let version = 1_000;
  let serial = 0;

  const objectsOf = (type: ResourceType): Map<string, KubeObject> => {
    const name = typeName(type);
    let objects = types.get(name);
    if (objects === undefined) {
      objects = new Map();
      types.set(name, objects);
    }
    return objects;
  };
  const find = (type: ResourceType, ref: ObjectRef): KubeObject | undefined => objectsOf(type).get(keyOf(ref));
  const get = (type: ResourceType, ref: ObjectRef): KubeObject => {
    const found = find(type, ref);
    if (found === undefined) throw refusal("not-found", 404, "NotFound", type, ref, "not found");
    return found;
  };
  /** Stores a new state, or removes the object if no finalizer remains. */
  const commit = (type: ResourceType, old: KubeObject | undefined, draft: Draft): KubeObject => {
    checkAnnotations(type, draft.metadata);
    version += 1;
    draft.metadata.resourceVersion = String(version);
    if (isOver(draft.metadata)) return remove(type, draft);
    const next = deepFreeze(draft as unknown as KubeObject);
    objectsOf(type).set(keyOf(next.metadata), next);
    ordered.delete(typeName(type));
    onCommit({ version, type, new: next, ...(old === undefined ? {} : { old }) });
    return next;
  };

  const remove = (type: ResourceType, draft: Draft): KubeObject => {
    const last = deepFreeze(draft as unknown as KubeObject);
    objectsOf(type).delete(keyOf(last.metadata));
    ordered.delete(typeName(type));
    onCommit({ version, type, old: last });
    return last;
  };

  return {
    get version() {
      return version;
    },
    all: (type) => getOrAdd(ordered, typeName(type), () => inOrder(objectsOf(type))),
    find,
    get,
    create(type, object, dryRun) {
      const { metadata } = object;
      serial += 1;
      const generated = metadata.generateName && `${metadata.generateName}${serial.toString(36).padStart(5, "x")}`;
      const name = metadata.name ?? generated ?? "";
      const ref = { name, ...(type.namespaced ? { namespace: metadata.namespace ?? "" } : {}) };
      if (name === "")
        throw refusal("invalid", 422, "Invalid", type, ref, "metadata.name: name or generateName is required");
      if (type.namespaced && ref.namespace === "")
        throw refusal("invalid", 400, "BadRequest", type, ref, "no namespace");
      if (objectsOf(type).has(keyOf(ref))) throw refusal("exists", 409, "AlreadyExists", type, ref, "already exists");
      const draft = copyOf({ apiVersion: apiVersionOf(type), kind: type.kind, ...object }) as unknown as Draft;
      if (!PLAIN_TYPES.has(type.plural)) delete draft["status"];
      draft.metadata = {
        ...draft.metadata,
        ...ref,
        uid: `00000000-0000-4000-8000-${serial.toString(16).padStart(12, "0")}`,
        creationTimestamp: formatTime(clock.wall()),
        ...(WITHOUT_GENERATION.has(type.plural) ? {} : { generation: 1 }),
      };
      dropEmpty(draft.metadata);
      return dryRun ? deepFreeze(draft as unknown as KubeObject) : commit(type, undefined, draft);
    },
    update(type, ref, change, options) {
      const stored = get(type, ref);
      const wanted = copyOf(change(stored)) as Draft;
      const given = wanted.metadata as Partial<ObjectMeta>;
      if (options.whole && !isBuiltIn(type) && !given.resourceVersion) {
        throw refusal(
          "invalid",
          422,
          "Invalid",
          type,
          ref,
          "metadata.resourceVersion: must be specified for an update",
        );
      }
      if (given.resourceVersion && given.resourceVersion !== stored.metadata.resourceVersion) {
        throw refusal(
          "conflict",
          409,
          "Conflict",
          type,
          ref,
          "the object has been modified; please apply your changes to the latest version",
        );
      }
      if (given.uid && given.uid !== stored.metadata.uid) {
        if (options.whole)
          throw refusal("conflict", 409, "Conflict", type, ref, `precondition failed: UID ${given.uid}`);
        throw refusal("invalid", 422, "Invalid", type, ref, "metadata.uid: field is immutable");
      }
      const next = options.status ? statusOf(type, stored, wanted) : mainOf(type, stored, wanted);
      if (isDeepStrictEqual(next, stored)) return stored; // As in etcd3 storage: a write without a change is ignored.
      const added = (next.metadata.finalizers ?? []).filter((name) => !stored.metadata.finalizers?.includes(name));
      if (stored.metadata.deletionTimestamp !== undefined && added.length > 0) {
        throw refusal(
          "invalid",
          422,
          "Invalid",
          type,
          ref,
          "no new finalizers can be added if the object is being deleted",
        );
      }
      if (options.dryRun) return deepFreeze(next as unknown as KubeObject);
      return commit(type, stored, next);
    },
    delete(type, ref, options) {
      const stored = get(type, ref);
      const { uid, resourceVersion } = options.preconditions ?? {};
      if ((uid ?? stored.metadata.uid) !== stored.metadata.uid) {
        throw refusal("conflict", 409, "Conflict", type, ref, `the UID in the precondition (${uid}) does not match`);
      }
      if ((resourceVersion ?? stored.metadata.resourceVersion) !== stored.metadata.resourceVersion) {
        throw refusal("conflict", 409, "Conflict", type, ref, "the ResourceVersion in the precondition does not match");
      }
      if (options.dryRun) return;
      const draft = copyOf(stored) as unknown as Draft;
      const grace = graceOf(type, stored, options);
      const before = stored.metadata.deletionGracePeriodSeconds;
      // A second deletion can shorten the period, but not restart it.
      if (stored.metadata.deletionTimestamp === undefined || (before !== undefined && grace < before)) {
        draft.metadata.deletionTimestamp = formatTime(clock.wall() + grace * 1_000);
        draft.metadata.deletionGracePeriodSeconds = grace;
        if (draft.metadata.generation !== undefined) draft.metadata.generation += 1;
      }
      if (!isDeepStrictEqual(draft, stored)) commit(type, stored, draft);
    },
    remove(type, ref) {
      version += 1;
      const { metadata, ...content } = get(type, ref);
      remove(type, { ...content, metadata: { ...metadata, resourceVersion: String(version) } });
    },
  };
}

/** The result of a write to the main endpoint: all fields except the status and those that the API server maintains. */
function mainOf(type: ResourceType, stored: KubeObject, wanted: Draft): Draft {
  const { metadata: kept } = stored;
  const next: Draft = { ...wanted, metadata: systemFields(wanted.metadata, kept) };
  next["apiVersion"] = stored.apiVersion;
  next["kind"] = stored.kind;
  if (!PLAIN_TYPES.has(type.plural)) {
    if (stored.status === undefined) delete next["status"];
    else next["status"] = stored.status;
  }
  const content = (object: object): object => ({ ...object, metadata: undefined, status: undefined });
  if (kept.generation !== undefined && !isDeepStrictEqual(content(next), content(stored))) {
    next.metadata.generation = kept.generation + 1;
  }
  return next;
}

/**
 * The result of a write to the status endpoint. Built-in types accept labels and annotations there too, custom
 * resources do not.
 */
function statusOf(type: ResourceType, stored: KubeObject, wanted: Draft): Draft {
  if (PLAIN_TYPES.has(type.plural)) {
    throw refusal("not-found", 404, "NotFound", type, stored.metadata, "there is no status subresource");
  }
  const metadata = isBuiltIn(type) ? systemFields(wanted.metadata, stored.metadata) : { ...stored.metadata };
  const next = { ...stored, metadata } as unknown as Draft;
  if (wanted["status"] === undefined) delete next["status"];
  else next["status"] = wanted["status"];
  return next;
}

function systemFields(wanted: ObjectMeta, kept: ObjectMeta): Mutable<ObjectMeta> {
  const metadata: Mutable<ObjectMeta> = { ...wanted };
  for (const key of SYSTEM_FIELDS) {
    if (kept[key] === undefined) delete metadata[key];
    else Object.assign(metadata, { [key]: kept[key] });
  }
  dropEmpty(metadata);
  return metadata;
}

const SYSTEM_FIELDS = [
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const;

/** The API server omits empty maps and lists (`omitempty`). */
function dropEmpty(metadata: Mutable<ObjectMeta>): void {
  for (const key of ["labels", "annotations", "finalizers", "ownerReferences"] as const) {
    const value = metadata[key];
    if (value !== undefined && Object.keys(value).length === 0) delete metadata[key];
  }
}

function isBuiltIn(type: ResourceType): boolean {
  return !type.group.includes(".") || type.group.endsWith(".k8s.io");
}

/** Whether a deleted object can be removed. */
function isOver(metadata: ObjectMeta): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    (metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
    (metadata.finalizers ?? []).length === 0
  );
}

/** Seconds that a deleted object stays for graceful shutdown: only for pods that run on a node. */
function graceOf(type: ResourceType, stored: KubeObject, options: DeleteOptions): number {
  if (type.group !== "" || type.plural !== "pods") return 0;
  const { nodeName, terminationGracePeriodSeconds } = (stored.spec ?? {}) as {
    nodeName?: string;
    terminationGracePeriodSeconds?: number;
  };
  const { phase } = (stored.status ?? {}) as { phase?: string };
  if (nodeName === undefined || phase === "Succeeded" || phase === "Failed") return 0;
  return options.gracePeriodSeconds ?? terminationGracePeriodSeconds ?? 30;
}

function refusal(
  code: "not-found" | "exists" | "conflict" | "invalid",
  status: number,
  reason: string,
  type: ResourceType,
  ref: ObjectRef,
  message: string,
): KubeError {
  return new KubeError(code, `${typeName(type)} ${keyOf(ref)}: ${message}`, { status, reason });
}

function inOrder(objects: ReadonlyMap<string, KubeObject>): readonly KubeObject[] {
  return Object.freeze([...objects.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
