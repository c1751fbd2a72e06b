// SPDX-License-Identifier: Apache-2.0

import { setNewest } from "../collections/newest.ts";
import type { Clock } from "../time/clock.ts";
import type { Kube } from "./kube.ts";
import { MAX_TOKEN_LENGTH, reviewAccess, reviewToken, tokenDigest } from "./reviews.ts";

/** The result for a request: served, or refused with HTTP 401, 403, or 503 if the API server does not answer. */
export type TokenVerdict = "admitted" | "unauthenticated" | "forbidden" | "unknown";

/** How long an answer of the API server is used, in ms; Prometheus scrapes every 15 to 60 s. */
const FRESH_MS = 60_000;
/** How long it is used while the API server does not answer, in ms: metrics are needed most in a failure. */
const STALE_MS = 600_000;
/** The maximum number of cached tokens, and of concurrent reviews. */
const MAX_TOKENS = 64;
const MAX_REVIEWS = 4;

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
    const user = await reviewToken(kube, token);
    if (user === undefined) return "unauthenticated";
    const allowed = await reviewAccess(kube, user, { nonResourceAttributes: { path, verb: "get" } });
    return allowed ? "admitted" : "forbidden";
  }

  async function ask(token: string, key: string, last: Answer | undefined): Promise<TokenVerdict> {
    try {
      const admission = await review(token);
      // A client without a token of this cluster must not evict others.
      if (admission === "unauthenticated") known.delete(key);
      else setNewest(known, key, { admission, at: clock.now() }, MAX_TOKENS);
      return admission;
    } catch {
      return last !== undefined && clock.now() - last.at < STALE_MS ? last.admission : "unknown";
    } finally {
      running.delete(key);
    }
  }

  return async (authorization) => {
    const token = /^Bearer +([^\s]+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined || token.length > MAX_TOKEN_LENGTH) return "unauthenticated";
    const key = tokenDigest(token);
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
