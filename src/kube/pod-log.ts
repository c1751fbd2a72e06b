// SPDX-License-Identifier: Apache-2.0

import type { IncomingMessage } from "node:http";
import type { Exchange } from "./exchange.ts";
import type { CallOptions } from "./kube.ts";
import type { ObjectRef } from "./object.ts";
import { objectPath } from "./paths.ts";
import { PODS } from "./resources.ts";

/** The part of a log to read. */
export interface LogOptions extends CallOptions {
  readonly container: string;
  /** Maximum number of lines, from the end. */
  readonly lines: number;
  /** Of the container's previous run. */
  readonly previous?: boolean;
}

/** The end of a container's log, at most 256 KiB. Rejects with a KubeError, `invalid` if the container has not run. */
export async function podLog(exchange: Exchange, pod: ObjectRef, options: LogOptions): Promise<string> {
  const { container, lines, previous = false, ...call } = options;
  const query = new URLSearchParams({
    container,
    tailLines: String(lines),
    limitBytes: String(256 * 1024),
    previous: String(previous),
  });
  const path = `${objectPath(PODS, pod, "log")}?${query.toString()}`;
  return await exchange.call({ what: `read the log of pod ${pod.name}`, method: "GET", path }, call);
}

/** What of a log to stream. */
export interface LogStreamOptions {
  readonly container: string;
  /** Go on with what is written from now on. */
  readonly follow: boolean;
  /** Only what was written in the last so many seconds; absent: all. */
  readonly sinceSeconds?: number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

/** A container's log as a stream of bytes. Rejects with a KubeError, `invalid` if the container has not run. */
export async function streamPodLog(
  exchange: Exchange,
  pod: ObjectRef,
  { container, follow, sinceSeconds, signal }: LogStreamOptions,
): Promise<IncomingMessage> {
  const query = new URLSearchParams({ container, follow: String(follow) });
  if (sinceSeconds !== undefined) query.set("sinceSeconds", String(sinceSeconds));
  const path = `${objectPath(PODS, pod, "log")}?${query.toString()}`;
  return await exchange.stream({ what: `read the log of pod ${pod.name}`, method: "GET", path }, signal);
}
