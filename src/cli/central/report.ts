// SPDX-License-Identifier: Apache-2.0

import type { RaftServer } from "../../ovsdb/cluster-status.ts";
import { formatTable } from "../table.ts";
import type { DatabaseState, MemberState } from "./member.ts";

/** A replica of ovn-central; if it could not be queried, `state` is undefined and `failure` has the reason. */
export interface Member {
  readonly node: string;
  readonly pod: string;
  readonly ready: boolean;
  readonly state: MemberState | undefined;
  readonly failure: string | undefined;
  /** The addresses by which the others may know it. */
  readonly addresses: readonly string[];
}

const DATABASES = { nb: "OVN_Northbound", sb: "OVN_Southbound" } as const;
type Database = keyof typeof DATABASES;

/** The problems of the members, one text each with what to do; empty if there are none. Pure. */
export function problemsOf(members: readonly Member[]): readonly string[] {
  if (members.length === 0) return ["there is no pod of ovn-central"];
  const unasked = members.flatMap(({ node, state, failure }) =>
    state === undefined ? [`the member on ${node} could not be queried: ${failure ?? "it does not run"}`] : [],
  );
  const perDatabase = (["nb", "sb"] as const).flatMap((database) => databaseProblems(database, members));
  const active = members.filter(({ state }) => state?.northd === "active").length;
  return [...unasked, ...perDatabase, ...(active === 0 ? ["no northd is active: changes do not reach the nodes"] : [])];
}

function databaseProblems(database: Database, members: readonly Member[]): readonly string[] {
  const name = DATABASES[database];
  const states = members.flatMap((member) =>
    member.state === undefined ? [] : [{ ...member, db: member.state[database] }],
  );
  const problems: string[] = [];
  for (const { node, db } of states) {
    if (db.role === "silent") problems.push(`${name} on ${node} does not answer`);
    if (db.role === "waiting") problems.push(`${name} on ${node} waits for other members (see the pod's log)`);
  }
  const clustered = states.filter(({ db }) => db.cid !== undefined);
  const main = mainCluster(clustered.map(({ db }) => db));
  for (const { node, db } of clustered) {
    if (db.cid !== main)
      problems.push(`${name} on ${node} is of cluster ${db.cid}, not ${main}: weftctl central rejoin ${node}`);
  }
  const own = clustered.filter(({ db }) => db.cid === main);
  if (own.length > 0 && !own.some(({ db }) => db.role === "leader")) {
    const newest = own.reduce((a, b) => ((b.db.index ?? 0) > (a.db.index ?? 0) ? b : a));
    problems.push(
      `${name} has no leader: ${own.filter(({ db }) => db.role === "follower").length} of ${members.length} members are connected. ` +
        `If the others are lost permanently, continue with ${newest.node}, which has the latest entry (docs/central.md)`,
    );
  } else {
    for (const { node, db } of own)
      if (db.role === "disconnected")
        problems.push(`${name} on ${node} is not connected to its cluster: weftctl central rejoin ${node}`);
  }
  const known = members.flatMap(({ addresses }) => addresses);
  const strangers = new Set(
    own.flatMap(({ db }) => db.servers.filter(({ address }) => !known.includes(hostOf(address)))).map(textOf),
  );
  // A member whose pod does not run now has no address here.
  if (own.length === members.length)
    for (const server of strangers) problems.push(`${name} counts server ${server}, which is no longer a member`);
  return problems;
}

/** The cluster with the most members; of two with the same number, the one that has a leader. */
function mainCluster(states: readonly DatabaseState[]): string | undefined {
  const weight = (cid: string | undefined): number =>
    states.filter((state) => state.cid === cid).length * 2 +
    (states.some((state) => state.cid === cid && state.role === "leader") ? 1 : 0);
  return states.map(({ cid }) => cid).sort((a, b) => weight(b) - weight(a))[0];
}

const textOf = ({ id, address }: Pick<RaftServer, "id" | "address">): string => `${id} (${address})`;

/** `10.0.0.1` of `tcp:[10.0.0.1]:6643`. */
function hostOf(address: string): string {
  return /^\w+:\[?([^\]]*?)\]?:\d+$/.exec(address)?.[1] ?? address;
}

/** The members as a table, and the problems. */
export function formatMembers(members: readonly Member[], problems: readonly string[]): string {
  const cell = (db: DatabaseState | undefined): readonly string[] =>
    db === undefined ? ["-", "-", "-"] : [db.role, db.index === undefined ? "-" : `${db.index}`, sizeOf(db.bytes)];
  const table = formatTable(
    ["NODE", "READY", "NB", "ENTRY", "SIZE", "SB", "ENTRY", "SIZE", "NORTHD"],
    members.map(({ node, ready, state }) => [
      ...[node, ready ? "yes" : "NO", ...cell(state?.nb), ...cell(state?.sb)],
      state === undefined || state.northd === "" ? "-" : state.northd,
    ]),
  );
  return [table, ...problems.map((problem) => `Problem: ${problem}.\n`)].join("");
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
