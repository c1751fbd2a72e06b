// SPDX-License-Identifier: Apache-2.0

import { changeOf, type Derivation } from "../../facts/derivation.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { NodeFact } from "../../facts/node.ts";
import { type FactReader, type FactStore, strictReader } from "../../facts/store.ts";
import type { GatewayNodeFact, SubnetFact, SubnetGatewaysFact } from "../../facts/subnet.ts";
import type { FactKind } from "../../facts/types.ts";
import type { Dual } from "../../net/dual.ts";
import { matchesLabels, selectorProblem } from "../../policy/labels.ts";
import type { Note } from "../effects.ts";

/**
 * The facts `subnetGateways`: the gateway nodes of each centralized subnet of the default VPC, and their state. Nodes change often, and
 * subnets need not be compiled for that: a subnet's unit reads only this fact, which changes only with the result.
 */
export const subnetGateways: Derivation<"subnetGateways"> = {
  kind: "subnetGateways",
  keys: subnetNames,
  changedBy(change, facts) {
    if (change.kind === "subnets") return [change.key];
    if (change.kind === "cluster") return subnetNames(facts);
    const nodes = NODE_STATES.has(change.kind) ? [change.key] : nodesWith(changeOf("ips", change));
    // Also subnets that select their nodes by label.
    const names = nodes.length === 0 ? [] : ["", ...nodes];
    return new Set(names.flatMap((name) => facts.by("subnets", "gatewayNode", name).map((subnet) => subnet.name)));
  },
  derive: (facts, key) => gatewaysOf(strictReader(facts), key),
};

function subnetNames(facts: FactStore): readonly string[] {
  return facts.all("subnets").map(({ name }) => name);
}

/** The facts about nodes that decide whether they are ready, beside their addresses. */
const NODE_STATES: ReadonlySet<FactKind> = new Set(["nodes", "chassisProblems", "gatewayLosses", "gatewaySplits"]);

/** The nodes whose address on the join switch a change is about. */
function nodesWith(change: FactChange<"ips"> | undefined): readonly string[] {
  const holders = [change?.old, change?.new].map((ip) => ip?.holder ?? "");
  return holders.flatMap((holder) => (holder.startsWith("node:") ? [holder.slice("node:".length)] : []));
}

/** The gateway nodes of a subnet; undefined if it is not centralized, not in the default VPC, or the join subnet. */
function gatewaysOf(reader: FactReader, name: string): SubnetGatewaysFact | undefined {
  const subnet = reader.get("subnets", name);
  const cluster = reader.get("cluster", "cluster");
  if (subnet === undefined || subnet.gatewayType !== "centralized") return undefined;
  if (subnet.vpc !== cluster?.router || name === cluster.joinSubnet) return undefined;
  const nodes: GatewayNodeFact[] = [];
  const missing: string[] = [];
  for (const node of namesOf(reader, subnet)) {
    const found = gatewayNode(reader, node);
    if (found === undefined) missing.push(node);
    else nodes.push(found);
  }
  const joined = nodes.flatMap(({ name, join }) => (hasAny(join) ? [name] : []));
  const split = joined.some((node) => joined.includes(reader.get("gatewaySplits", node)?.peer ?? ""));
  return { key: name, nodes, missing, split };
}

/** Names of the gateway nodes of a subnet, in the order of preference. */
function namesOf(reader: FactReader, { gatewayNodes, gatewayNodeSelectors }: SubnetFact): readonly string[] {
  if (gatewayNodes.length > 0) return [...new Set(gatewayNodes)];
  const selectors = gatewayNodeSelectors.filter((selector) => selectorProblem(selector) === undefined);
  if (selectors.length === 0) return [];
  return reader
    .all("nodes")
    .flatMap(({ name, labels }) => (selectors.some((selector) => matchesLabels(selector, labels)) ? [name] : []));
}

/**
 * The state of a node as a gateway; undefined if the node does not exist. It is ready if its Node condition `Ready`
 * is true, it has an address on the join switch, OVN has a chassis for it, and other nodes reach it. Otherwise
 * traffic sent to it would be lost.
 */
