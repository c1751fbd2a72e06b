// SPDX-License-Identifier: Apache-2.0

import type { Failures } from "../desired/failures.ts";
import type { BackoffLimits } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { Projection } from "./informer-cache.ts";
import type { ListSelection } from "./kube.ts";
import type { KubeObject } from "./object.ts";

/**
 * - `idle`: not started
 * - `listing`: reading everything
 * - `watching`: up to date, as far as the API server tells
 * - `waiting`: list or watch failed (see `lastError`); retrying after a pause
 * - `absent`: the API server does not serve the type; retrying after a pause
 * - `stopped`
 */
export type InformerState = "idle" | "listing" | "watching" | "waiting" | "absent" | "stopped";

/** Options of `informer`. */
export interface InformerOptions<T extends KubeObject, P> extends ListSelection {
  /** What is kept of an object. The object itself is dropped at once: do not keep it, or parts that hold much of it. */
  readonly project: Projection<T, P>;
  /** If given: an object whose projection equals the known one is not announced. */
  readonly equal?: (a: P, b: P) => boolean;
  /**
   * What a type that the API server does not serve means: `wait` (default): not synced until it is served; `empty`: synced
   * without objects. Both keep retrying. Objects known before are kept: only a complete list deletes.
   */
  readonly absent?: "wait" | "empty";
  /**
   * The pause between two requests for a type that is not served, for those who say with `retryNow` when it may be; default: as
   * after other failures. After `retryNow` some requests follow each other as after other failures, for a type that has just been
   * created is not served at once.
   */
  readonly absentPauseMs?: number;
  /** Failures of list and watch (KubeError; all are retried; an absent type is reported once). Must not throw. */
  readonly onError?: (error: unknown, context: string) => void;
  /**
   * What `project`, `equal` and listeners threw. The object stays as it was known, and after a pause it is read again, or the
   * listener called again; nothing else is delayed. `kind`: the kind that the failures are reported of.
   */
  readonly failures?: { readonly failures: Failures; readonly kind: string };
  /** Must not throw. */
  readonly onState?: (state: InformerState) => void;
  /**
   * Lists may be served from the API server's cache (`resourceVersion=0`, later whatever is not older than what was seen): for clients of
   * which there are as many as nodes, whose lists must not load etcd. The first list may then be of an old state, which
   * the watch brings up to date: who takes the absence of an object for its deletion must ask again. After a list that failed, and for
   * `refresh`, the most recent state is requested. Default: it always is.
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

/** Whose time and chance an informer has. */
export type InformerTime = Pick<InformerOptions<KubeObject, unknown>, "clock">;
