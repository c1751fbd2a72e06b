// SPDX-License-Identifier: Apache-2.0

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
