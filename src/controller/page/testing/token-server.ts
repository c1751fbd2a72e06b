// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../../kube/errors.ts";
import type { Kube } from "../../../kube/kube.ts";
import { SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from "../../../kube/resources.ts";
import type { SubjectAccessReview, TokenReview } from "../../../kube/types.ts";

/** Token → what its account may list: `pods` in all namespaces, `pods/NAMESPACE`, `nodes`, … */
export type TokenRights = Record<string, readonly string[]>;

/** What an account that sees everything may list. */
export const SEES_ALL: readonly string[] = ["pods", "nodes", "subnets", "vpcs"];

/** An API server that knows tokens, each the name of its account, and counts what it is asked; it has no objects, and answers nothing while it is `down`. */
export function tokenServer(rights: TokenRights): Kube & { asked: number; down: boolean } {
  const server = {
    asked: 0,
    down: false,
    async create(type: unknown, object: unknown): Promise<unknown> {
      if (server.down) throw new KubeError("unavailable", "no connection");
      server.asked++;
      if (type === TOKEN_REVIEWS) {
        const { token } = (object as TokenReview).spec;
        return {
          status: token in rights ? { authenticated: true, user: { username: token } } : { authenticated: false },
        };
      }
      if (type === SUBJECT_ACCESS_REVIEWS) {
        const { user = "", resourceAttributes: { resource, namespace } = { resource: "", namespace: "" } } = (
          object as SubjectAccessReview
        ).spec;
        const of = namespace === undefined ? resource : `${resource}/${namespace}`;
        return { status: { allowed: rights[user]?.includes(of) === true } };
      }
      return object;
    },
    async get(): Promise<never> {
      throw new KubeError("not-found", "none");
    },
    async list(): Promise<object> {
      return { items: [] };
    },
  };
  return server as unknown as Kube & typeof server;
}
