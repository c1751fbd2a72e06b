// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../kube/errors.ts";
import { printable } from "./table.ts";
import { lackingRight } from "./tools/rights.ts";

/** What is printed of an error that ends a command: what has happened; of a refusal by the API server also the permission that the account lacks. */
export function failureText(error: unknown): string {
  const message = printable(error instanceof Error ? error.message : String(error));
  if (error instanceof KubeError && error.code === "unavailable" && /certificate/i.test(message))
    return `${message}\nThe API server's certificate is not trusted: is this the right --kubeconfig and --context?`;
  if (error instanceof KubeError && error.code === "unavailable")
    return `${message}\nThe API server does not answer: is it up, and is this the right --kubeconfig and --context?`;
  if (error instanceof KubeError && error.code === "unauthorized")
    return `${message}\nThe API server does not accept the credentials: have they expired, and is this the right --kubeconfig and --context?`;
  if (!(error instanceof KubeError) || error.code !== "forbidden") return message;
  const right = printable(lackingRight(error) ?? "permission");
  return `${message}\nThis account lacks the ${right}: choose another with --kubeconfig or --context.`;
}
