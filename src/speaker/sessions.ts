// SPDX-License-Identifier: Apache-2.0

import type { Neighbor } from "./bird-config.ts";
import type { BgpOptions } from "./options.ts";

/** The session with a neighbour. */
export interface BgpSession {
  readonly address: string;
  readonly up: boolean;
  /** BGP's state (RFC 4271 §8.2.2), as `Established`. */
  readonly state: string;
  /** BIRD's last error; "" for none. */
  readonly error: string;
}

/** The sessions in the lines of BIRD's `show protocols all`; a neighbour that BIRD does not have is left out. */
export function readBgpSessions(lines: readonly string[], neighbors: readonly Neighbor[]): readonly BgpSession[] {
  const found = new Map<string, { state: string; error: string }>();
  let current: { state: string; error: string } | undefined;
  for (const line of lines) {
    const protocol = /^(\S+)\s+(\S+)\s/.exec(line);
    if (protocol !== null) {
      const [, name = "", kind] = protocol;
      current = kind === "BGP" ? { state: "", error: "" } : undefined;
      if (current !== undefined) found.set(name, current);
      continue;
    }
    const [, field, value = ""] = /^\s+(BGP state|Last error):\s+(.*)$/.exec(line) ?? [];
    if (current === undefined || field === undefined) continue;
    if (field === "BGP state") current.state = value.trim();
    else current.error = value.trim();
  }
  return neighbors.flatMap(({ protocol, address }) => {
    const session = found.get(protocol);
    return session === undefined ? [] : [{ address, up: session.state === "Established", ...session }];
  });
}

/**
 * Why a session is not established, and what to look at, in one sentence. BIRD keeps the error that ended a session while it connects again, so an error is not
 * the whole reason as long as its connection gets no answer.
 */
export function sessionProblem(
  { address, state, error }: BgpSession,
  { clusterAs, neighborAs, password, passive }: BgpOptions,
): string {
  const neighbor = `BGP neighbor ${address}`;
  const keeps = "its routes are not announced to it";
  if (/bad peer as/i.test(error))
    return `${neighbor} has another AS number than ${neighborAs} (neighborAs), or expects another one than ${clusterAs} (clusterAs): ${error}; ${keeps}`;
  const ended = howItEnded(error);
  const waits = state === (passive ? "Active" : "Connect");
  if (ended !== undefined && !waits) return `${neighbor} ${ended}: ${error}; ${keeps} until it answers`;
  const password_ = `${password === undefined ? "it may want a password (authPasswordSecret)" : "it may have another password or none (authPasswordSecret)"}`;
  const who = passive ? "has not connected to port 179" : "does not answer on TCP port 179";
  const first = ended === undefined ? "" : `${ended}, and since then `;
  const detail = error === "" ? "" : ` (${error})`;
  return `${neighbor} ${first}${who}${detail}: it may be unreachable, not have this node as its neighbor, or ${password_}; ${keeps}`;
}

/** What an error says of a connection that was open; undefined if there was none. */
function howItEnded(error: string): string | undefined {
  if (error === "" || /^socket/i.test(error)) return;
  if (/hold timer/i.test(error)) return "has not answered for the hold time";
  return /bfd/i.test(error) ? "is lost by BFD" : "ended the session";
}
