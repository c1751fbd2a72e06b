// SPDX-License-Identifier: Apache-2.0

import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, cidrContains } from "../net/cidr.ts";
import { type AclDecision, type AclStage, decideStage } from "../policy/acl-evaluation.ts";
import { isMatch, readMatch } from "../policy/match-evaluation.ts";
import type { Packet } from "../policy/packet.ts";
import type { Acl } from "./acls.ts";
import type { Network, Peering, RouterPolicy } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";

/** Where a packet begins or ends: at a port, or `undefined` for outside of Weft's networks. */
export type Place = NetworkPort | undefined;

/** The question: one packet, the first of a connection. */
export interface TraceQuestion extends Omit<Packet, "inport" | "outport"> {
  readonly from: Place;
  readonly to: Place;
  /** The original destination, if a load balancer of the sender's switch has translated it. */
  readonly dialled?: Pick<Packet, "destination" | "destinationPort">;
}

/** One step of the packet's path that decides something. */
export type TraceStep =
  | { readonly kind: "acls"; readonly stage: AclStage; readonly port: NetworkPort; readonly decision: AclDecision<Acl> }
  /** A router's policy that drops the packet or reroutes it. */
  | { readonly kind: "route"; readonly router: string; readonly allowed: boolean; readonly by: RouterPolicy }
  /** The packet is sent to the router of another VPC. */
  | { readonly kind: "peering"; readonly router: string; readonly by: Peering }
  | { readonly kind: "no-route"; readonly message: string };

/** The packet's path, up to where it is dropped. */
export interface PacketTrace {
  readonly allowed: boolean;
  readonly steps: readonly TraceStep[];
}

interface Pass {
  readonly in: NetworkPort;
  readonly out: NetworkPort;
}

/**
 * Follows a packet by the desired state alone: the path through switches and routers, and the decisions of the ACLs
 * of each switch. Pure.
 */
export function tracePacket(network: Network, question: TraceQuestion): PacketTrace {
  return traceFrom(network, question, new Set());
}

/** `forwarders`: the pods that have already forwarded the packet. */
function traceFrom(
  network: Network,
  { from, to, dialled, ...packet }: TraceQuestion,
  forwarders: ReadonlySet<NetworkPort>,
): PacketTrace {
  const steps: TraceStep[] = [];
  const deny = (step?: TraceStep): PacketTrace => ({
    allowed: false,
    steps: step === undefined ? steps : [...steps, step],
  });
  const leave = (port: NetworkPort, stage: AclStage, first: boolean): boolean => {
    const acls = network.listsOf(port)[stage];
    if (acls.length === 0) return true;
    // Before load balancing it has its original destination.
    const sent = first && stage === "from-lport" ? { ...packet, ...dialled } : packet;
    const decision = decideStage(acls, { ...sent, inport: port.name }, network);
    steps.push({ kind: "acls", stage, port, decision });
    return decision.verdict === "allow";
  };
  const arrive = (port: NetworkPort, entering: Packet): boolean => {
    const acls = network.listsOf(port)["to-lport"];
    if (acls.length === 0) return true;
    const decision = decideStage(acls, entering, network);
    steps.push({ kind: "acls", stage: "to-lport", port, decision });
    return decision.verdict === "allow";
  };
  if (from !== undefined && from === to) {
    // Traffic of a pod to itself does not leave it; through a load balancer it does, and returns after the first
    // stage.
    return dialled === undefined || leave(from, "from-lport", true) ? { allowed: true, steps } : deny();
  }
  const way = wayOf(network, from, to, packet.source, packet.destination);
  if (typeof way === "string") return deny({ kind: "no-route", message: way });
  for (const [i, pass] of way.passes.entries()) {
    const { in: inport, out: outport } = pass;
    const entering = { ...packet, inport: inport.name, outport: outport.name };
    for (const stage of ["from-lport", "from-lport-after-lb"] as const)
      if (!leave(inport, stage, i === 0)) return deny();
    if (!arrive(outport, entering)) return deny();
    if (i !== 0) continue;
    // A router is evaluated where its packets are: on the sender's node.
    const node = from && network.nodeOf(from.name);
    for (const { router, inport, peering } of way.hops) {
      const by = routerPolicy(network, router, { ...packet, ...(node && { node }), ...(inport && { inport }) });
      const step: TraceStep | undefined = by && { kind: "route", router, allowed: by.action !== "drop", by };
      if (step?.allowed === false) return deny(step);
      if (step !== undefined && by?.action === "reroute") {
        steps.push(step);
        const forwarder = from && forwarderOf(network, router, by);
        if (forwarder !== undefined && forwarder.port !== to) {
          const { port } = forwarder;
          if (port === from || forwarders.has(port)) {
            const message = `policy route ${by.label} sends packets that ${port.pod} forwards back to it: exclude packets from it, or from its subnet, in the match`;
            return deny({ kind: "no-route", message });
          }
          if (!arrive(port, { ...packet, inport: forwarder.inport.name, outport: port.name })) return deny();
          const rest = traceFrom(network, { ...packet, from: port, to }, new Set([...forwarders, port]));
          return { allowed: rest.allowed, steps: [...steps, ...rest.steps] };
        }
      }
      if (peering !== undefined) steps.push({ kind: "peering", router, by: peering });
    }
  }
  return { allowed: true, steps };
}

