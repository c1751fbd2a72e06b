// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import type { Clock } from "../time/clock.ts";
import type { Kube } from "./kube.ts";
import { SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from "./resources.ts";
import type { SubjectAccessReview, TokenReview } from "./types.ts";

/** The result for a request: served, or refused with HTTP 401, 403, or 503 if the API server does not answer. */
export type TokenVerdict = "admitted" | "unauthenticated" | "forbidden" | "unknown";

/** How long an answer of the API server is used, in ms; Prometheus scrapes every 15 to 60 s. */
const FRESH_MS = 60_000;
/** How long it is used while the API server does not answer, in ms: metrics are needed most in a failure. */
const STALE_MS = 600_000;
/** The maximum number of cached tokens, and of concurrent reviews. */
const MAX_TOKENS = 64;
const MAX_REVIEWS = 4;
const REVIEW_MS = 5_000;
/** The maximum length of a token of Kubernetes. */
const MAX_LENGTH = 16_384;

interface Answer {
  readonly admission: TokenVerdict;
  readonly at: number;
}

/**
 * Decides which clients may read the non-resource URL `/metrics`: a TokenReview identifies the token's account, and a SubjectAccessReview checks its right to `get`, as in
 * kube-rbac-proxy and Kube-OVN's `--secure-serving`. Answers are cached for a minute; concurrent requests share one review. Never rejects.
 */
export function metricsReaders(
  kube: Pick<Kube, "create">,
  clock: Pick<Clock, "now">,
  path: string,
): (authorization: string | undefined) => Promise<TokenVerdict> {
  const known = new Map<string, Answer>();
  const running = new Map<string, Promise<TokenVerdict>>();

  async function review(token: string): Promise<TokenVerdict> {
    const limits = { deadlineMs: REVIEW_MS };
    const { status } = await kube.create<TokenReview>(TOKEN_REVIEWS, { metadata: {}, spec: { token } }, limits);
    if (status?.authenticated !== true) return "unauthenticated";
    const { username: user, ...rest } = status.user ?? {};
    const spec = { ...rest, ...(user !== undefined && { user }), nonResourceAttributes: { path, verb: "get" } };
    const answer = await kube.create<SubjectAccessReview>(SUBJECT_ACCESS_REVIEWS, { metadata: {}, spec }, limits);
    return answer.status?.allowed === true ? "admitted" : "forbidden";
  }

  async function ask(token: string, key: string, last: Answer | undefined): Promise<TokenVerdict> {
    try {
      const admission = await review(token);
      known.delete(key);
      // A client without a token of this cluster must not evict others.
      if (admission === "unauthenticated") return admission;
      known.set(key, { admission, at: clock.now() });
      for (const oldest of known.keys()) {
        if (known.size <= MAX_TOKENS) break;
        known.delete(oldest);
      }
      return admission;
    } catch {
      return last !== undefined && clock.now() - last.at < STALE_MS ? last.admission : "unknown";
    } finally {
      running.delete(key);
    }
  }

  return async (authorization) => {
    const token = /^Bearer +([^\s]+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined || token.length > MAX_LENGTH) return "unauthenticated";
    // Tokens are not kept in memory.
    const key = createHash("sha256").update(token).digest("base64");
    const last = known.get(key);
    if (last !== undefined && clock.now() - last.at < FRESH_MS) return last.admission;
    const already = running.get(key);
    if (already !== undefined) return await already;
    if (running.size >= MAX_REVIEWS) return "unknown";
    const asked = ask(token, key, last);
    running.set(key, asked);
    return await asked;
  };
}
