// SPDX-License-Identifier: Apache-2.0

import type { KubeError } from "../../kube/errors.ts";

/**
 * The permission that an account lacks, in the terms of a Role, from the API server's refusal: `verb get on pods/exec in namespace kube-system`. Undefined if the
 * authorizer does not say it in the words of Kubernetes' own (kubernetes/pkg/registry/authorization/util, apiserver's `forbiddenMessage`).
 */
export function lackingRight({ code, message }: KubeError): string | undefined {
  if (code !== "forbidden") return undefined;
  const refusal = /cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?/.exec(
    message,
  );
  if (refusal === null) return undefined;
  const [, verb, resource, group, namespace] = refusal;
  const what = group === "" ? resource : `${resource}.${group}`;
  return `verb ${verb} on ${what}${namespace === undefined ? " of the whole cluster" : ` in namespace ${namespace}`}`;
}
