// SPDX-License-Identifier: Apache-2.0

import { EXTERNAL_ID, type PodPort } from "../ovs/ports.ts";
import type { HostEnd } from "./pod-links.ts";
import type { PodMark } from "./pod-mark.ts";

/** The `external_ids` of a port. */
export type PortIds = Readonly<Record<string, string>>;

/** Inputs of the collection. */
export interface CollectInput {
  /** All of Weft's pod ports on the integration bridge, without `ovn0` and patch ports. */
  readonly ports: readonly PodPort[];
  /** The node's veth interfaces. */
  readonly ends: readonly HostEnd[];
  /** uids of the pod of that name on this node; undefined if there is none. Valid only if `podsKnown`. */
  uidsOf(namespace: string, name: string): readonly string[] | undefined;
  /**
   * The `external_ids` for the port of a marked interface; undefined if the pod does not exist, "unclear" if it or
   * its annotations cannot be read.
   */
  idsOf(mark: PodMark): PortIds | "unclear" | undefined;
  /** The list of the node's pods is complete; otherwise no port is orphaned because of its pod. */
  readonly podsKnown: boolean;
  /** Names of host ends that a running request works on. */
  readonly busy: ReadonlySet<string>;
}

/** An orphaned port and the reason. */
export interface StalePort {
  readonly port: PodPort;
  readonly why: "no interface" | "no pod" | "another pod";
}

/** An orphaned link and the reason. */
export interface StaleLink {
  readonly name: string;
  readonly why: "its port is" | "unfinished" | "no pod" | "another interface";
  /** The pod that its alias names, if any. */
  readonly mark: PodMark | undefined;
}

/** The result of the collection. */
export interface Orphans {
  readonly ports: readonly StalePort[];
  /** Host ends of Weft's veth pairs that are no longer needed. */
  readonly links: readonly StaleLink[];
  /** Interfaces of pods that have lost their port, and the port's `external_ids`. */
  readonly portless: readonly { readonly name: string; readonly ids: PortIds }[];
}

/**
 * Finds objects that remain after a daemon was killed or a node was rebooted. Pure.
 *
 * A port is orphaned if its interface does not exist (the pod's namespace was removed with the pair), or if its pod
 * does not exist and the runtime has sent no DEL. A marked interface without a port is orphaned if its pod does not
 * exist or has another interface instead; otherwise its port was lost while no daemon ran. An interface without
 * Weft's mark is removed only together with an orphaned port of Weft, and never if it is marked as another program's,
 * whatever its name.
 */
export function findOrphans(input: CollectInput): Orphans {
  const there = new Set(input.ends.map(({ name }) => name));
  const ports: StalePort[] = [];
  for (const port of input.ports) {
    if (input.busy.has(port.name)) continue;
    const why = there.has(port.name) ? judgeByPod(port, input) : "no interface";
    if (why !== undefined) ports.push({ port, why });
  }
  const gone = new Set(ports.map(({ port }) => port.name));
  const names = new Set(input.ports.map(({ name }) => name));
  const links: StaleLink[] = [];
  const portless: { name: string; ids: PortIds }[] = [];
  for (const end of input.ends) {
    if (input.busy.has(end.name)) continue;
    const { name, mark } = end;
    if (gone.has(name) && !end.isForeign) links.push({ name, mark, why: "its port is" });
    if (names.has(name) || !end.isOurs) continue;
    const found = end.isUnfinished ? "unfinished" : judgeEnd(mark, input, gone);
    if (typeof found === "string") links.push({ name, mark, why: found });
    else if (found !== undefined) portless.push({ name, ids: found });
  }
  return { ports, links, portless };
}

/** Why a port with an interface is orphaned, according to the pod for which it was created. Pure. */
export function judgeByPod(
  port: PodPort,
  input: Pick<CollectInput, "podsKnown" | "uidsOf">,
): StalePort["why"] | undefined {
  if (!input.podsKnown) return undefined;
  const ids = port.externalIds;
  const [namespace, name] = [ids[EXTERNAL_ID.podNamespace], ids[EXTERNAL_ID.podName]];
  if (namespace === undefined || name === undefined) return undefined;
  const uids = input.uidsOf(namespace, name);
  if (uids === undefined) return "no pod";
  const uid = ids[EXTERNAL_ID.podUid];
  return uid === undefined || uid === "" || uids.includes(uid) ? undefined : "another pod";
}

/**
 * Decides about a marked interface without a port: the `external_ids` of its port, or why it is orphaned; undefined
 * if neither can be decided.
 */
function judgeEnd(
  mark: PodMark | undefined,
  input: CollectInput,
  gone: ReadonlySet<string>,
): PortIds | StaleLink["why"] | undefined {
  // An interface has no mark if there was no room for it, or if its port's ids were not sufficient: its pod may be
  // running.
  if (mark === undefined || !input.podsKnown) return undefined;
  const ids = input.idsOf(mark);
  if (ids === undefined) return "no pod";
  if (ids === "unclear") return undefined;
  const logicalPort = ids[EXTERNAL_ID.ifaceId];
  const isTaken = input.ports.some(
    (port) => port.externalIds[EXTERNAL_ID.ifaceId] === logicalPort && !gone.has(port.name),
  );
  return isTaken ? "another interface" : ids;
}
