// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../api/annotations.ts";
import { DEFAULT_VPC } from "../api/names.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import { parseIp } from "../net/address.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ExplainedPath, ExplainedStep } from "./explain.ts";
import type { Network } from "./network.ts";
import { formatRemedy, remedyFor } from "./remedy.ts";

/** One step of a packet's path, in Kubernetes' terms. */
export interface ItineraryStep {
  readonly at: string;
  readonly what: string;
  /** `unknown`: a node or a tunnel is not known to work; `outside`: the rest of the path is outside Weft's networks. */
  readonly verdict: "passes" | "dropped" | "unknown" | "outside";
}

/**
 * The end of a packet's path:
 *
 * - `delivered`: an end in the cluster receives it
 * - `leaves`: it leaves the cluster; the rest of the path is not known
 * - `uncertain`: nothing drops it, but a node or tunnel on its path is not known to work
 * - `dropped`
 */
export type PathOutcome = "delivered" | "leaves" | "uncertain" | "dropped";

/** A packet's path from end to end. */
export interface Itinerary {
  readonly family: ExplainedPath["family"];
  readonly source: string;
  readonly destination: string;
  readonly port: string;
  readonly verdict: PathOutcome;
  readonly steps: readonly ItineraryStep[];
  /** What dropped it, and how to allow it; absent if nothing does. */
  readonly droppedBy?: string;
  readonly remedy?: string;
}

/** The two ends of a path, as passed to `explain`. */
export interface ItineraryEnds {
  readonly from: Endpoint;
  readonly to: Endpoint;
}

/**
 * Describes the steps of an explained path: interfaces, subnets, routers, gateways, tunnels, and the deciding rule at
 * each. Pure.
 */
export function itinerary(network: Network, path: ExplainedPath, ends: ItineraryEnds): Itinerary {
  const { family, source, destination, port, verdict } = path;
  const steps: ItineraryStep[] = [];
  const add = (at: string, what: string, step: ItineraryStep["verdict"] = "passes"): unknown =>
    steps.push({ at, what, verdict: step });
  const { from, to } = ends;
  if (from.place !== undefined) add(interfaceOf(from), `sends from ${source}, subnet ${from.place.switch}`);
  else add(from.label, "is outside of the cluster's networks", "outside");
  if (from.node !== undefined) nodeState(network, from.node, add);
  let routed = false;
  let tunnelled = false;
  const tunnel = (): void => {
    if (tunnelled) return;
    tunnelled = true;
    routing(network, ends, path, routed, add);
  };
  const judged = (what: ExplainedStep["what"]): boolean => path.steps.some((step) => step.what === what);
  if (from.pod !== undefined && !judged("egress")) add(`egress policies of ${from.label}`, NO_POLICY);
  for (const step of path.steps) {
    if (step.what === "ingress") tunnel();
    if (step.what === "route") {
      if (!routed && from.place !== undefined) add(`subnet ${from.place.switch}`, "sends it to its router");
      routed = true;
    }
    add(placeOf(step), step.because, step.verdict === "allowed" ? "passes" : "dropped");
  }
  const denied = path.steps.findLast((step) => step.verdict === "denied");
  if (denied === undefined && verdict === "allowed") {
    tunnel();
    if (to.pod !== undefined && !judged("ingress")) add(`ingress policies of ${to.label}`, NO_POLICY);
    arrival(network, ends, source, add);
    const uncertain = steps.some((step) => step.verdict === "unknown");
    const outcome = uncertain ? "uncertain" : to.place === undefined ? "leaves" : "delivered";
    return { family, source, destination, port, verdict: outcome, steps };
  }
  const droppedBy = denied === undefined ? "nothing leads there" : `${placeOf(denied)}: ${denied.because}`;
  const remedy = denied && formatRemedy(remedyFor(denied, ends, port));
  return { family, source, destination, port, verdict: "dropped", steps, droppedBy, ...(remedy && { remedy }) };
}

const NO_POLICY = "no policy applies";

type Add = (at: string, what: string, verdict?: ItineraryStep["verdict"]) => unknown;

/**
 * From the sender's switch to the receiver's: by a router if the switches differ, and over a tunnel if the nodes
 * differ.
 */
