// SPDX-License-Identifier: Apache-2.0

/** A permission that a command needs beyond reading pods. */
export interface Right {
  readonly verb: "create" | "get";
  readonly resource: "pods";
  readonly subresource: "exec" | "log";
  readonly namespace: string;
}

/** A permission in the terms of a Role. */
export function rightText({ verb, resource, subresource, namespace }: Right): string {
  return `verb ${verb} on ${resource}/${subresource} in namespace ${namespace}`;
}

/** Whether this account has a right; see `canI` of kubectl.ts. */
export type HasRight = (right: Right) => Promise<boolean>;
