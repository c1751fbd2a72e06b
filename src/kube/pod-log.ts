// SPDX-License-Identifier: Apache-2.0

import type { Exchange } from "./exchange.ts";
import type { CallOptions } from "./kube.ts";
import type { ObjectRef } from "./object.ts";
import { objectPath } from "./paths.ts";
import { PODS } from "./resources.ts";

/** Which part of a log is read. */
export interface LogOptions extends CallOptions {
  readonly container: string;
  /** At most so many lines, the last ones. */
  readonly lines: number;
  /** Of the container's run before. */
  readonly previous?: boolean;
}

/** The end of a container's log, at most 256 KiB of it. Rejects with a KubeError, `invalid` where the container has not run. */
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
