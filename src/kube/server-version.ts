// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { CallOptions } from "./kube.ts";
import { parseJson } from "./wire.ts";

/** `gitVersion` of the API server: "v1.34.4". Rejects with a KubeError. */
export async function serverVersion(exchange: Pick<Exchange, "call">, options: CallOptions = {}): Promise<string> {
  const what = "read the version of the API server";
  const text = await exchange.call({ what, method: "GET", path: "/version" }, options);
  // A proxy may answer with a page of its own.
  const answer = parseJson(text, what);
  const version = "gitVersion" in answer ? answer.gitVersion : undefined;
  if (typeof version !== "string") throw new KubeError("protocol", `${what}: no gitVersion in the answer`);
  return version;
}
