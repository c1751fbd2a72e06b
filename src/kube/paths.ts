// SPDX-License-Identifier: Apache-2.0

import type { ListOptions, WatchOptions, WriteOptions } from "./kube.ts";
import type { ObjectRef } from "./object.ts";
import type { ResourceType } from "./resources.ts";

/** The path of a collection, for example `/apis/kubeovn.io/v1/subnets` or `/api/v1/namespaces/default/pods`. */
export function collectionPath(type: ResourceType, namespace: string | undefined): string {
  const root =
    type.group === ""
      ? `/api/${type.version}`
      : `/apis/${encodeURIComponent(type.group)}/${encodeURIComponent(type.version)}`;
  const scope =
    type.namespaced && namespace !== undefined && namespace !== ""
      ? `/namespaces/${encodeURIComponent(namespace)}`
      : "";
  return `${root}${scope}/${encodeURIComponent(type.plural)}`;
}

/** The path of one object or of a subresource of it. */
export function objectPath(type: ResourceType, ref: ObjectRef, subresource?: string): string {
  const path = `${collectionPath(type, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** The query of a list. */
export function listQuery(options: ListOptions): string {
  return query({
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    limit: options.limit?.toString(),
    continue: options.continue,
    resourceVersion: options.resourceVersion,
    resourceVersionMatch: options.resourceVersionMatch,
  });
}

/** The query of a watch. Bookmarks are always requested: they update the version from which a watch can continue. */
export function watchQuery(options: WatchOptions): string {
  return query({
    watch: "true",
    allowWatchBookmarks: "true",
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    resourceVersion: options.resourceVersion,
    timeoutSeconds: options.timeoutSeconds.toString(),
  });
}

/** The query of a verb that writes. `force` is for server-side apply. */
export function writeQuery(options: WriteOptions, force?: boolean): string {
  return query({
    dryRun: options.dryRun ? "All" : undefined,
    fieldManager: options.fieldManager,
    force: force === undefined ? undefined : String(force),
  });
}

function query(values: Readonly<Record<string, string | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (value !== undefined && value !== "") parameters.set(key, value);
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
