// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { type Family, type Ip, parseIp } from "../net/address.ts";

/** Another prober. */
export interface ProbePeer {
  readonly node: string;
  readonly hostIp: string;
  readonly podIps: readonly string[];
}

/** A node of the cluster, with its InternalIPs. */
export interface PeerNode {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** An address that is probed. */
export interface MeshTarget {
  readonly node: string;
  readonly nodeIp: string;
  readonly address: ProbedAddress;
}

/** Plain, so that it can be shown as JSON. */
export type ProbedAddress = Pick<Ip, "family" | "text">;

/** The families of a prober's own addresses: it cannot probe others. */
export function familiesOf(podIps: readonly string[]): ReadonlySet<Family> {
  return new Set(podIps.flatMap((ip) => parseIp(ip)?.family ?? []));
}

/**
 * The `most` entries that follow `own` in a ring in which all are ordered by a hash of their node, `own` itself excluded: each entry is chosen by as many others
 * as it chooses, on any part of the cluster, and the choice stays nearly the same when a node comes or goes.
 */
export function afterInRing<T>(own: string, all: readonly T[], nodeOf: (one: T) => string, most: number): readonly T[] {
  const ring = all
    .filter((one) => nodeOf(one) !== own)
    .map((one) => ({ one, key: place(nodeOf(one)) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const at = place(own);
  const first = ring.findIndex(({ key }) => key > at);
  const start = Math.max(first, 0);
  return [...ring.slice(start), ...ring.slice(0, start)].slice(0, most).map(({ one }) => one);
}

/** The addresses of the chosen probers that are of these families. */
export function podTargets(
  own: string,
  peers: readonly ProbePeer[],
  families: ReadonlySet<Family>,
  most: number,
): readonly MeshTarget[] {
  return afterInRing(own, peers, ({ node }) => node, most).flatMap(({ node, hostIp, podIps }) =>
    ipsOf(podIps, families).map((address) => ({ node, nodeIp: hostIp, address })),
  );
}

/** The addresses of the own node and of the chosen ones that are of these families. */
export function nodeTargets(
  own: string,
  nodes: readonly PeerNode[],
  families: ReadonlySet<Family>,
  most: number,
): readonly MeshTarget[] {
  const chosen = [...nodes.filter(({ name }) => name === own), ...afterInRing(own, nodes, ({ name }) => name, most)];
  return chosen.flatMap(({ name, addresses }) =>
    ipsOf(addresses, families).map((address) => ({ node: name, nodeIp: address.text, address })),
  );
}

/** The addresses of these families. */
export function ipsOf(addresses: readonly string[], families: ReadonlySet<Family>): readonly ProbedAddress[] {
  return addresses.flatMap((one) => {
    const ip = parseIp(one);
    return ip !== undefined && families.has(ip.family) ? { family: ip.family, text: ip.text } : [];
  });
}

function place(name: string): string {
  return createHash("sha256").update(name).digest("hex");
}
