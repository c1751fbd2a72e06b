// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import { isMatch, readMatch } from "../policy/match.ts";
import type { Packet } from "../policy/packet.ts";
import { type AclDecision, type AclStage, decideStage } from "../policy/verdict.ts";
import type { Acl } from "./acls.ts";
import type { Network, RouterPolicy } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";

/** Where a packet begins or ends: at a port, or `undefined` for outside of all networks that Weft knows. */
export type Place = NetworkPort | undefined;

/** What is asked of the network: one packet, the first of a connection. */
export interface TraceQuestion extends Omit<Packet, "inport" | "outport"> {
  readonly from: Place;
  readonly to: Place;
  /** Where the packet was sent to, where a load balancer of the sender's switch has chosen the destination. */
  readonly dialled?: Pick<Packet, "destination" | "destinationPort">;
}

/** One thing on the packet's way that had a say. */
export type TraceStep =
  | { readonly kind: "acls"; readonly stage: AclStage; readonly port: NetworkPort; readonly decision: AclDecision<Acl> }
  /** A router's policy that drops, or sends elsewhere. */
  | { readonly kind: "route"; readonly router: string; readonly allowed: boolean; readonly by: RouterPolicy }
  | { readonly kind: "no-route"; readonly message: string };

/** The packet's way, up to where it is dropped. */
export interface PacketTrace {
  readonly allowed: boolean;
  readonly steps: readonly TraceStep[];
}

interface Pass {
  readonly in: NetworkPort;
  readonly out: NetworkPort;
}

/**
 * What becomes of a packet, by the desired state alone: the way through switches and routers, and what the ACLs of each switch make of
 * it. Pure.
 */
export function tracePacket(network: Network, { from, to, dialled, ...packet }: TraceQuestion): PacketTrace {
  const steps: TraceStep[] = [];
  const deny = (step?: TraceStep): PacketTrace => ({
    allowed: false,
    steps: step === undefined ? steps : [...steps, step],
  });
  const leave = (port: NetworkPort, stage: AclStage, first: boolean): boolean => {
    const acls = network.listsOf(port)[stage];
    if (acls.length === 0) return true;
    // Before load balancing it is still on its way to where it was sent.
    const sent = first && stage === "from-lport" ? { ...packet, ...dialled } : packet;
    const decision = decideStage(acls, { ...sent, inport: port.name }, network);
    steps.push({ kind: "acls", stage, port, decision });
    return decision.verdict === "allow";
  };
  if (from !== undefined && from === to) {
    // What a pod sends to itself does not leave it; by way of a load balancer it does, and is turned back after the first stage.
    return dialled === undefined || leave(from, "from-lport", true) ? { allowed: true, steps } : deny();
  }
  const way = wayOf(network, from, to, packet.destination);
  if (typeof way === "string") return deny({ kind: "no-route", message: way });
  for (const [i, pass] of way.passes.entries()) {
    const { in: inport, out: outport } = pass;
    const entering = { ...packet, inport: inport.name, outport: outport.name };
    for (const stage of ["from-lport", "from-lport-after-lb"] as const)
      if (!leave(inport, stage, i === 0)) return deny();
    const receiver = network.listsOf(outport)["to-lport"];
    if (receiver.length > 0) {
      const decision = decideStage(receiver, entering, network);
      steps.push({ kind: "acls", stage: "to-lport", port: outport, decision });
      if (decision.verdict !== "allow") return deny();
    }
    if (i !== 0 || way.router === undefined) continue;
    // A router is where its packets are: on the sender's node.
    const node = from && network.nodeOf(from.name);
    const by = routerPolicy(network, way.router, { ...packet, ...(node !== undefined && { node }) });
    if (by === undefined) continue;
    const step: TraceStep = { kind: "route", router: way.router, allowed: by.action !== "drop", by };
    if (!step.allowed) return deny(step);
    if (by.action === "reroute") steps.push(step);
  }
  return { allowed: true, steps };
}

/** The ports by which a packet comes into and goes out of each switch, or why there is no way. */
function wayOf(
  network: Network,
  from: Place,
  to: Place,
  destination: Ip,
): { readonly passes: readonly Pass[]; readonly router?: string } | string {
  if (from !== undefined && to !== undefined && from.switch === to.switch) return { passes: [{ in: from, out: to }] };
  const start = from === undefined ? undefined : uplinkPort(network, from.switch);
  const end = to === undefined ? undefined : uplinkPort(network, to.switch);
  if (from !== undefined && start === undefined) return `subnet ${from.switch} has no router`;
  if (to !== undefined && end === undefined) return `subnet ${to.switch} has no router`;
  const router = start?.router ?? end?.router;
  if (start !== undefined && end !== undefined && start.router !== end.router) {
    return `${from?.switch} is in VPC ${start.router} and ${to?.switch} in VPC ${end.router}, and nothing joins them`;
  }
  if (router === undefined) return "neither end is in a network of Weft's";
  if (to === undefined && !network.hasRoute(router, destination)) {
    return `VPC ${router} has no route to ${destination.text}`;
  }
  if (from === undefined && end !== undefined && !network.isJoined(end.router)) {
    return `nothing from outside gets into VPC ${router}: its subnets have no way to the nodes`;
  }
  const passes: Pass[] = [];
  if (from !== undefined && start !== undefined) passes.push({ in: from, out: start.port });
  if (to !== undefined && end !== undefined) passes.push({ in: end.port, out: to });
  return { passes, router };
}

function uplinkPort(
  network: Network,
  name: string,
): { readonly router: string; readonly port: NetworkPort } | undefined {
  const uplink = network.uplink(name);
  const port = uplink && network.ports.get(uplink.port);
  return uplink === undefined || port === undefined ? undefined : { router: uplink.router, port };
}

/** The router's policy that decides (ovn-nb(5), Logical_Router_Policy `priority`). */
function routerPolicy(network: Network, router: string, packet: Packet): RouterPolicy | undefined {
  return network.routerPolicies(router).find(({ match }) => {
    const expression = readMatch(match);
    return expression !== undefined && isMatch(expression, packet, network);
  });
}
