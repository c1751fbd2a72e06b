// SPDX-License-Identifier: Apache-2.0

import { type InformerCache, isLater } from "./informer-cache.ts";
import type { InformerProgress } from "./informer-progress.ts";
import type { Kube, ListOptions, ListSelection } from "./kube.ts";
import { type KubeObject, keyOf } from "./object.ts";
import { pagesOf } from "./pages.ts";
import type { ResourceType } from "./resources.ts";

/** Dependencies of {@link listInto}. */
export interface ListParts<T extends KubeObject, P> {
  readonly kube: Kube;
  readonly type: ResourceType;
  readonly selection: ListSelection;
  readonly cache: InformerCache<T, P>;
  readonly progress: InformerProgress;
}

/**
 * Lists all objects into an informer's cache, page by page, and removes deleted objects: only the last page shows
 * which are deleted. `onPage` is called with each page. Returns the version of the list, from which a watch can
 * continue.
 *
 * The API server's own clients use pages of 500. The text of a page and the objects parsed from it are garbage at
 * once, but V8 grows its heap by them: 10,000 pods cost 54 MiB of resident memory in pages of 100, 99 MiB in pages of
 * 500.
 */
export async function listInto<T extends KubeObject, P>(
  { kube, type, selection, cache, progress }: ListParts<T, P>,
  query: Pick<ListOptions, "resourceVersion" | "resourceVersionMatch"> & {
    readonly limit: number;
    readonly signal: AbortSignal;
  },
  onPage: () => void,
): Promise<string | undefined> {
  const seen = new Set<string>();
  let version: string | undefined;
  let asOf: string | undefined;
  for await (const page of pagesOf<T>(kube, type, { ...selection, ...query })) {
    // A call that was running when the informer was stopped may still succeed.
    query.signal.throwIfAborted();
    onPage();
    version ??= page.resourceVersion;
    // Objects newer than the list were observed. But a server that was restored from a backup may have older
    // versions.
    asOf = progress.version !== undefined && isLater(progress.version, version) ? undefined : version;
    for (const object of page.items) {
      seen.add(keyOf(object.metadata));
      cache.upsert(object, asOf);
    }
  }
  cache.retain(seen, asOf);
  if (version !== undefined) progress.reach(version);
  return version;
}
