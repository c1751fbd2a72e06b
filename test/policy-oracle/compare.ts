// SPDX-License-Identifier: Apache-2.0

import type { ApiPod, OracleWorld } from "./api.ts";
import { clusterOf, joinAddresses, POD_SUBNETS, subnetOf } from "./cluster.ts";
import { PORTS, STRANGERS } from "./generate.ts";
import { isAllowed, isConnected, type Party, type PolicyConnection } from "./oracle.ts";
import { OvnView } from "./ovn-view.ts";
import { compileRows } from "./rows.ts";

/** The connections that are tried between each two parties. */
export const CONNECTIONS: readonly PolicyConnection[] = [
  ...(["TCP", "UDP", "SCTP"] as const).flatMap((protocol) => PORTS.map((port) => ({ protocol, port }))),
  { protocol: "ICMP", port: 0 },
];

/** A pair, and the connection that is tried between the two. */
export interface TriedConnection {
  readonly from: Party;
  readonly to: Party;
  readonly connection: PolicyConnection;
}

/** All pairs of a world, and these connections between them: between pods, and between pods and nodes or external addresses. */
export function* attempts(
  world: OracleWorld,
  connections: readonly PolicyConnection[] = CONNECTIONS,
): Iterable<TriedConnection> {
  const pods = world.pods.flatMap(partiesOfPod);
  const others: Party[] = STRANGERS.map((address) => ({ address }));
  for (const [i, node] of world.nodes.entries()) {
    for (const { type, address } of node.status.addresses) if (type === "InternalIP") others.push({ address, node });
    for (const address of Object.values(joinAddresses(i))) others.push({ address, node });
  }
  for (const from of [...pods, ...others]) {
    for (const to of [...pods, ...others]) {
      if (from.pod === undefined && to.pod === undefined) continue;
      // Traffic of a pod to itself does not leave it.
      if (from.pod === to.pod || from.address.includes(":") !== to.address.includes(":")) continue;
      if (!areConnected(from, to)) continue;
      for (const connection of connections) yield { from, to, connection };
    }
  }
}

/** Whether there is a path between two parties, see `isConnected`. */
export function areConnected(from: Party, to: Party): boolean {
  return isConnected(from, to, (pod) => POD_SUBNETS[subnetOf(pod)].vpc, PEERED);
}

/** The VPCs that are peered with each other. */
const PEERED = [POD_SUBNETS.twin.vpc, POD_SUBNETS.beside.vpc];

/** A pod on the host's network is the same party as its node. */
function partiesOfPod(pod: ApiPod): Party[] {
  if (pod.spec.hostNetwork === true) return [];
  return pod.status.podIPs.map(({ ip }) => ({ address: ip, pod }));
}

/** The first attempt on which compiled rows and specifications disagree, as text; `undefined` if there is none. */
export function disagreement(world: OracleWorld): string | undefined {
  const picture = new OvnView(compileRows(clusterOf(world)));
  for (const { from, to, connection } of attempts(world)) {
    const specified = isAllowed(world, from, to, connection);
    if (specified === undefined) continue;
    const { allowed, by } = picture.trace(from, to, connection);
    if (allowed === specified) continue;
    return `${describe({ from, to, connection })} must be ${specified ? "allowed" : "denied"}, but is not (${by})`;
  }
  return undefined;
}

/** An attempt as text. */
export function describe({ from, to, connection }: TriedConnection): string {
  return `${nameOf(from)} to ${nameOf(to)}, ${connection.protocol} ${connection.port}`;
}

function nameOf({ address, pod, node }: Party): string {
  const name =
    pod !== undefined ? `pod ${pod.metadata.namespace}/${pod.metadata.name}` : node && `node ${node.metadata.name}`;
  return name === undefined ? address : `${name} (${address})`;
}
