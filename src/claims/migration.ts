// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import { MIGRATION_LABEL, type MigrationFact } from "../facts/workload.ts";

/** Which of the pods of one holder have its address and its port. */
export interface Placement {
  /** The pod that they are for; absent where none is to have them. */
  readonly owner?: PodFact;
  /** The pod, on another node, that a virtual machine is being moved to: until that has succeeded or failed the port is on both nodes. */
  readonly target?: { readonly pod: PodFact; readonly node: string };
}

/**
 * Decides it for living pods of one holder. A virtual machine has two pods while it is moved (KubeVirt's live migration); of any other holder there is one pod at most.
 * When the migration has succeeded the port is the target's, also while the other pod lives on. When it has failed, the target has nothing,
 * whatever becomes of the other pod. Without a migration, and after it, the pod that the record names keeps it. Migrations may be deleted at any time.
 * @param recorded UID of the pod to which the record says that the address was given.
 */
export function placementOf(reader: FactReader, pods: readonly PodFact[], recorded: string): Placement {
  // KubeVirt has one at a time; of several that run the oldest counts, so that a newcomer takes no port from a target.
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
    // The migration to a newer pod, which the record names, may have been deleted already.
    (isNewer(present, last) ? present : last) ??
    present ??
    others.find((pod) => !running.includes(pod)) ??
    // Its source has ended, and the migration is about to be told to have succeeded.
    others[0];
  if (owner === undefined) return {};
  // Two pods of one virtual machine on one node cannot both have its port: there it is one interface of Open vSwitch.
  const pod = running.find(({ node }) => node !== undefined && owner.node !== undefined && node !== owner.node);
  return { owner, ...(pod?.node !== undefined && { target: { pod, node: pod.node } }) };
}

/** Whether a pod is the target of a migration that has failed: it is to have nothing, whatever it was told before. */
export function isFailedTarget(reader: FactReader, pod: PodFact): boolean {
  return migrationTo(reader, pod)?.phase === "failed";
}

/** The migration that a pod was made for, if that is one of its own virtual machine. */
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
