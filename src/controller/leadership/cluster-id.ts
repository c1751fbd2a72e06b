// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { CLUSTER_ID } from "../../api/annotations.ts";
import { ownerUnit } from "../../compile/owner-ids.ts";
import { qualify, rowUuid } from "../../desired/identity.ts";
import { splitUnitId } from "../../desired/unit-kind.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { NAMESPACES } from "../../kube/resources.ts";
import { ownerOf } from "../../reconcile/owner.ts";
import type { SweptRow } from "../../reconcile/sweep.ts";
import { retryDelay } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";

/** What every cluster has for as long as it exists, and nobody can delete (Kubernetes' NamespaceLifecycle admission). */
const KUBE_SYSTEM = "kube-system";

/** Tables whose rows show with which id they were made: their owner id is in the name of the unit that owns them. */
const ANCHORS: ReadonlySet<string> = new Set(["Logical_Router", "Logical_Switch"]);

/** How many routers and switches of ours have the uuids of a cluster without an id, and how many those of this one. */
export interface Anchors {
  readonly plain: number;
  readonly own: number;
}

/** Counts the routers and switches by whose uuids they have. Those that are neither (another cluster's, or of a database that was restored) do not count. Pure. */
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
 * The id with which this cluster's rows are made: the uid of its namespace kube-system, unless most of the rows are there already without one. So what is
 * in a database decides, whoever made it, and nothing has to be remembered: an upgrade recreates no row. Where the database has no rows of ours whose
 * uuids we would give (it is new, or was restored with `ovsdb-client restore`, which gives rows other uuids) all rows are new anyway.
 */
export function clusterIdOf({ plain, own }: Anchors, uid: string): string {
  return plain > own ? "" : uid;
}

/** The namespace kube-system; undefined where there is none, as in tests. Tries until the API server answers. Rejects when `signal` aborts. */
export async function readKubeSystem(
  { kube, clock, log }: { readonly kube: Kube; readonly clock: Clock; readonly log: Logger },
  signal?: AbortSignal,
): Promise<KubeObject | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      // By a list, which the controller may do anyway; and not from its fact, for the projection may throw.
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

/** Tells tools with which id rows are made, if that is not known yet. Rejects with a `KubeError`. */
export async function publishClusterId(kube: Kube, kubeSystem: KubeObject | undefined, id: string): Promise<void> {
  if (kubeSystem === undefined || (kubeSystem.metadata.annotations?.[CLUSTER_ID] ?? "") === id) return;
  const body = { metadata: { annotations: { [CLUSTER_ID]: id === "" ? null : id } } };
  await kube.patch(NAMESPACES, { name: KUBE_SYSTEM }, { type: "merge", body }, { metadataOnly: true });
}
