// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../time/clock.ts";
import { KubeError } from "./errors.ts";
import type { Kube, ListSelection, WatchEvent } from "./kube.ts";
import type { KubeObject } from "./object.ts";
import { type ResourceType, typeName } from "./resources.ts";

/** A watch that is not open after so long has failed. */
const OPEN_MS = 30_000;
/**
 * The server ends a watch after a random time in this range, which spreads the load of opening them (as in
 * client-go).
 */
const WATCH_SECONDS = { min: 300, max: 600 } as const;

/** Dependencies of {@link watchOnce}. */
export interface WatchParts<T extends KubeObject> {
  readonly kube: Kube;
  readonly type: ResourceType;
  readonly selection: ListSelection;
  readonly clock: Pick<Clock, "now" | "after" | "random">;
  /** After so many milliseconds without an event or a bookmark the watch ends. */
  readonly silenceMs: number;
  readonly onOpen: () => void;
  readonly onEvent: (event: WatchEvent<T>) => void;
}

/**
 * Runs one watch from a resource version to its end. Resolves when the server ends it normally (`served`), when
 * nothing was received for too long (`silent`), or when `end` fires (`ended`). Rejects with the error that broke it,
 * and with the reason of `stop` when that fires. No event is delivered after that.
 */
export async function watchOnce<T extends KubeObject>(
  parts: WatchParts<T>,
  resourceVersion: string,
  { stop, end }: { readonly stop: AbortSignal; readonly end: AbortSignal },
): Promise<"served" | "silent" | "ended"> {
  const { kube, type, selection, clock, silenceMs } = parts;
  // Stopped by a listener of the list: a signal that has fired does not call listeners that are added later.
  stop.throwIfAborted();
  const controller = new AbortController();
  const { signal } = controller;
  const openMs = Math.min(silenceMs, OPEN_MS);
  let heard = clock.now();
  let outcome: "served" | "silent" | "ended" = "served";
  const finish = (how: "silent" | "ended"): void => {
    outcome = how;
    controller.abort();
  };
  const onStop = (): void => controller.abort(stop.reason);
  const onEnd = (): void => finish("ended");
  stop.addEventListener("abort", onStop, { once: true });
  end.addEventListener("abort", onEnd, { once: true });
  // One timer that checks the time of the last event, instead of a new timer for every event.
  const guard = (): void => {
    const left = heard + silenceMs - clock.now();
    if (left <= 0) finish("silent");
    else cancelGuard = clock.after(left, guard);
  };
  let cancelGuard = clock.after(openMs, () =>
    controller.abort(new KubeError("timeout", `watch ${typeName(type)}: not open after ${openMs} ms`)),
  );
  const onOpen = (): void => {
    heard = clock.now();
    cancelGuard();
    guard();
    parts.onOpen();
  };
  const onEvent = (event: WatchEvent<T>): void => {
    if (signal.aborted) return;
    heard = clock.now();
    parts.onEvent(event);
  };
  const timeoutSeconds = Math.round(WATCH_SECONDS.min + clock.random() * (WATCH_SECONDS.max - WATCH_SECONDS.min));
  try {
    await kube.watch<T>(type, { ...selection, resourceVersion, timeoutSeconds, signal, onOpen }, onEvent);
  } catch (error) {
    if (outcome === "served") throw signal.aborted ? signal.reason : error;
  } finally {
    cancelGuard();
    stop.removeEventListener("abort", onStop);
    end.removeEventListener("abort", onEnd);
  }
  return outcome;
}
