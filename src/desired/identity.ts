// SPDX-License-Identifier: Apache-2.0

import { createHash, hash } from "node:crypto";

/** The key in a row's `external_ids` that names the unit which owns it. A row without it is not ours to delete (but see `SweptRow.ours`). */
export const OWNER_KEY = "weft-owner";

/**
 * The namespace of all row ids of Weft (a random UUID, must never change: every row of every cluster would be recreated).
 */
const NAMESPACE = Buffer.from("6f1d4e0a0c5e4d0b9a54c1f0a9b7f2d3", "hex");

/**
 * The `_uuid` of a row: a UUID of version 5 (RFC 9562 §5.5) of the table and the owner id. Fragments contain these; {@link qualify} turns them into
 * those of the database.
 *
 * OVSDB takes a client-chosen uuid on insert, so a reference is known before its row exists, compile stays pure, and
 * the diff is a lookup. The owner id must contain everything that identifies the row: a pod's UID, for instance, so that a pod recreated with the
 * same name has a new port.
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
 * The `_uuid` that a row has in the database of the cluster with this id: the uuids of two clusters differ, so that they can share a database. The
 * empty id is for clusters whose rows were created without an id: their uuids are those of {@link rowUuid}.
 */
export function qualify(plainUuid: string, clusterId: string): string {
  // No table has the name of a cluster id.
  return clusterId === "" ? plainUuid : rowUuid(clusterId, plainUuid);
}

/** {@link rowUuid} in the database of one cluster. */
export type RowUuid = typeof rowUuid;

/** Name → its UUID. A cache: many pods refer to the same switches and groups. */
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