function gatewayNode(reader: FactReader, name: string): GatewayNodeFact | undefined {
  const node = reader.get("nodes", name);
  if (node === undefined) return undefined;
  const [ip] = reader.by("ips", "holder", `node:${name}`);
  const join = { ...(ip?.v4 && { v4: ip.v4 }), ...(ip?.v6 && { v6: ip.v6 }) };
  const problem = problemOf(reader, node, hasAny(join));
  if (problem !== undefined) return { name, join, problem };
  const isLost = reader.get("gatewayLosses", name) !== undefined || reader.get("gatewaySplits", name)?.lost === true;
  if (isLost) return { name, join, problem: "is not reached by other nodes through tunnels", unreached: true };
  return { name, join };
}

function hasAny(join: Dual<string>): boolean {
  return Object.keys(join).length > 0;
}

/** The problem of a node itself, independent of what other nodes report about it. */
function problemOf(reader: FactReader, { name, ready }: NodeFact, joined: boolean): string | undefined {
  if (!joined) return "has no address in the join subnet yet";
  if (reader.get("chassisProblems", name)?.reason === "ChassisMissing") return "has no chassis in OVN";
  return ready ? undefined : "is not Ready";
}

/**
 * The nodes that currently carry the traffic of a centralized subnet: the ready ones, or without ECMP the first ready
 * one in the order of `gatewayNode`. If none is ready, the nodes whose only problem is that other nodes do not reach
 * them are used: if all members of a chassis's group are down, no BFD session to it is up, and it claims nothing (ovn
 * controller/ha-chassis.c). If there is none either, all are used: a node reported as not ready may still forward.
 */
export function activeGateways(
  { enableEcmp }: Pick<SubnetFact, "enableEcmp">,
  gateways: SubnetGatewaysFact | undefined,
): readonly GatewayNodeFact[] {
  const all = gateways?.nodes ?? [];
  const ready = all.filter(({ problem }) => problem === undefined);
  const unreached = all.filter((node) => node.unreached === true);
  const usable = [ready, unreached].find((nodes) => nodes.length > 0) ?? all;
  return enableEcmp ? usable : usable.slice(0, 1);
}

/** Problems with the gateway of a centralized subnet. */
export function gatewayNotes(subnet: SubnetFact, gateways: SubnetGatewaysFact | undefined): readonly Note[] {
  if (subnet.gatewayType !== "centralized") return [];
  const { gatewayNodes, gatewayNodeSelectors } = subnet;
  const { nodes = [], missing = [] } = gateways ?? {};
  const lost = "pods of the subnet have no connectivity outside the VPC";
  const none = (why: string): readonly Note[] => [{ reason: "NoReadyGateway", message: `${why}: ${lost}` }];
  if (gatewayNodes.length + gatewayNodeSelectors.length === 0)
    return none(
      "spec.gatewayType is centralized, and neither spec.gatewayNode nor spec.gatewayNodeSelectors names a node",
    );
  const field = gatewayNodes.length > 0 ? `spec.gatewayNode "${gatewayNodes.join(",")}"` : "spec.gatewayNodeSelectors";
  if (nodes.length === 0) return none(`no node of ${field} exists`);
  const unready = nodes.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name} ${problem}`]));
  if (unready.length === nodes.length) {
    const active = activeGateways(subnet, gateways).map(({ name }) => name);
    const message = `no node of ${field} is ready (${unready.join(", ")}); ${active.join(", ")} may not carry the subnet's traffic`;
    return [{ reason: "NoReadyGateway", message }];
  }
  const { invalid } = subnet.gatewaySources;
  return [
    ...(invalid.length === 0
      ? []
      : [
          {
            reason: "InvalidGatewayNode",
            message: `spec.gatewayNode gives ${invalid.map((text) => `"${text}"`).join(", ")}, which is not an IP address; the node sends from its own address`,
          },
        ]),
    ...(missing.length === 0
      ? []
      : [{ reason: "NodeNotFound", message: `spec.gatewayNode names nodes that do not exist: ${missing.join(", ")}` }]),
    ...(gateways?.split !== true || unready.length > 0
      ? []
      : [
          {
            reason: "GatewaysSplit",
            message: `tunnels between ${nodes.map(({ name }) => name).join(" and ")} are down: each pod leaves by its own node until they are up again`,
          },
        ]),
    ...(unready.length === 0
      ? []
      : [{ reason: "NodeNotReady", message: `gateway nodes that are not used: ${unready.join(", ")}` }]),
  ];
}
