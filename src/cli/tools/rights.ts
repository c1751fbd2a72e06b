// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../collections/plain.ts";
import type { Kube } from "../../kube/kube.ts";
import { SELF_SUBJECT_ACCESS_REVIEWS } from "../../kube/resources.ts";

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

/** Whether this account has a right, as the API server says (SelfSubjectAccessReview, which every account may create). Rejects with a `KubeError`. */
export async function hasRight(kube: Kube, right: Right): Promise<boolean> {
  const review = await kube.create(SELF_SUBJECT_ACCESS_REVIEWS, {
    metadata: { name: "" },
    spec: { resourceAttributes: right },
  });
  return isObject(review.status) && review.status["allowed"] === true;
}
