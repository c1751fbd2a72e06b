// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { KubeObject, ObjectRef } from "./object.ts";
import { objectPath } from "./paths.ts";
import { SERVICE_ACCOUNTS } from "./resources.ts";
import { parseReview } from "./wire.ts";

interface TokenRequest extends KubeObject {
  readonly status?: { readonly token?: unknown };
}

/** A token of a ServiceAccount (authentication.k8s.io/v1 TokenRequest), valid for so many seconds unless the API server shortens that. Rejects with a KubeError. */
export async function accountToken(
  exchange: Pick<Exchange, "call">,
  account: ObjectRef,
  seconds: number,
): Promise<string> {
  const what = `create a token of ServiceAccount ${account.namespace}/${account.name}`;
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: seconds },
  };
  const path = objectPath(SERVICE_ACCOUNTS, account, "token");
  const { status } = parseReview<TokenRequest>(await exchange.call({ what, method: "POST", path, body }, {}), what);
  const token = status?.token;
  if (typeof token !== "string" || token === "") throw new KubeError("protocol", `${what}: the answer has no token`);
  return token;
}
