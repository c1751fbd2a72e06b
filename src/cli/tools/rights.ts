// SPDX-License-Identifier: Apache-2.0

/** What a verb needs of the API server beyond reading pods. */
export interface Right {
  readonly verb: "create" | "get";
  readonly resource: "pods";
  readonly subresource: "exec" | "log";
  readonly namespace: string;
}

/** A right in the words of a Role. */
export function rightText({ verb, resource, subresource, namespace }: Right): string {
  return `verb ${verb} on ${resource}/${subresource} in namespace ${namespace}`;
}

/** Whether this account has a right; see `canI` of kubectl.ts. */
export type HasRight = (right: Right) => Promise<boolean>;
