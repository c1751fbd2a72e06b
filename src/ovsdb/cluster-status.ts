// SPDX-License-Identifier: Apache-2.0

/** A member of a raft cluster, as one of its members reports it. */
export interface RaftServer {
  readonly id: string;
  readonly address: string;
  readonly self: boolean;
  readonly nextIndex: number | undefined;
  readonly matchIndex: number | undefined;
}

/** The output of ovsdb-server's `cluster/status` (ovsdb/raft.c, `raft_unixctl_status`). */
export interface ClusterStatus {
  readonly clusterId: string;
  readonly serverId: string;
  /** "cluster member", or another state of the server. */
  readonly status: string;
  readonly role: string;
  /** "self", an id, or "unknown". */
  readonly leader: string;
  readonly vote: string;
  readonly term: number;
  /** In ms. */
  readonly electionTimer: number;
  /** First index of the log, and that of the next entry. */
  readonly log: readonly [first: number, next: number];
  readonly notCommitted: number;
  readonly notApplied: number;
  /** Connections with peers by id; those in parentheses are not established. */
  readonly connections: readonly { readonly peer: string; readonly incoming: boolean; readonly up: boolean }[];
  readonly servers: readonly RaftServer[];
}

/** Parses the output of `cluster/status`; undefined for other text. */
export function parseClusterStatus(text: string): ClusterStatus | undefined {
  const fields = new Map<string, string>();
  for (const [, key = "", value = ""] of text.matchAll(/^([A-Z][\w ]*): ?(.*)$/gm)) fields.set(key, value.trim());
  const field = (key: string): string => fields.get(key) ?? "";
  if (!fields.has("Role")) return undefined;
  const [, first = "0", next = "0"] = /\[(\d+), (\d+)\]/.exec(field("Log")) ?? [];
  return {
    clusterId: longId(field("Cluster ID")),
    serverId: longId(field("Server ID")),
    status: field("Status"),
    role: field("Role"),
    leader: field("Leader"),
    vote: field("Vote"),
    term: Number(field("Term")),
    electionTimer: Number(field("Election timer")),
    log: [Number(first), Number(next)],
    notCommitted: Number(field("Entries not yet committed")),
    notApplied: Number(field("Entries not yet applied")),
    connections: [...field("Connections").matchAll(/(\(?)(->|<-)(\w+)/g)].map(([, down, arrow, peer = ""]) => ({
      peer,
      incoming: arrow === "<-",
      up: down === "",
    })),
    servers: [...text.matchAll(/^ {4}(\w+) \(\w+ at ([^)]+)\)(.*)$/gm)].map(([, id = "", address = "", rest = ""]) => ({
      id,
      address,
      self: rest.includes("(self)"),
      nextIndex: indexIn(rest, "next_index"),
      matchIndex: indexIn(rest, "match_index"),
    })),
  };
}

/** `e0ee (e0ee1234-…)` → the full id. */
function longId(text: string): string {
  return /\(([^)]+)\)/.exec(text)?.[1] ?? text;
}

function indexIn(text: string, name: string): number | undefined {
  const value = new RegExp(`\\b${name}=(\\d+)`).exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}
