// SPDX-License-Identifier: Apache-2.0

import { parseClusterStatus, type RaftServer } from "../../ovsdb/cluster-status.ts";

/** Why a member's answer cannot be used, or a command in its pod failed. */
export class CentralError extends Error {
  readonly code: "malformed-answer" | "command-failed" | "no-such-member" | "no-answer";

  constructor(code: CentralError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CentralError";
    this.code = code;
  }
}

/** One database of a member, from ovsdb-server(5) and `cluster/status` of ovsdb-server(1). */
export interface DatabaseState {
  /** `silent`: the server does not answer; `waiting`: it waits for the other members before it creates or joins a cluster. */
  readonly role: "leader" | "follower" | "disconnected" | "standalone" | "waiting" | "silent";
  /** The cluster's id; undefined unless the database is of a cluster. */
  readonly cid: string | undefined;
  /** This server's id, in full. */
  readonly sid: string | undefined;
  /** The index of its last log entry; undefined unless the database is of a cluster. */
  readonly index: number | undefined;
  /** The size of its file. */
  readonly bytes: number;
  /** The servers of its cluster according to this one, itself included. */
  readonly servers: readonly Pick<RaftServer, "id" | "address">[];
}

/** The output of `central-member status` in the pod of a member. */
export interface MemberState {
  readonly nb: DatabaseState;
  readonly sb: DatabaseState;
  /** `active`, `standby`, or empty if northd does not answer. */
  readonly northd: string;
}

/** Parses the output of `central-member status`. @throws CentralError `malformed-answer`. */
export function parseMember(text: string): MemberState {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new CentralError("malformed-answer", "central-member status has printed no JSON", { cause });
  }
  const { nb, sb, northd } = objectOf(answer);
  if (typeof northd !== "string") throw new CentralError("malformed-answer", "northd is not a string");
  return { nb: databaseOf(nb), sb: databaseOf(sb), northd };
}

function databaseOf(value: unknown): DatabaseState {
  const { row, cluster, bytes, waiting } = objectOf(value);
  if (typeof cluster !== "string" || typeof bytes !== "number")
    throw new CentralError("malformed-answer", "a database has no cluster status or no size");
  const state = { bytes, servers: parseClusterStatus(cluster)?.servers ?? [] };
  if (row === null) return { ...state, role: waiting === true ? "waiting" : "silent", ...NO_CLUSTER };
  const { model, connected, leader, cid, sid, index } = objectOf(row);
  if (model !== "clustered") return { ...state, role: waiting === true ? "waiting" : "standalone", ...NO_CLUSTER };
  const role = connected !== true ? "disconnected" : leader === true ? "leader" : "follower";
  return { ...state, role, cid: uuidOf(cid), sid: uuidOf(sid), index: typeof index === "number" ? index : undefined };
}

const NO_CLUSTER = { cid: undefined, sid: undefined, index: undefined } as const;

/** `["uuid", U]`, as RFC 7047 writes an optional uuid with a value. */
function uuidOf(value: unknown): string | undefined {
  return Array.isArray(value) && value[0] === "uuid" && typeof value[1] === "string" ? value[1] : undefined;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new CentralError("malformed-answer", "an answer of central-member is not an object");
}
