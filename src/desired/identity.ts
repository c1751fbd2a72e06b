// SPDX-License-Identifier: Apache-2.0

import { createHash, hash } from "node:crypto";

/** The key in a row's `external_ids` that names the unit which owns it. A row without it is not ours to delete (but see `SweptRow.ours`). */
export const OWNER_KEY = "weft-owner";

/**
 * The namespace of all row ids of Weft (a random UUID, fixed for ever: changing it would re-create every row of every
 * cluster).
 */
const NAMESPACE = Buffer.from("6f1d4e0a0c5e4d0b9a54c1f0a9b7f2d3", "hex");

/**
 * The `_uuid` of a row: a UUID of version 5 (RFC 9562 §5.5) of the table and the owner id. Fragments have these; in the database there is
 * what {@link qualify} makes of them.
 *
 * OVSDB takes a client-chosen uuid on insert, so a reference is known before its row exists, compile stays pure, and
 * the diff is a lookup. The owner id must contain whatever makes the row another row when it changes: a pod's UID, for
 * instance, so that a pod recreated under an old name is a new port.
 */
export function rowUuid(table: string, ownerId: string): string {
  const name = `${table}\0${ownerId}`;
  const known = KNOWN.get(name);
  if (known !== undefined) return known;
  const made = uuidOf(name);
  if (KNOWN.size >= MAX_KNOWN) KNOWN.clear();
  KNOWN.set(name, made);
  return made;
}

/**
 * The `_uuid` that a row has in the database of the cluster with this id: no two clusters make the same, so that they can share one. The
 * empty id is that of clusters whose rows were there before ids were: their uuids are the plain ones of {@link rowUuid}.
 */
export function qualify(plainUuid: string, clusterId: string): string {
  // No table is called like a cluster.
  return clusterId === "" ? plainUuid : rowUuid(clusterId, plainUuid);
}

/** {@link rowUuid} as the database of one cluster has it. */
export type RowUuid = typeof rowUuid;

/** Name → its UUID. The rows that many pods refer to (switches, groups) are asked for again and again. */
const KNOWN = new Map<string, string>();
const MAX_KNOWN = 1024;

function uuidOf(name: string): string {
  const digest = hash("sha1", Buffer.concat([NAMESPACE, Buffer.from(name)]), "buffer");
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString("hex", 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A stable, locally administered unicast MAC address for a row that needs one (a router port), from its owner id. */
export function stableMac(ownerId: string): string {
  const digest = createHash("sha1").update(NAMESPACE).update(`mac\0${ownerId}`).digest();
  digest[0] = ((digest[0] ?? 0) & 0xfc) | 0x02;
  return [...digest.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