function routing(network: Network, { from, to }: ItineraryEnds, path: ExplainedPath, routed: boolean, add: Add): void {
  const [here, there] = [from.place?.switch, to.place?.switch];
  if (here !== undefined && here === there) add(`subnet ${here}`, "switches it to the destination's port");
  else if (here !== undefined) {
    const router = network.uplink(here)?.router;
    if (!routed && router !== undefined)
      add(
        `VPC ${router}`,
        there === undefined ? `routes it towards ${path.destination}` : `routes it to subnet ${there}`,
      );
  } else if (there !== undefined) add(`subnet ${there}`, "is entered through its router");
  if (from.node !== undefined && to.node !== undefined && from.place !== undefined && to.place !== undefined) {
    if (from.node === to.node) add(`node ${from.node}`, "has both ends: the packet does not leave it");
    else {
      const unreachable = tunnelProblem(network, from.node, to.node);
      add(
        `node ${from.node} → node ${to.node}`,
        unreachable ?? "goes through the tunnel between the nodes",
        unreachable === undefined ? "passes" : "unknown",
      );
    }
  }
}

function arrival(network: Network, { from, to }: ItineraryEnds, source: string, add: Add): void {
  if (to.place !== undefined) {
    if (to.node !== undefined && to.node !== from.node) nodeState(network, to.node, add);
    add(interfaceOf(to), "is delivered");
    return;
  }
  const subnet = from.place && network.facts.get("subnets", from.place.switch);
  if (subnet !== undefined) add(`subnet ${subnet.name}`, leaving(network, subnet, from, source));
  add(to.label, "is outside of the cluster's networks: the rest of the path is not known", "outside");
}

/** How packets from a subnet leave the cluster. */
function leaving(network: Network, subnet: SubnetFact, { node }: Endpoint, source: string): string {
  const ip = parseIp(source);
  const translated = ip && network.sourceNat(subnet.vpc, ip);
  if (subnet.vpc !== DEFAULT_VPC || translated !== undefined) {
    const as =
      translated === undefined
        ? `with its own source ${source}: no NAT rule is for it`
        : `with the source ${translated.external} (${translated.label})`;
    return `leaves by the routes and gateways of VPC ${subnet.vpc}, ${as}`;
  }
  const gateways = network.facts.get("subnetGateways", subnet.name)?.nodes ?? [];
  const by =
    subnet.gatewayType === "distributed"
      ? `leaves by the pod's own node ${node ?? ""}`.trim()
      : `leaves by the gateway ${gateways.map(({ name, problem }) => (problem === undefined ? name : `${name} (${problem})`)).join(", ") || "node, of which there is none"}`;
  const nat = subnet.natOutgoing
    ? "with the node's address as its source (natOutgoing)"
    : `with its own source ${source} (natOutgoing is not set): routers outside need a route back`;
  return `${by}, ${nat}`;
}

function nodeState(network: Network, name: string, add: Add): void {
  const node = network.facts.get("nodes", name);
  if (node === undefined) add(`node ${name}`, "no longer exists", "unknown");
  else if (!node.ready) add(`node ${name}`, "is not Ready, according to its kubelet", "unknown");
  else if (node.chassisProblem !== undefined)
    add(`node ${name}`, `${node.chassisProblem.reason}: ${node.chassisProblem.message}`, "unknown");
}

/** The report of one of two nodes that the tunnels between them are down. */
function tunnelProblem(network: Network, a: string, b: string): string | undefined {
  const chassis = (name: string): string | undefined => network.facts.get("nodes", name)?.annotations[NODE.chassis];
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const reported = network.facts.get("nodes", one)?.annotations[NODE.unreachable];
    if (reported !== undefined && reported === chassis(other))
      return `node ${one} reports that its tunnels to ${other} are down`;
  }
  return undefined;
}

function interfaceOf({ kind, label, node }: Endpoint): string {
  if (kind === "pod") return `pod ${label}${node === undefined ? "" : ` on node ${node}`}`;
  return label;
}

function placeOf({ what, at }: ExplainedStep): string {
  return what === "route" ? at : what === "egress" ? `egress policies of ${at}` : `ingress policies of ${at}`;
}
