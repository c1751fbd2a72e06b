// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import { MIGRATION_LABEL, type MigrationFact } from "../facts/workload.ts";

/** The pods of one holder that have its address and port. */
export interface Placement {
  /** The pod that has them; absent if none has. */
  readonly owner?: PodFact;
  /** The pod, on another node, that a virtual machine is being migrated to: until that succeeds or fails the port is on both nodes. */
  readonly target?: { readonly pod: PodFact; readonly node: string };
}

/**
 * Decides it for the running pods of one holder. A virtual machine has two pods during a live migration (KubeVirt); any other holder has at most one
 * pod. After a successful migration the target has the port, even while the other pod still exists. After a failed one the target has nothing,
 * whatever happens to the other pod. Without a migration, and after it, the pod in the record keeps it. Migrations may be deleted at any time.
 * @param recorded UID of the pod in the record.
 */
export function placementOf(reader: FactReader, pods: readonly PodFact[], recorded: string): Placement {
  // KubeVirt runs one at a time; of several the oldest counts, so that a new one does not take the port from a target.
  const moves = pods
    .flatMap((pod) => {
      const migration = migrationTo(reader, pod);
      return migration === undefined ? [] : { pod, migration };
    })
    .sort((a, b) => compare(a.migration, b.migration));
  const inPhase = (phase: MigrationFact["phase"]): readonly PodFact[] =>
    moves.flatMap(({ pod, migration }) => (migration.phase === phase ? pod : []));
  const [failed, running] = [inPhase("failed"), inPhase("running")];
  const last = inPhase("succeeded").at(-1);
  const others = pods.filter((pod) => !failed.includes(pod));
  const present = others.find(({ uid }) => uid === recorded);
  const owner =
    // The migration to a newer pod, which is in the record, may have been deleted already.
    (isNewer(present, last) ? present : last) ??
    present ??
    others.find((pod) => !running.includes(pod)) ??
    // The source pod has ended, and the migration is about to be reported as successful.
    others[0];
  if (owner === undefined) return {};
  // Two pods of one virtual machine on one node cannot both have its port, which is one interface of Open vSwitch.
  const pod = running.find(({ node }) => node !== undefined && owner.node !== undefined && node !== owner.node);
  return { owner, ...(pod?.node !== undefined && { target: { pod, node: pod.node } }) };
}

/** Whether a pod is the target of a failed migration: it has no port, whatever was decided before. */
export function isFailedTarget(reader: FactReader, pod: PodFact): boolean {
  return migrationTo(reader, pod)?.phase === "failed";
}

/** The migration that a pod was created for, if it is one of its own virtual machine. */
function migrationTo(reader: FactReader, { holder, key, labels }: PodFact): MigrationFact | undefined {
  const uid = labels[MIGRATION_LABEL];
  if (holder === key || uid === undefined) return undefined;
  return reader.by("migrations", "uid", uid).find(({ machine }) => machine === holder);
}

function isNewer(pod: PodFact | undefined, other: PodFact | undefined): boolean {
  return (pod?.created ?? "") > (other?.created ?? "");
}

function compare(a: MigrationFact, b: MigrationFact): number {
  const [one, other] = [`${a.created} ${a.key}`, `${b.created} ${b.key}`];
  return one < other ? -1 : one > other ? 1 : 0;
}
