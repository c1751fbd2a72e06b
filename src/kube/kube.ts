// SPDX-License-Identifier: Apache-2.0

import type { KubeObject, NewObject, ObjectRef } from "./object.ts";
import type { ResourceType } from "./resources.ts";

/** What every call takes. A call that is given neither ends after 30 s with a `timeout`. */
export interface CallOptions {
  /** Ends the call early with the code `aborted`. */
  readonly signal?: AbortSignal;
  /** Milliseconds for the whole call: waiting for a free slot, connecting, repeats after "too many requests". */
  readonly deadlineMs?: number;
}

/** Which objects a list or a watch is about. */
export interface ListSelection {
  /** One namespace; absent: all namespaces. */
  readonly namespace?: string;
  /** For example `spec.nodeName=weft-1,spec.hostNetwork=false`. The API server decides which fields it knows. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** Options of {@link Kube.list}. */
export interface ListOptions extends CallOptions, ListSelection {
  /** At most so many objects in the answer; `continue` of the answer asks for the next page. */
  readonly limit?: number;
  readonly continue?: string;
  /** Absent: the state of the moment. "0": any state, which the API server has in its memory; of a replica that lags behind it may be an old one. */
  readonly resourceVersion?: string;
  /** With another `resourceVersion`: any state that is not older. `unavailable` where the API server does not get that far in time. */
  readonly resourceVersionMatch?: "NotOlderThan";
}

/** One page of a list. */
export interface ObjectList<T extends KubeObject> {
  /** The version of the whole collection; a watch may go on from it. */
  readonly resourceVersion: string;
  readonly items: readonly T[];
  /** Present if there are more pages. */
  readonly continue?: string;
}

/** Options of {@link Kube.watch}. */
export interface WatchOptions extends ListSelection {
  /** Events after this version are delivered. */
  readonly resourceVersion: string;
  /** The server ends the watch after so many seconds. */
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
   * The answer has no more than the object's metadata: it costs the API server and this process less. For calls of which the rest of the
   * answer is not used. API servers that cannot convert the object answer with all of it.
   */
  readonly metadataOnly?: boolean;
}

/** Options of the verbs that can go to a subresource. */
export interface SubresourceOptions extends WriteOptions {
  readonly subresource?: "status" | "scale" | "binding" | "ephemeralcontainers" | "approval";
}

/** One step of a JSON patch (RFC 6902). */
export type JsonPatchStep =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly from: string; readonly path: string };

/**
 * A change to an object. `merge` is RFC 7386: `null` removes a key, arrays are replaced whole; a `metadata.resourceVersion` in
 * it makes the patch conditional (409 `conflict`). `apply` is server-side apply.
 */
export type Patch =
  | { readonly type: "merge"; readonly body: object }
  | { readonly type: "json"; readonly body: readonly JsonPatchStep[] }
  | { readonly type: "apply"; readonly body: object; readonly fieldManager: string; readonly force?: boolean };

/** Options of {@link Kube.delete}. */
export interface DeleteOptions extends CallOptions {
  /** The deletion happens only if these match; otherwise `conflict`. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly dryRun?: boolean;
}

/** The API server, as the rest of Weft sees it. Every promise rejects with a `KubeError` and with nothing else. */
export interface Kube {
  /** Reads one object; `not-found` if there is none. */
  get<T extends KubeObject>(type: ResourceType, ref: ObjectRef, options?: CallOptions): Promise<T>;
  /** Reads one page of objects; `not-found` if the API server does not serve the type (the CRD is absent). */
  list<T extends KubeObject>(type: ResourceType, options?: ListOptions): Promise<ObjectList<T>>;
  /**
   * Creates the object in the namespace that its metadata names; `exists` if the name is taken. What a dry run would create has no
   * resource version.
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
  /** Asks for the deletion. An object with finalizers goes on existing, with a `deletionTimestamp`. */
  delete(type: ResourceType, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /**
   * Delivers changes, each by one synchronous call of `onEvent`, so that nothing is buffered beyond a half-received line.
   * Resolves when the server ends the watch in good order (its time is up). Rejects with `gone` if the version is too old,
   * with `unavailable` if the connection breaks. Prefer an informer, which deals with all of that.
   */
  watch<T extends KubeObject>(
    type: ResourceType,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void>;
}
