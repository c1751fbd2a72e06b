// SPDX-License-Identifier: Apache-2.0

import type { KubeObject, NewObject, ObjectRef } from "./object.ts";
import type { ResourceType } from "./resources.ts";

/** Options of every call. A call with neither ends after 30 s with a `timeout`. */
export interface CallOptions {
  /** Ends the call early with the code `aborted`. */
  readonly signal?: AbortSignal;
  /** Milliseconds for the whole call: waiting for a free slot, connecting, repeats after "too many requests". */
  readonly deadlineMs?: number;
}

/** The objects of a list or a watch. */
export interface ListSelection {
  /** One namespace; absent: all namespaces. */
  readonly namespace?: string;
  /** For example `spec.nodeName=weft-1,spec.hostNetwork=false`. The API server decides which fields it supports. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** Options of {@link Kube.list}. */
export interface ListOptions extends CallOptions, ListSelection {
  /** Maximum number of objects in the answer; `continue` of the answer requests the next page. */
  readonly limit?: number;
  readonly continue?: string;
  /** Absent: the latest state. "0": any state in the API server's cache; that of a replica that lags may be old. */
  readonly resourceVersion?: string;
  /**
   * With another `resourceVersion`: any state that is not older. `unavailable` if the API server does not reach it in
   * time.
   */
  readonly resourceVersionMatch?: "NotOlderThan";
}

/** One page of a list. */
export interface ObjectList<T extends KubeObject> {
  /** The version of the whole collection, from which a watch can continue. */
  readonly resourceVersion: string;
  readonly items: readonly T[];
  /** Present if there are more pages. */
  readonly continue?: string;
}

/** Options of {@link Kube.watch}. */
export interface WatchOptions extends ListSelection {
  /** Events after this version are delivered. */
  readonly resourceVersion: string;
  /** The server ends the watch after this many seconds. */
  readonly timeoutSeconds: number;
  /** Ends the watch; the promise then rejects with the code `aborted`. */
  readonly signal: AbortSignal;
  /** Called when the server has accepted the watch, before any event. */
  readonly onOpen?: () => void;
}

/** One line of a watch. Errors of the stream reject {@link Kube.watch} instead. */
export type WatchEvent<T extends KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/** Options of the verbs that write. */
export interface WriteOptions extends CallOptions {
  /** Recorded in `managedFields`. For a patch of type `apply` it is required, and is part of the patch. */
  readonly fieldManager?: string;
  /** Validate and answer, but store nothing. */
  readonly dryRun?: boolean;
  /**
   * The answer contains only the object's metadata, which costs the API server and this process less. For calls that
   * do not use the rest of the answer. API servers that cannot convert the object send all of it.
   */
  readonly metadataOnly?: boolean;
}

/** Options of the verbs that support subresources. */
export interface SubresourceOptions extends WriteOptions {
  readonly subresource?: "status" | "scale" | "binding" | "ephemeralcontainers" | "approval";
}

/** One step of a JSON patch (RFC 6902). */
export type JsonPatchStep =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly from: string; readonly path: string };

/**
 * A change to an object. `merge` is RFC 7386: `null` removes a key, arrays are replaced completely; a
 * `metadata.resourceVersion` in it makes the patch conditional (409 `conflict`). `apply` is server-side apply.
 */
export type Patch =
  | { readonly type: "merge"; readonly body: object }
  | { readonly type: "json"; readonly body: readonly JsonPatchStep[] }
  | { readonly type: "apply"; readonly body: object; readonly fieldManager: string; readonly force?: boolean };

/** Options of {@link Kube.delete}. */
export interface DeleteOptions extends CallOptions {
  /** The object is deleted only if these match; otherwise `conflict`. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly dryRun?: boolean;
}

/** The interface to the API server. Every promise rejects only with a `KubeError`. */
export interface Kube {
  /** Reads one object; `not-found` if there is none. */
  get<T extends KubeObject>(type: ResourceType, ref: ObjectRef, options?: CallOptions): Promise<T>;
  /** Reads one page of objects; `not-found` if the API server does not serve the type (the CRD is absent). */
  list<T extends KubeObject>(type: ResourceType, options?: ListOptions): Promise<ObjectList<T>>;
  /**
   * Creates the object in the namespace of its metadata; `exists` if the name is taken. The result of a dry run has
   * no resource version.
   */
  create<T extends KubeObject>(type: ResourceType, object: NewObject<T>, options?: WriteOptions): Promise<T>;
  /** Replaces the object if its `resourceVersion` is still current; otherwise `conflict`. */
  update<T extends KubeObject>(type: ResourceType, object: T, options?: SubresourceOptions): Promise<T>;
  /** Changes part of the object. */
  patch<T extends KubeObject>(
    type: ResourceType,
    ref: ObjectRef,
    patch: Patch,
    options?: SubresourceOptions,
  ): Promise<T>;
  /** Requests the deletion. An object with finalizers continues to exist, with a `deletionTimestamp`. */
  delete(type: ResourceType, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /**
   * Delivers changes, each by one synchronous call of `onEvent`, so that only a half-received line is buffered.
   * Resolves when the server ends the watch normally (its time is up). Rejects with `gone` if the version is too old,
   * with `unavailable` if the connection breaks. Prefer an informer, which handles all of that.
   */
  watch<T extends KubeObject>(
    type: ResourceType,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void>;
}
