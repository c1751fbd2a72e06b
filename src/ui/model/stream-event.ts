// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../collections/plain.ts";
import type { ChangedKind, StreamEvent } from "../../page/contract.ts";

/** What the page does about an event. */
export type StreamStep =
  | { readonly do: "refresh"; readonly kinds: readonly ChangedKind[] | "all" }
  /** Connect again after a while. */
  | { readonly do: "reconnect" }
  | { readonly do: "log-in" }
  /** An event that this version does not know. */
  | { readonly do: "nothing" };

/** What an event of the stream asks for. `data`: its JSON. */
export function stepOf(data: string): StreamStep {
  const event = read(data);
  if (event === undefined) return { do: "nothing" };
  if (event.type === "change") return { do: "refresh", kinds: event.kinds };
  if (event.type === "reset") return { do: "refresh", kinds: "all" };
  return { do: event.reason === "expired" ? "log-in" : "reconnect" };
}

function read(data: string): StreamEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { type, kinds } = value;
  const known = (type === "change" && Array.isArray(kinds)) || type === "reset" || type === "end";
  return known ? (value as unknown as StreamEvent) : undefined;
}
