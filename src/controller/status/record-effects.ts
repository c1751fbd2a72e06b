// SPDX-License-Identifier: Apache-2.0

import { SUBNET } from "../../api/annotations.ts";
import { annotate, releaseIp, type WeftEffect } from "../../compile/effects.ts";
import { recordAnnotations } from "../../facts/accepted.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { AcceptedRecord } from "./accepted-records.ts";

/**
 * Effects that no unit has, under a key of their own: a unit may want other effects for the same object at the same time. To be offered
 * together; an empty list withdraws those that were offered under the key before.
 */
export interface KeyedEffects {
  readonly key: string;
  readonly effects: readonly WeftEffect[];
}

/** Restores the accepted configuration that another client has removed from an object; nothing if it is there. */
export function restoreAccepted({ resource, name, uid, text, lost }: AcceptedRecord): KeyedEffects {
  const effects = lost ? annotate(resource, { name, uid, annotations: {} }, recordAnnotations(text)) : [];
  return keyed(`record:${resource}/${name}`, effects);
}

/** Writes the stale UDP flows that nodes must delete to the Subnet object that all nodes read. */
export function recordStaleFlows(
  { name, uid }: { readonly name: string; readonly uid: string },
  text: string,
): KeyedEffects {
  return keyed("stale-udp-flows", annotate("subnets", { name, uid, annotations: {} }, { [SUBNET.staleFlows]: text }));
}

/** Deletes an IP object that conflicts with another one. */
export function discardRecord(ip: IpFact): KeyedEffects {
  return keyed(discardKey(ip.name), [releaseIp(ip)]);
}

/** Withdraws {@link discardRecord}. */
export function keepRecord(name: string): KeyedEffects {
  return keyed(discardKey(name), []);
}

function discardKey(name: string): string {
  return `discard:${name}`;
}

function keyed(key: string, effects: readonly WeftEffect[]): KeyedEffects {
  return { key, effects: effects.map((effect) => ({ ...effect, key })) };
}
