// SPDX-License-Identifier: Apache-2.0

import { setNewest } from "../../collections/newest.ts";
import type { Kube } from "../../kube/kube.ts";
import { limiter } from "../../kube/limiter.ts";
import { MAX_TOKEN_LENGTH, reviewAccess, reviewToken, tokenDigest } from "../../kube/reviews.ts";
import { PageError } from "../../page/page-error.ts";
import type { Viewer } from "../../page/viewer.ts";
import type { Clock } from "../../time/clock.ts";

/** What {@link Accounts} needs. */
export interface AccountsParts {
  readonly kube: Pick<Kube, "create">;
  readonly clock: Pick<Clock, "now">;
  /** The names of all namespaces. */
  readonly namespaces: () => readonly string[];
}

/** How long the API server's answers are used, in ms; a right that is withdrawn is gone after that. */
const FRESH_MS = 10_000;
/** How long they are used while it does not answer. */
const STALE_MS = 60_000;
/** How long a namespace stays hidden before it is asked for again: a tenant does not see most of them. */
const HIDDEN_MS = 60_000;
/** The number of accounts whose answers are kept, and of reviews at a time for all of them. */
const MAX_ACCOUNTS = 128;
const MAX_REVIEWS = 8;

interface Known {
  readonly at: number;
  readonly viewer: Viewer;
  /** Namespace → whether it is visible, and when the API server said so. */
  readonly namespaces: ReadonlyMap<string, { readonly allowed: boolean; readonly at: number }>;
}

/**
 * Who has a token, and what the API server lets them see: a TokenReview, and SubjectAccessReviews of `list` of pods in each namespace, nodes, and subnets and VPCs. The answers are cached for seconds,
 * tokens by their digests only.
 */
export class Accounts {
  readonly #parts: AccountsParts;
  /** Digest of a token → what is known; the last used one is last. */
  readonly #known = new Map<string, Known>();
  readonly #running = new Map<string, Promise<Known>>();
  /** What waits is bounded by the accounts that are asked for at a time and by their namespaces. */
  readonly #reviews = limiter(MAX_REVIEWS, Number.POSITIVE_INFINITY);

  constructor(parts: AccountsParts) {
    this.#parts = parts;
  }

  /** Whether the API server has accepted a token lately. */
  knows(token: string): boolean {
    return this.#known.has(tokenDigest(token));
  }

  /** The viewer with a token. Rejects with a `PageError`: `unauthenticated`, `unavailable`, or `busy`. */
  async viewerOf(token: string): Promise<Viewer> {
    if (token === "" || token.length > MAX_TOKEN_LENGTH) throw unauthenticated();
    const key = tokenDigest(token);
    const known = this.#known.get(key);
    const { clock } = this.#parts;
    if (known !== undefined && clock.now() - known.at < FRESH_MS) return known.viewer;
    let asked = this.#running.get(key);
    if (asked === undefined) {
      if (this.#running.size >= MAX_ACCOUNTS)
        throw new PageError("busy", "too many logins at a time", { retryAfter: 1 });
      asked = this.#ask(token, known).finally(() => this.#running.delete(key));
      this.#running.set(key, asked);
    }
    try {
      const found = await asked;
      setNewest(this.#known, key, found, MAX_ACCOUNTS);
      return found.viewer;
    } catch (error) {
      if (error instanceof PageError) {
        this.#known.delete(key);
        throw error;
      }
      if (known !== undefined && clock.now() - known.at < STALE_MS) return known.viewer;
      throw new PageError("unavailable", "the API server does not say whose token this is", { cause: error });
    }
  }

  async #ask(token: string, known: Known | undefined): Promise<Known> {
    const { kube, clock, namespaces } = this.#parts;
    const user = await this.#reviews.run(() => reviewToken(kube, token));
    if (user === undefined) throw unauthenticated();
    const at = clock.now();
    const may = (resource: string, group: string, namespace?: string): Promise<boolean> =>
      this.#reviews.run(() =>
        reviewAccess(kube, user, {
          resourceAttributes: { verb: "list", resource, group, ...(namespace !== undefined && { namespace }) },
        }),
      );
    const [allNamespaces, nodes, subnets, vpcs] = await Promise.all([
      may("pods", ""),
      may("nodes", ""),
      may("subnets", "kubeovn.io"),
      may("vpcs", "kubeovn.io"),
    ]);
    const sees = { allNamespaces, nodes, networks: subnets && vpcs };
    const found = new Map<string, { readonly allowed: boolean; readonly at: number }>();
    if (!allNamespaces) {
      await Promise.all(
        namespaces().map(async (namespace) => {
          const before = known?.namespaces.get(namespace);
          const hidden = before !== undefined && !before.allowed && at - before.at < HIDDEN_MS;
          found.set(namespace, hidden ? before : { allowed: await may("pods", "", namespace), at });
        }),
      );
    }
    const maySee = (namespace: string): boolean => allNamespaces || found.get(namespace)?.allowed === true;
    return { at, namespaces: found, viewer: { user: user.username ?? "", sees, maySee } };
  }
}

function unauthenticated(): PageError {
  return new PageError("unauthenticated", "the token is missing, or the API server does not accept it: log in again");
}
