// SPDX-License-Identifier: Apache-2.0

import type { SampledFlow } from "../api/sampling.ts";
import type { FactReader } from "../facts/store.ts";
import { parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import { decisionOf, type FlowRule, type FlowRules } from "../reachability/flow-rules.ts";
import { protocolName } from "../reachability/flows.ts";
import type { FlowRow, FlowRowEnd, FlowsAnswer } from "./contract.ts";
import { seesHolder } from "./fill.ts";
import { FlowEnds, type FlowHolder } from "./flow-ends.ts";
import { seesPolicy } from "./policies.ts";
import { policyName } from "./policy-names.ts";
import { isClusterWide, namespaceOfHolder, type Viewer } from "./viewer.ts";

/** A flow, and the node whose daemon has it. */
export interface NodeFlow {
  readonly node: string;
  readonly flow: SampledFlow;
}

/** What the nodes say. */
export interface FlowsRead {
  /** In any order. */
  readonly flows: readonly NodeFlow[];
  readonly unread: readonly { readonly node: string; readonly problem: string }[];
  /** There were more in the last hour than are kept. */
  readonly incomplete: boolean;
}

/** Which flows are asked for. */
export interface FlowFilter {
  /** With an end there. */
  readonly namespace?: string;
  readonly dropped: boolean;
}

/** The most that are listed. */
const MOST = 500;
const HIDDEN: FlowRowEnd = { address: "", holders: [], hidden: true };

/**
 * The flows that a viewer may see: who does not see everything, those of which one end is certainly theirs. Of the other end they are told what they see anyway, and addresses outside of the
 * cluster; flows that differ in what is hidden only are one.
 */
export function flowsAnswer(
  facts: FactReader,
  rules: FlowRules,
  viewer: Viewer,
  { namespace, dropped }: FlowFilter,
  { flows, unread, incomplete }: FlowsRead,
): FlowsAnswer {
  const ends = new FlowEnds(facts, rules);
  const rows = new Map<string, FlowRow>();
  for (const { node, flow } of flows) {
    const row = rowOf(facts, ends, viewer, node, flow);
    if (row === undefined || (dropped && row.verdict !== "dropped")) continue;
    if (namespace !== undefined && !isOf(row, namespace)) continue;
    const { from, to, protocol, port, verdict, at, policy, rule } = row;
    const key = JSON.stringify([from, to, protocol, port, verdict, at, policy, rule]);
    const known = rows.get(key);
    rows.set(key, known === undefined ? row : joined(known, row));
  }
  const latest = [...rows.values()].sort((a, b) => b.last - a.last);
  return {
    enabled: true,
    flows: latest.slice(0, MOST),
    more: Math.max(0, latest.length - MOST),
    warnings: warningsOf(viewer, unread, incomplete),
  };
}

/** The namespaces whose viewers see a flow. */
export function namespacesOf(ends: FlowEnds, { node, flow }: NodeFlow): ReadonlySet<string> {
  const { from, to, subject } = ends.of(node, flow);
  if (subject === undefined) return new Set();
  return new Set([...from, ...to].flatMap(({ holder }) => namespaceOfHolder(holder) ?? []));
}

function rowOf(
  facts: FactReader,
  ends: FlowEnds,
  viewer: Viewer,
  node: string,
  flow: SampledFlow,
): FlowRow | undefined {
  const { from, to, subject, vpcs, rules } = ends.of(node, flow);
  const { protocol, port, first, last, packets } = flow;
  const base = { protocol: protocolName(protocol), ...(port !== 0 && { port }), first, last, packets };
  if (isClusterWide(viewer)) {
    const { policy, ...decision } = decisionOf(rules);
    return {
      ...base,
      from: shown(flow.from, from),
      to: shown(flow.to, to),
      ...decision,
      ...(policy !== undefined && { policy: rules.map(labelOf).join(" | ") }),
    };
  }
  if (subject === undefined) return undefined;
  const own = (holders: readonly FlowHolder[]): boolean =>
    holders.length > 0 && holders.every(({ holder }) => isOwn(viewer, holder));
  const ownSubject = own(subject === "from" ? from : to);
  if (!ownSubject && !own(subject === "from" ? to : from)) return undefined;
  const end = (address: string, holders: readonly FlowHolder[]): FlowRowEnd => {
    if (holders.length > 0)
      return holders.every(({ holder }) => seesHolder(viewer, holder)) ? shown(address, holders) : HIDDEN;
    return isInCluster(facts, ends, vpcs, address) ? HIDDEN : shown(address, []);
  };
  const { verdict, at, rule } = decisionOf(rules);
  // A policy of the cluster is named to those whose pods it decides about, as in `reach`.
  const named = rules.length > 0 && rules.every((one) => seesRule(viewer, one, ownSubject));
  return {
    ...base,
    from: end(flow.from, from),
    to: end(flow.to, to),
    verdict,
    ...(at !== undefined && { at }),
    ...(named && { policy: rules.map(labelOf).join(" | "), ...(rule !== undefined && { rule }) }),
  };
}

function isOwn(viewer: Viewer, holder: string): boolean {
  const namespace = namespaceOfHolder(holder);
  return namespace !== undefined && viewer.maySee(namespace);
}

function seesRule(viewer: Viewer, { policy }: FlowRule, ownSubject: boolean): boolean {
  const name = policyName(policy);
  return name !== undefined && (seesPolicy(viewer, name) || (name.namespace === undefined && ownSubject));
}

function labelOf({ policy }: FlowRule): string {
  const name = policyName(policy);
  if (name === undefined) return policy;
  return name.namespace === undefined ? `${name.kind} ${name.name}` : `${name.kind} ${name.namespace}/${name.name}`;
}

function shown(address: string, holders: readonly FlowHolder[]): FlowRowEnd {
  return { address, holders: holders.flatMap(({ object }) => object ?? []) };
}

/** Whether an address is of the networks that a pod in these VPCs reaches inside the cluster, or of Services or nodes. */
function isInCluster(facts: FactReader, ends: FlowEnds, vpcs: ReadonlySet<string>, text: string): boolean {
  const address = parseIp(text);
  if (address === undefined || ends.isOfNode(text)) return true;
  const subnets = [...vpcs].flatMap((vpc) => facts.by("subnets", "vpc", vpc));
  const ranges = [...subnets.map(({ cidr }) => cidr), facts.get("cluster", "cluster")?.serviceCidr ?? {}];
  return ranges
    .flatMap(({ v4 = "", v6 = "" }) => [v4, v6])
    .some((range) => {
      const block = parseCidr(range);
      return block !== undefined && cidrContains(block, address);
    });
}

function isOf({ from, to }: FlowRow, namespace: string): boolean {
  return [...from.holders, ...to.holders].some((holder) => holder.namespace === namespace);
}

function joined(one: FlowRow, other: FlowRow): FlowRow {
  return {
    ...one,
    first: Math.min(one.first, other.first),
    last: Math.max(one.last, other.last),
    packets: one.packets + other.packets,
  };
}

function warningsOf(viewer: Viewer, unread: FlowsRead["unread"], incomplete: boolean): readonly string[] {
  const nodes = viewer.sees.nodes
    ? unread.slice(0, 20).map(({ node, problem }) => `the flows of node ${node} are missing: ${problem}`)
    : unread.length > 0
      ? ["the flows of some nodes are missing"]
      : [];
  const rest =
    viewer.sees.nodes && unread.length > 20 ? [`the flows of ${unread.length - 20} more nodes are missing`] : [];
  // How many flows others have is not told.
  return [
    ...nodes,
    ...rest,
    ...(incomplete && isClusterWide(viewer) ? ["there were more flows in the last hour than are kept"] : []),
  ];
}
