// SPDX-License-Identifier: Apache-2.0

import type { Failures } from "../desired/failures.ts";
import type { BackoffLimits } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { Projection } from "./informer-cache.ts";
import type { ListSelection } from "./kube.ts";
import type { KubeObject } from "./object.ts";

/**
 * - `idle`: not started
 * - `listing`: listing all objects
 * - `watching`: up to date, as far as the API server reports
 * - `waiting`: list or watch failed (see `lastError`); retrying after a pause
 * - `absent`: the API server does not serve the type; retrying after a pause
 * - `stopped`
 */
export type InformerState = "idle" | "listing" | "watching" | "waiting" | "absent" | "stopped";

/** Options of `informer`. */
export interface InformerOptions<T extends KubeObject, P> extends ListSelection {
  /**
   * Returns the stored value. The object itself is dropped at once: do not keep it, or parts that reference much of
   * it.
   */
  readonly project: Projection<T, P>;
  /** If given: an object whose projection equals the known one is not reported. */
  readonly equal?: (a: P, b: P) => boolean;
  /**
   * The meaning of a type that the API server does not serve: `wait` (default): not synced until it is served;
   * `empty`: synced without objects. Both keep retrying. Known objects are kept: only a complete list removes them.
   */
  readonly absent?: "wait" | "empty";
  /**
   * The pause between two requests for a type that is not served, if the caller calls `retryNow` when it may be;
   * default: as after other failures. After `retryNow` some requests use the pauses of other failures, because a new
   * type is not served at once.
   */
  readonly absentPauseMs?: number;
  /** Failures of list and watch (KubeError; all are retried; an absent type is reported once). Must not throw. */
  readonly onError?: (error: unknown, context: string) => void;
  /**
   * Reports errors of `project`, `equal` and listeners. The object's former projection stays, and after a pause it is
   * read again, or the listener called again; nothing else is delayed. `kind`: the kind for the reports.
   */
  readonly failures?: { readonly failures: Failures; readonly kind: string };
  /** Must not throw. */
  readonly onState?: (state: InformerState) => void;
  /**
   * Lists may be served from the API server's cache (`resourceVersion=0`, later any version that is not older than
   * the last one): for clients on every node, whose lists must not load etcd. The first list may then be outdated
   * until the watch catches up: callers that take the absence of an object for its deletion must ask again. After a
   * failed list, and for `refresh`, the most recent state is requested. Default: it always is.
   */
  readonly fromMemory?: boolean;
  /** Objects in one page of the list; default 100. Halved as long as a page is too large. */
  readonly pageSize?: number;
  /** After so many milliseconds without an event or a bookmark the watch is reopened, without an error; default 150 s. */
  readonly silenceMs?: number;
  /** Pauses after failures; default 0.2 s to 15 s. */
  readonly backoff?: BackoffLimits;
  readonly clock?: Pick<Clock, "now" | "after" | "random">;
}

/** The clock and the random numbers of an informer. */
export type InformerTime = Pick<InformerOptions<KubeObject, unknown>, "clock">;
