// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { CLUSTER_ID } from "../../api/annotations.ts";
import { ownerUnit } from "../../compile/owner-ids.ts";
import { qualify, rowUuid } from "../../desired/identity.ts";
import { splitUnitId } from "../../desired/unit-kind.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { NAMESPACES } from "../../kube/resources.ts";
import type { SweptRow } from "../../reconcile/orphaned-rows.ts";
import { ownerOf } from "../../reconcile/owner.ts";
import { retryDelay } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";

/** The namespace that exists as long as its cluster and cannot be deleted (Kubernetes' NamespaceLifecycle admission). */
const KUBE_SYSTEM = "kube-system";

/** Tables whose rows show their cluster id: the name of the owning unit contains their owner id. */
const ANCHORS: ReadonlySet<string> = new Set(["Logical_Router", "Logical_Switch"]);

/** The numbers of our routers and switches with the uuids of a cluster without an id, and with those of this cluster. */
export interface Anchors {
  readonly plain: number;
  readonly own: number;
}

/** Counts the routers and switches by cluster id. Others (another cluster's, or of a restored database) are not counted. Pure. */
export function countAnchors(rows: Iterable<SweptRow>, uid: string): Anchors {
  let [plain, own] = [0, 0];
  for (const { table, uuid, columns } of rows) {
    const owner = ANCHORS.has(table) ? ownerOf(columns) : undefined;
    if (owner === undefined) continue;
    const { key } = splitUnitId(owner);
    if (ownerUnit(table, key) !== owner) continue;
    if (uuid === rowUuid(table, key)) plain++;
    else if (uuid === qualify(rowUuid(table, key), uid)) own++;
  }
  return { plain, own };
}

/**
 * The id for this cluster's rows: the uid of its namespace kube-system, unless most of the existing rows have none. The contents of the database
 * decide, so no state is needed and an upgrade recreates no row. If the database has no rows with our uuids (it is new, or was restored with
 * `ovsdb-client restore`, which changes uuids), all rows are new anyway.
 */
export function clusterIdOf({ plain, own }: Anchors, uid: string): string {
  return plain > own ? "" : uid;
}

/** The namespace kube-system; `undefined` if there is none, as in tests. Retries until the API server answers. Rejects when `signal` aborts. */
export async function readKubeSystem(
  { kube, clock, log }: { readonly kube: Kube; readonly clock: Clock; readonly log: Logger },
  signal?: AbortSignal,
): Promise<KubeObject | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      // By a list, which the controller is allowed anyway; not from its fact, because the projection may throw.
      const { items } = await kube.list<KubeObject>(NAMESPACES, {
        fieldSelector: `metadata.name=${KUBE_SYSTEM}`,
        ...(signal && { signal }),
      });
      return items.find(({ metadata }) => metadata.name === KUBE_SYSTEM);
    } catch (error) {
      signal?.throwIfAborted();
      log.warn({ err: error }, `failed to read namespace ${KUBE_SYSTEM}; retrying`);
    }
    await new Promise<void>((resolve) => void clock.after(retryDelay(attempt), resolve));
  }
}

/** Writes the cluster id to its annotation for tools, if it is missing. Rejects with a `KubeError`. */
export async function publishClusterId(kube: Kube, kubeSystem: KubeObject | undefined, id: string): Promise<void> {
  if (kubeSystem === undefined || (kubeSystem.metadata.annotations?.[CLUSTER_ID] ?? "") === id) return;
  const body = { metadata: { annotations: { [CLUSTER_ID]: id === "" ? null : id } } };
  await kube.patch(NAMESPACES, { name: KUBE_SYSTEM }, { type: "merge", body }, { metadataOnly: true });
}
