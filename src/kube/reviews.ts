// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import type { Kube } from "./kube.ts";
import { SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from "./resources.ts";
import type { SubjectAccessReview, TokenReview, TokenUser } from "./types.ts";

/** The maximum length of a token of Kubernetes. */
export const MAX_TOKEN_LENGTH = 16_384;
const LIMITS = { deadlineMs: 5_000 };

/** The key of a token in caches: tokens are not kept in memory. */
export function tokenDigest(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}

/** The account that a token is of, by a TokenReview; undefined if the API server does not accept it. Rejects with KubeError. */
export async function reviewToken(kube: Pick<Kube, "create">, token: string): Promise<TokenUser | undefined> {
  const { status } = await kube.create<TokenReview>(TOKEN_REVIEWS, { metadata: {}, spec: { token } }, LIMITS);
  return status?.authenticated === true ? (status.user ?? {}) : undefined;
}

/** Whether an account has a right, by a SubjectAccessReview. Rejects with KubeError. */
export async function reviewAccess(
  kube: Pick<Kube, "create">,
  { username: user, ...rest }: TokenUser,
  attributes: Pick<SubjectAccessReview["spec"], "resourceAttributes" | "nonResourceAttributes">,
): Promise<boolean> {
  const spec = { ...rest, ...(user !== undefined && { user }), ...attributes };
  const review = await kube.create<SubjectAccessReview>(SUBJECT_ACCESS_REVIEWS, { metadata: {}, spec }, LIMITS);
  return review.status?.allowed === true;
}