/** A router that a packet passes. */
interface Hop {
  readonly router: string;
  /** Its port by which the packet arrives; absent if not known. */
  readonly inport?: string;
  /** The peering to the next router. */
  readonly peering?: Peering;
}

/** The ports by which a packet enters and leaves each switch, or why there is no path. */
function wayOf(
  network: Network,
  from: Place,
  to: Place,
  source: Ip,
  destination: Ip,
): { readonly passes: readonly Pass[]; readonly hops: readonly Hop[] } | string {
  if (from !== undefined && to !== undefined && from.switch === to.switch) {
    return { passes: [{ in: from, out: to }], hops: [] };
  }
  const start = from === undefined ? undefined : uplinkPort(network, from.switch);
  const end = to === undefined ? undefined : uplinkPort(network, to.switch);
  if (from !== undefined && start === undefined) return `subnet ${from.switch} has no router`;
  if (to !== undefined && end === undefined) return `subnet ${to.switch} has no router`;
  const router = start?.router ?? end?.router;
  if (router === undefined) return "neither end is in a network of Weft";
  const inport = start?.routerPort;
  let hops: readonly Hop[] = [{ router, ...(inport !== undefined && { inport }) }];
  if (start !== undefined && end !== undefined && start.router !== end.router) {
    const there = hopsBetween(network, start, end.router, destination);
    if (there === undefined) {
      return `${from?.switch} is in VPC ${start.router} and ${to?.switch} in VPC ${end.router}, and no peering connects them`;
    }
    if (typeof there === "string") return there;
    // Without replies there is no connection.
    const back = hopsBetween(network, end, start.router, source);
    if (typeof back === "string") return `replies do not come back: ${back}`;
    if (back === undefined) return `replies do not come back: VPC ${end.router} has no route to ${source.text}`;
    hops = there;
  }
  if (to === undefined) {
    const routes = network.routesTo(router, destination);
    const [route] = routes;
    if (route === undefined) return `VPC ${router} has no route to ${destination.text}`;
    if (routes.every(({ nexthop }) => nexthop === "discard")) {
      return `VPC ${router} drops packets to ${destination.text}: its route for ${route.cidr.text} discards`;
    }
  }
  if (from === undefined && end !== undefined && !network.isJoined(end.router)) {
    return `no packet from outside reaches VPC ${router}: its subnets have no path to the nodes`;
  }
  const passes: Pass[] = [];
  if (from !== undefined && start !== undefined) passes.push({ in: from, out: start.port });
  if (to !== undefined && end !== undefined) passes.push({ in: end.port, out: to });
  return { passes, hops };
}

/**
 * The routers from one VPC to another, by routes through peerings. Or the reason why a peered VPC is not reached;
 * undefined if no peering is on the path.
 */
function hopsBetween(
  network: Network,
  from: { readonly router: string; readonly routerPort: string },
  to: string,
  address: Ip,
): readonly Hop[] | string | undefined {
  const hops: Hop[] = [];
  const seen = new Set<string>();
  let [router, inport] = [from.router, from.routerPort];
  while (router !== to) {
    if (seen.has(router)) return `routes for ${address.text} form a loop between VPCs ${[...seen].sort().join(", ")}`;
    seen.add(router);
    const peerings = network.peerings(router);
    const routes = network.routesTo(router, address);
    const peering = peerings.find(({ networks }) => routes.some(({ nexthop }) => isIn(networks, nexthop)));
    if (peering === undefined) {
      const peered = peerings.some((each) => each.router === to);
      if (!peered) return hops.length === 0 ? undefined : `VPC ${router} has no route to ${address.text}`;
      return `VPC ${router} is peered with VPC ${to}, but has no route to ${address.text} through that peering: add one to its staticRoutes`;
    }
    hops.push({ router, inport, peering });
    [router, inport] = [peering.router, peering.remotePort];
  }
  return [...hops, { router, inport }];
}

function isIn(networks: readonly Cidr[], text: string): boolean {
  const address = parseIp(text);
  return address !== undefined && networks.some((network) => cidrContains(network, address));
}

function uplinkPort(
  network: Network,
  name: string,
): { readonly router: string; readonly routerPort: string; readonly port: NetworkPort } | undefined {
  const uplink = network.uplink(name);
  const port = uplink && network.ports.get(uplink.port);
  return uplink === undefined || port === undefined ? undefined : { ...uplink, port };
}

/**
 * The pod in the router's own switches that a policy sends packets to, the first one of several; and the port by
 * which they enter its switch.
 */
function forwarderOf(
  network: Network,
  router: string,
  { nexthops }: RouterPolicy,
): { readonly port: NetworkPort; readonly inport: NetworkPort } | undefined {
  for (const port of nexthops.flatMap((hop) => network.withAddress(hop))) {
    const uplink = uplinkPort(network, port.switch);
    if (port.pod !== undefined && uplink?.router === router) return { port, inport: uplink.port };
  }
  return undefined;
}

/** The router's policy that decides (ovn-nb(5), Logical_Router_Policy `priority`). */
function routerPolicy(network: Network, router: string, packet: Packet): RouterPolicy | undefined {
  return network.routerPolicies(router).find(({ match }) => {
    const expression = readMatch(match);
    return expression !== undefined && isMatch(expression, packet, network);
  });
}
