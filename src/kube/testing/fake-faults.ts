// SPDX-License-Identifier: Apache-2.0

import type { Timers } from "../../time/clock.ts";
import { pause } from "../abort.ts";
import { KubeError, type KubeErrorCode } from "../errors.ts";
import type { CallOptions } from "../kube.ts";
import { type ResourceType, typeName } from "../resources.ts";

/** The verbs of a `Kube`. */
export type ApiVerb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";

/** A request to the fake API server. */
export interface FakeRequest {
  readonly verb: ApiVerb;
  readonly type: ResourceType;
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly subresource?: string | undefined;
  /** The object, or the body of the patch. */
  readonly body?: unknown;
}

/** How the next matching requests fail. Omitted fields match everything. */
export interface FakeFault {
  readonly verb?: ApiVerb;
  readonly type?: ResourceType;
  readonly name?: string;
  readonly subresource?: string;
  /** How many requests fail; default 1. */
  readonly times?: number;
  /** The error; absent: only the delay happens. */
  readonly code?: KubeErrorCode;
  readonly delayMs?: number;
  /** No answer comes: the call ends by the caller's signal or deadline. */
  readonly hang?: boolean;
  /** The request takes effect first: only its answer is late or lost. */
  readonly after?: boolean;
}

/** Makes requests fail as arranged, and records all requests. */
export interface FakeFaults {
  readonly requests: FakeRequest[];
  /** Adds a fault; the returned function removes it. Faults are tried in the order in which they were added. */
  fail(fault: FakeFault): () => void;
  /** Executes the request by `act`, unless a fault applies. */
  serve<T>(request: FakeRequest, options: CallOptions, act: () => T | Promise<T>): Promise<T>;
}

const MAX_REQUESTS = 10_000;
const DEFAULT_DEADLINE_MS = 30_000;

/** No faults yet. */
export function fakeFaults(clock: Timers): FakeFaults {
  const faults = new Set<{ readonly fault: FakeFault; left: number }>();
  const requests: FakeRequest[] = [];

  const take = (request: FakeRequest): FakeFault | undefined => {
    for (const entry of faults) {
      if (!hits(entry.fault, request)) continue;
      entry.left -= 1;
      if (entry.left <= 0) faults.delete(entry);
      return entry.fault;
    }
    return undefined;
  };

  return {
    requests,
    fail(fault) {
      const entry = { fault, left: fault.times ?? 1 };
      faults.add(entry);
      return () => faults.delete(entry);
    },
    async serve<T>(request: FakeRequest, options: CallOptions, act: () => T | Promise<T>) {
      const what = `${request.verb} ${typeName(request.type)} ${request.name ?? ""}`.trim();
      requests.push(request);
      if (requests.length > MAX_REQUESTS) requests.shift();
      const ending = new AbortController();
      const onAbort = (): void => ending.abort(new KubeError("aborted", what));
      options.signal?.addEventListener("abort", onAbort, { once: true });
      if (options.signal?.aborted) onAbort();
      try {
        // No answer is given synchronously.
        await Promise.resolve();
        ending.signal.throwIfAborted();
        const fault = take(request);
        const result = fault?.after ? { value: await act() } : undefined;
        if (fault?.hang) {
          await pause(clock, options.deadlineMs ?? DEFAULT_DEADLINE_MS, ending.signal);
          throw new KubeError("timeout", what);
        }
        if (fault?.delayMs !== undefined) await pause(clock, fault.delayMs, ending.signal);
        if (fault?.code !== undefined) throw new KubeError(fault.code, `${what}: arranged by the test`);
        return result === undefined ? await act() : result.value;
      } finally {
        options.signal?.removeEventListener("abort", onAbort);
      }
    },
  };
}

function hits(fault: FakeFault, request: FakeRequest): boolean {
  return (
    (fault.verb ?? request.verb) === request.verb &&
    (fault.type === undefined || typeName(fault.type) === typeName(request.type)) &&
    (fault.name ?? request.name) === request.name &&
    (fault.subresource ?? request.subresource) === request.subresource
  );
}
