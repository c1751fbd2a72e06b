// SPDX-License-Identifier: Apache-2.0

import { INSTALL_NAMESPACE, PINGER_COMPONENT } from "../api/names.ts";
import { isProbeFailure } from "../api/probe-events.ts";
import type { FactReader } from "../facts/store.ts";
import { KINDS } from "../kinds/index.ts";
import { factsOfKind, knownAs } from "../kinds/objects.ts";
import type { ConditionsOf, StatusKind } from "./conditions.ts";
import { healthOf } from "./conditions.ts";
import type { ObjectName, Overview, Part, ShownProblem, SubnetRow } from "./contract.ts";
import { nodeProblems } from "./nodes.ts";
import { isWaiting, podProblems } from "./pods.ts";
import { visiblePolicies } from "./policies.ts";
import { fullness, subnetRows } from "./subnets.ts";
import { type Viewer, visibleNamespaces, visiblePods, visibleVpcs } from "./viewer.ts";

/** What is known of Weft besides the facts. */
export interface OverviewSource {
  readonly facts: FactReader;
  readonly conditionsOf: ConditionsOf;
  readonly parts: readonly Part[];
  readonly leader: Overview["leader"];
  readonly answeredBy: Overview["answeredBy"];
  /** Warnings in recent Events of Weft. */
  readonly warnings: readonly ShownProblem[];
  readonly eventsProblem?: string;
}

/** The most problems that are listed. */
const MOST = 200;
const FULLEST = 10;
/** Pods without an address that are listed one by one. */
const PODS = 50;

/** What needs a hand first, and how many objects there are; of what the viewer sees. */
export function overview(source: OverviewSource, viewer: Viewer): Overview {
  const { facts, conditionsOf, leader, answeredBy, eventsProblem } = source;
  const pods = visiblePods(facts, viewer);
  const waiting = pods.filter((pod) => isWaiting(facts, pod));
  const subnets = subnetRows(facts, viewer, conditionsOf);
  const parts = viewer.sees.nodes ? source.parts : [];
  const nodes = viewer.sees.nodes ? facts.all("nodes") : undefined;
  const told = source.warnings.filter(({ about }) => seesObject(viewer, about) && !isGone(facts, about));
  const withEvent = new Set(told.map(({ about }) => `${about.namespace}/${about.name}`));
  // Where an Event says why, it is not said twice.
  const unexplained = waiting.filter(({ key }) => !withEvent.has(key));
  const problems = [
    ...leaderProblems(leader, viewer),
    ...partProblems(parts),
    ...(nodes ?? []).flatMap((node) => nodeProblems(facts, node)),
    ...(viewer.sees.networks ? statusProblems(facts, conditionsOf) : []),
    ...fillProblems(subnets),
    ...told,
    ...unexplained.slice(0, PODS).flatMap((pod) => podProblems(facts, viewer, pod)),
    ...pods.filter((pod) => !isWaiting(facts, pod)).flatMap((pod) => podProblems(facts, viewer, pod)),
  ];
  const worstFirst = problems.toSorted((a, b) => Number(a.severity === "warning") - Number(b.severity === "warning"));
  const unlisted = Math.max(0, unexplained.length - PODS);
  return {
    problems: worstFirst.slice(0, MOST),
    moreProblems: Math.max(0, problems.length - MOST) + unlisted,
    counts: {
      namespaces: visibleNamespaces(facts, viewer).length,
      pods: pods.length,
      podsWaiting: waiting.length,
      policies: visiblePolicies(facts, viewer).length,
      services: facts.all("services").filter(({ namespace }) => viewer.maySee(namespace)).length,
      ...(nodes !== undefined && { nodes: nodes.length, nodesReady: nodes.filter(({ ready }) => ready).length }),
      subnets: subnets.length,
      vpcs: visibleVpcs(facts, viewer).size,
    },
    parts,
    leader: viewer.sees.nodes ? leader : {},
    answeredBy: viewer.sees.nodes ? answeredBy : { name: "", leading: false },
    fullest: subnets.toSorted((a, b) => fullness(b) - fullness(a)).slice(0, FULLEST),
    ...(eventsProblem !== undefined && {
      eventsProblem: viewer.sees.nodes ? eventsProblem : "Events cannot be read",
    }),
    ...(parts.some(({ name }) => name === PINGER_COMPONENT) && {
      probes: eventsProblem === undefined ? { failingNodes: failingNodes(told) } : {},
    }),
  };
}

/** The number of nodes from which probes keep failing. */
function failingNodes(warnings: readonly ShownProblem[]): number {
  const failing = warnings.filter(({ about, reason }) => about.kind === "Node" && isProbeFailure(reason));
  return new Set(failing.map(({ about }) => about.name)).size;
}

/** Whether an object does not exist any more: its Events are kept for an hour. */
function isGone(facts: FactReader, { kind, namespace, name }: ObjectName): boolean {
  const known = factsOfKind(kind);
  const key = namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
  return known !== undefined && facts.get(known, key) === undefined;
}

/** Whether the viewer sees an object that a problem or an Event is about. */
export function seesObject(viewer: Viewer, { kind, namespace }: ObjectName): boolean {
  if (namespace !== undefined && namespace !== "") return viewer.maySee(namespace);
  return kind === "Node" ? viewer.sees.nodes : viewer.sees.networks;
}

function leaderProblems({ problem }: Overview["leader"], viewer: Viewer): readonly ShownProblem[] {
  if (problem === undefined) return [];
  const message = viewer.sees.nodes ? problem : "no controller is known to lead, so changes may not be applied";
  const about = { kind: "Deployment", namespace: INSTALL_NAMESPACE, name: "kube-ovn-controller" };
  return [{ severity: "error", about, source: "part", reason: "NoLeader", message }];
}

function partProblems(parts: readonly Part[]): readonly ShownProblem[] {
  return parts
    .filter(({ wanted, ready }) => ready < wanted)
    .map(({ kind, name, wanted, ready }) => ({
      severity: ready === 0 ? "error" : "warning",
      about: { kind, namespace: INSTALL_NAMESPACE, name },
      source: "part",
      reason: "NotReady",
      message: `${ready} of ${wanted} pods are ready`,
    }));
}

function statusProblems(facts: FactReader, conditionsOf: ConditionsOf): readonly ShownProblem[] {
  return KINDS.filter(({ status }) => status !== undefined).flatMap((kind) => {
    const resource = knownAs(kind) as StatusKind;
    return facts.all(kind.facts).flatMap(({ key }): readonly ShownProblem[] => {
      const { state, problem = "" } = healthOf(conditionsOf(resource, key));
      if (state !== "error") return [];
      const at = problem.indexOf(": ");
      const [reason, message] = at < 0 ? ["NotReady", problem] : [problem.slice(0, at), problem.slice(at + 2)];
      return [{ severity: "error", about: { kind: kind.type.kind, name: key }, source: "condition", reason, message }];
    });
  });
}

function fillProblems(subnets: readonly SubnetRow[]): readonly ShownProblem[] {
  return subnets.flatMap(({ name, fill, state, problem }): readonly ShownProblem[] => {
    const full = fill.find(({ free }) => free === 0);
    const about = { kind: "Subnet", name };
    if (full !== undefined) {
      const message = `no address of ${full.cidr} is free; enlarge the subnet, or delete what is not needed`;
      return [{ severity: "error", about, source: "fill", reason: "SubnetFull", message }];
    }
    if (state !== "warning" || problem === undefined) return [];
    return [{ severity: "warning", about, source: "fill", reason: "SubnetNearlyFull", message: problem }];
  });
}
