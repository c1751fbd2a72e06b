// SPDX-License-Identifier: Apache-2.0

import { EXTERNAL_ID, type PodPort } from "../ovs/ports.ts";
import type { HostEnd } from "./pod-links.ts";
import type { PodMark } from "./pod-mark.ts";

/** What a port has in `external_ids`. */
export type PortIds = Readonly<Record<string, string>>;

/** What the collection decides from. */
export interface CollectInput {
  /** Every pod port of ours on the integration bridge; `ovn0` and patch ports are not among them. */
  readonly ports: readonly PodPort[];
  /** The node's veth interfaces. */
  readonly ends: readonly HostEnd[];
  /** uids of the pod of that name on this node; undefined: there is no such pod, or nothing is known. */
  uidsOf(namespace: string, name: string): readonly string[] | undefined;
  /** The `external_ids` of the port of an interface that says whose it is; undefined where the pod is not there, "unclear" where that or its annotations cannot be read. */
  idsOf(mark: PodMark): PortIds | "unclear" | undefined;
  /** The node's pods are known; while they are not, nothing is judged by its pod. */
  readonly podsKnown: boolean;
  /** Names of host ends that a request is at work on. */
  readonly busy: ReadonlySet<string>;
}

/** An orphaned port and why it is one. */
export interface StalePort {
  readonly port: PodPort;
  readonly why: "no interface" | "no pod" | "another pod";
}

/** An orphaned link and why it is one. */
export interface StaleLink {
  readonly name: string;
  readonly why: "its port is" | "unfinished" | "no pod" | "another interface";
  /** Whose it is, where it says so. */
  readonly mark: PodMark | undefined;
}

/** What is to be done. */
export interface Orphans {
  readonly ports: readonly StalePort[];
  /** Host ends of our veth pairs that are not needed any more. */
  readonly links: readonly StaleLink[];
  /** Interfaces of pods that have lost their port, and what is to be in its `external_ids`. */
  readonly portless: readonly { readonly name: string; readonly ids: PortIds }[];
}

/**
 * What a daemon that was killed half-way, or a node that was rebooted, has left. Pure.
 *
 * A port is stale when its interface is gone (the pod's namespace was removed, and the pair with it), or when its pod is: the
 * runtime has sent the DEL to nobody. An interface that says that it is ours and has no port is stale when its pod is gone, or has another interface in
 * its place; otherwise its port was lost while no daemon was there. An interface without a mark of ours is removed
 * only together with an orphaned port of ours, and never if it is marked as another program's, whatever its name.
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

/** Why a port that has its interface is orphaned, by what is known of the pod that it was made for. Pure. */
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

/** An interface of ours without a port: what its port has to be, or why it is stale; undefined where nothing can be said. */
function judgeEnd(
  mark: PodMark | undefined,
  input: CollectInput,
  gone: ReadonlySet<string>,
): PortIds | StaleLink["why"] | undefined {
  // One without a mark had no room for it, or its port did not say enough: its pod may run.
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
