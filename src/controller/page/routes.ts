// SPDX-License-Identifier: Apache-2.0

import { addressMap } from "../../page/addresses.ts";
import type { ConditionsOf } from "../../page/conditions.ts";
import type { FlowsAnswer, Me, ObjectName, PlanAnswer, PolicyName, ShownPolicyKind } from "../../page/contract.ts";
import { findObjects } from "../../page/find.ts";
import { type FlowsRead, flowsAnswer } from "../../page/flows.ts";
import { nodeDetail, nodesPage } from "../../page/nodes.ts";
import { overview } from "../../page/overview.ts";
import { notFound, PageError } from "../../page/page-error.ts";
import type { PageQuestion } from "../../page/pages.ts";
import { podDetail, podsPage, visiblePod } from "../../page/pods.ts";
import { policiesPage, policyDetail, visiblePolicy } from "../../page/policies.ts";
import { policyFacts } from "../../page/policy-names.ts";
import { type ReachSource, reach } from "../../page/reach.ts";
import { subnetDetail, visibleSubnet } from "../../page/subnets.ts";
import { topology } from "../../page/topology.ts";
import { isClusterWide, type Viewer, visibleNamespaces } from "../../page/viewer.ts";
import { vpcDetail } from "../../page/vpcs.ts";
import type { FlowRules } from "../../reachability/flow-rules.ts";
import type { ClusterReader } from "./cluster-reader.ts";
import type { PlanQuestion } from "./plan-process.ts";

/** What the page's answers are made from. */
export interface RouteParts extends ReachSource {
  readonly conditionsOf: ConditionsOf;
  readonly reader: Pick<ClusterReader, "state" | "eventsOf">;
  readonly answeredBy: () => { readonly name: string; readonly leading: boolean };
  readonly version: string;
  /** Who gains or loses reach by a manifest. Absent: plans are not made. */
  readonly plan?: (viewer: Viewer, question: PlanQuestion) => Promise<PlanAnswer>;
  /** Sampled connections. Absent: they are not sampled, or cannot be read. */
  readonly flows?: { read(): Promise<FlowsRead>; rules(): FlowRules };
}

/** A request under `/api/v1/`, of a viewer. */
export interface RouteRequest {
  readonly method: string;
  /** Decoded, without `/api/v1`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly viewer: Viewer;
  /** When the login ends, in ms since the epoch. */
  readonly expires: number;
  /** Reads the body. Rejects with a `PageError`. */
  readonly body: () => Promise<string>;
}

const NO_FLOWS: FlowsAnswer = { enabled: false, flows: [], more: 0, warnings: [] };

/** The account and what it may see. */
export function me({ facts, plan, flows, version }: RouteParts, viewer: Viewer, expires: number): Me {
  const namespaces = visibleNamespaces(facts, viewer).map(({ name }) => name);
  return {
    ...{ user: viewer.user, clusterWide: isClusterWide(viewer), sees: viewer.sees, namespaces, expires, version },
    actions: { plan: plan !== undefined && namespaces.length > 0, flows: flows !== undefined && namespaces.length > 0 },
  };
}

