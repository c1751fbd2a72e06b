// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../../collections/get-or-add.ts";
import type { EndpointFact, EndpointSliceFact, ServicePortFact } from "../../facts/service.ts";

/** One endpoint of a port of a Service: a destination for connections. */
export interface ServiceEndpoint extends EndpointFact {
  /** `address:port`, as OVN reads it. */
  readonly text: string;
}

/** Whether the text of an address is IPv6. */
export function isV6(address: string): boolean {
  return address.includes(":");
}

/** An address and a port as OVN reads them. */
export function hostPort(address: string, port: number): string {
  return isV6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * The endpoints of a port of a Service of one family, each once, sorted by their text. The port number is taken from each slice, because a named
 * target port may differ between pods. An endpoint in several slices is ready if it is ready in one of them.
 */
export function targetsOf(
  port: ServicePortFact,
  v6: boolean,
  slices: readonly EndpointSliceFact[],
): readonly ServiceEndpoint[] {
  const found = new Map<string, ServiceEndpoint>();
  for (const slice of slices) {
    const numbers = slice.ports.filter(({ name, protocol }) => name === port.name && protocol === port.protocol);
    for (const endpoint of slice.endpoints) {
      if (isV6(endpoint.address) !== v6) continue;
      for (const number of numbers) {
        const text = hostPort(endpoint.address, number.port);
        if (found.get(text)?.state !== "ready") found.set(text, { ...endpoint, text });
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}

/** As in kube-proxy (pkg/proxy/topology.go): the ready endpoints or, if there are none, those that are terminating but still serving. */
export function usable(targets: readonly ServiceEndpoint[]): readonly ServiceEndpoint[] {
  const ready = targets.filter(({ state }) => state === "ready");
  return ready.length > 0 ? ready : targets;
}

/** The usable endpoints of each node that has any, for a `Local` policy. */
export function usableByNode(targets: readonly ServiceEndpoint[]): ReadonlyMap<string, readonly ServiceEndpoint[]> {
  const nodes = Map.groupBy(
    targets.filter(({ node }) => node !== ""),
    ({ node }) => node,
  );
  return new Map([...nodes].map(([node, own]) => [node, usable(own)]));
}

/** Whether endpoints are chosen by zone: all ready ones have zone hints (kube-proxy's `topologyModeFromHints`). */
export function isZonal(targets: readonly ServiceEndpoint[]): boolean {
  const ready = targets.filter(({ state }) => state === "ready");
  return ready.length > 0 && ready.every(({ forZones }) => forZones.length > 0);
}

/** Whether endpoints are chosen by node: all ready ones have node hints. */
export function isByNode(targets: readonly ServiceEndpoint[]): boolean {
  const ready = targets.filter(({ state }) => state === "ready");
  return ready.length > 0 && ready.every(({ forNodes }) => forNodes.length > 0);
}

/** The ready endpoints of each node that has a hint of some. */
export function hintedByNode(targets: readonly ServiceEndpoint[]): ReadonlyMap<string, readonly ServiceEndpoint[]> {
  const found = new Map<string, ServiceEndpoint[]>();
  for (const target of targets) {
    if (target.state !== "ready") continue;
    for (const node of target.forNodes) getOrAdd(found, node, (): ServiceEndpoint[] => []).push(target);
  }
  return found;
}

/** The endpoints for clients in a zone: those with a hint for it; all, if there are none or some have no hints. */
export function usableInZone(targets: readonly ServiceEndpoint[], zone: string): readonly ServiceEndpoint[] {
  const all = usable(targets);
  if (!isZonal(targets)) return all;
  const own = all.filter(({ forZones }) => forZones.includes(zone));
  return own.length > 0 ? own : all;
}
