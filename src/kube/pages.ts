// SPDX-License-Identifier: Apache-2.0

import type { Kube, ListOptions, ObjectList } from "./kube.ts";
import type { KubeObject } from "./object.ts";
import type { ResourceType } from "./resources.ts";

/**
 * The pages of a list, each read on demand. `limit` is the size of a page. Rejects with `gone` if reading takes
 * longer than the API server keeps old versions (5 minutes).
 */
export async function* pagesOf<T extends KubeObject>(
  kube: Kube,
  type: ResourceType,
  options: Omit<ListOptions, "continue"> & { readonly limit: number },
): AsyncGenerator<ObjectList<T>, void, undefined> {
  const { resourceVersion, resourceVersionMatch, ...same } = options;
  // The first page determines the list's version: a version beside `continue` is refused.
  const first = {
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(resourceVersionMatch === undefined ? {} : { resourceVersionMatch }),
  };
  let page = await kube.list<T>(type, { ...same, ...first });
  yield page;
  while (page.continue !== undefined) {
    page = await kube.list<T>(type, { ...same, continue: page.continue });
    yield page;
  }
}

/** All objects of a type, for commands that read once; a page is read on demand. Use an informer to stay up to date. */
export async function* listEach<T extends KubeObject>(
  kube: Kube,
  type: ResourceType,
  options: Omit<ListOptions, "continue" | "limit"> & { readonly pageSize?: number } = {},
): AsyncGenerator<T, void, undefined> {
  const { pageSize: limit = 100, ...query } = options;
  for await (const page of pagesOf<T>(kube, type, { ...query, limit })) yield* page.items;
}