/** Reads what a request needs, and resolves with what computes its answer, which is the part that takes CPU. Both may fail with a `PageError`. */
export async function answer(parts: RouteParts, request: RouteRequest): Promise<() => unknown> {
  const { method, path, query, viewer } = request;
  const { facts, conditionsOf, reader } = parts;
  const [what = "", ...names] = path;
  const [first = "", second, third] = names;
  if (what === "plan" && names.length === 0) {
    if (method !== "POST") throw new PageError("method-not-allowed", "a plan is made by POST");
    const plan = await planned(parts, request);
    return () => plan;
  }
  if (method !== "GET" && method !== "HEAD")
    throw new PageError("method-not-allowed", `/api/v1/${what} answers GET only`);
  // No question to the API server about what the viewer is not told.
  const events = async (of: ObjectName, seen = true): ReturnType<ClusterReader["eventsOf"]> =>
    seen ? await reader.eventsOf(of) : [];
  switch (`${what}/${names.length}`) {
    case "me/0":
      return () => me(parts, viewer, request.expires);
    case "overview/0": {
      const { parts: workloads, leader, warnings, eventsProblem } = await reader.state();
      const state = { parts: workloads, leader, warnings, ...(eventsProblem !== undefined && { eventsProblem }) };
      return () => overview({ facts, conditionsOf, answeredBy: parts.answeredBy(), ...state }, viewer);
    }
    case "topology/0":
      return () => topology(facts, viewer, conditionsOf);
    case "subnets/1": {
      visibleSubnet(facts, viewer, first);
      const shown = await events({ kind: "Subnet", name: first }, viewer.sees.networks);
      return () => subnetDetail(facts, viewer, first, conditionsOf, shown);
    }
    case "subnets/2": {
      if (second !== "addresses") break;
      const prefix = query.get("prefix");
      const bits = numberOf(query, "bits");
      return () =>
        addressMap(facts, viewer, {
          subnet: first,
          ...(prefix !== null && { prefix }),
          ...(bits !== undefined && { bits }),
        });
    }
    case "vpcs/1": {
      const seen = viewer.sees.networks && facts.get("vpcs", first) !== undefined;
      const shown = await events({ kind: "Vpc", name: first }, seen);
      return () => vpcDetail(facts, viewer, first, conditionsOf, shown);
    }
    case "pods/0": {
      const question = { ...pageQuestion(query), ...texts(query, "namespace", "subnet", "node", "query") };
      return () => podsPage(facts, viewer, question);
    }
    case "pods/2": {
      const name = { namespace: first, name: second ?? "" };
      visiblePod(facts, viewer, name.namespace, name.name);
      const shown = await events({ kind: "Pod", ...name });
      return () => podDetail(facts, viewer, parts.book, name, shown);
    }
    case "policies/0": {
      const question = { ...pageQuestion(query), ...texts(query, "namespace", "query") };
      return () => policiesPage(parts, viewer, question);
    }
    case "policies/2":
    case "policies/3": {
      const name = policyOf(first, third === undefined ? undefined : second, third ?? second ?? "");
      const shown = await events(name, visiblePolicy(facts, viewer, name));
      return () => policyDetail(parts, viewer, name, shown);
    }
    case "nodes/0": {
      const question = { ...pageQuestion(query), ...texts(query, "query") };
      return () => nodesPage(facts, viewer, question);
    }
    case "nodes/1": {
      const seen = viewer.sees.nodes && facts.get("nodes", first) !== undefined;
      const shown = await events({ kind: "Node", name: first }, seen);
      return () => nodeDetail(facts, viewer, first, shown);
    }
    case "find/0":
      return () => findObjects(facts, viewer, query.get("q") ?? "");
    case "reach/0": {
      const ends = { from: query.get("from") ?? "", to: query.get("to") ?? "" };
      return () => reach(parts, viewer, { ...ends, ...texts(query, "protocol", "port") });
    }
    case "flows/0": {
      const { flows } = parts;
      const namespace = query.get("namespace") ?? "";
      if (namespace !== "" && !viewer.maySee(namespace)) throw notFound(`namespace ${namespace}`);
      if (flows === undefined) return () => NO_FLOWS;
      const question = { ...texts(query, "namespace"), dropped: query.get("dropped") === "true" };
      const read = await flows.read();
      return () => flowsAnswer(facts, flows.rules(), viewer, question, read);
    }
  }
  throw new PageError("not-found", "there is no such question; src/page/contract.ts lists them");
}

async function planned({ plan }: RouteParts, { viewer, query, body }: RouteRequest): Promise<PlanAnswer> {
  if (plan === undefined) throw new PageError("unavailable", "this controller makes no plans");
  const namespace = query.get("namespace") ?? "default";
  if (!viewer.maySee(namespace)) throw notFound(`namespace ${namespace}`);
  const verb = query.get("remove") === "true" ? "remove" : "apply";
  return await plan(viewer, { namespace, verb, manifest: await body() });
}

function policyOf(kind: string, namespace: string | undefined, name: string): PolicyName {
  if (policyFacts(kind) === undefined && kind !== "SecurityGroup") throw notFound(`kind of policy ${kind}`);
  return { kind: kind as ShownPolicyKind, ...(namespace !== undefined && { namespace }), name };
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^\d{1,4}$/.test(text)) throw new PageError("invalid", `${name} is to be a number`);
  return Number(text);
}

function pageQuestion(query: URLSearchParams): PageQuestion {
  const limit = numberOf(query, "limit");
  const after = query.get("continue");
  return { ...(limit !== undefined && { limit }), ...(after !== null && after !== "" && { continue: after }) };
}

/** The parameters of these names that are not empty. */
function texts<N extends string>(query: URLSearchParams, ...names: readonly N[]): { readonly [K in N]?: string } {
  const found: { [K in N]?: string } = {};
  for (const name of names) {
    const text = query.get(name);
    if (text !== null && text !== "") found[name] = text;
  }
  return found;
}
