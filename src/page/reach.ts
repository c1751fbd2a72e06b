// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { ServiceFact } from "../facts/service.ts";
import type { FactReader } from "../facts/store.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { addressEndpoint, type Endpoint, EndpointError, podEndpoint } from "../reachability/endpoint.ts";
import { type ExplainedStep, type Explanation, explain } from "../reachability/explain.ts";
import type { Network } from "../reachability/network.ts";
import type { PolicyIndex } from "../reachability/policy-index.ts";
import { type PortQuestion, parsePort } from "../reachability/port.ts";
import { explainService, type ServiceTarget, serviceTarget } from "../reachability/service.ts";
import { type Trace, traceExplained, traceService } from "../reachability/traces.ts";
import type { ReachAnswer, ReachDecision, ReachPath } from "./contract.ts";
import { notFound, PageError } from "./page-error.ts";
import { visiblePod } from "./pods.ts";
import { type CompiledUnits, networkOf } from "./reach-network.ts";
import { isClusterWide, namespaceOfHolder, type Viewer } from "./viewer.ts";

/** From whom to whom; each as typed. */
export interface ReachQuestion {
  /** `NAMESPACE/POD` */
  readonly from: string;
  /** `NAMESPACE/POD`, `svc/NAMESPACE/NAME`, or an address. */
  readonly to: string;
  /** `tcp`, `udp`, `sctp` or `icmp`; absent: icmp, or tcp where there is a port. */
  readonly protocol?: string;
  /** A number, or the name of a port. */
  readonly port?: string;
}

/** What answers about reach are made from. */
export interface ReachSource {
  readonly facts: FactReader;
  readonly compiled: CompiledUnits;
  readonly book: PolicyIndex;
}

type Target =
  | { readonly kind: "pod"; readonly pod: PodFact }
  | { readonly kind: "address"; readonly address: Ip }
  | { readonly kind: "service"; readonly service: ServiceFact };

/**
 * Whether one end reaches the other, why, and by which steps. Who does not see everything is told what their own pods and policies decide, and of the rest only whether it arrives. Throws a
 * `PageError`.
 */
export function reach(source: ReachSource, viewer: Viewer, question: ReachQuestion): ReachAnswer {
  const { facts, compiled, book } = source;
  const port = portOf(question);
  const from = visiblePod(facts, viewer, ...namesOf(question.from, "from"));
  const target = targetOf(facts, viewer, question.to);
  const network = networkOf(facts, compiled, {
    holders: [from.holder, ...(target.kind === "pod" ? [target.pod.holder] : [])],
    addresses:
      target.kind === "address"
        ? [target.address.text]
        : target.kind === "service"
          ? backendAddresses(facts, target.service)
          : [],
  });
  try {
    const sender = podEndpoint(network, from.namespace, from.name);
    const connections = connectionsOf(network, book, sender, target, port, facts);
    return told(viewer, facts, sender, target, connections);
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    // The message of an end that is not found lists others.
    const message = isClusterWide(viewer) ? error.message : "an end has no port yet, or is not one end only";
    throw new PageError("invalid", message, { cause: error });
  }
}

function namesOf(text: string, parameter: string): [namespace: string, name: string] {
  const [namespace = "", name = "", ...more] = text.split("/");
  if (namespace === "" || name === "" || more.length > 0)
    throw new PageError("invalid", `${parameter} is to be NAMESPACE/POD`);
  return [namespace, name];
}

function portOf({ protocol = "", port = "" }: ReachQuestion): PortQuestion {
  if (protocol.length + port.length > 100) throw new PageError("invalid", "protocol and port are too long");
  const text = port === "" ? protocol || "icmp" : protocol === "" ? port : `${protocol}/${port}`;
  const parsed = parsePort(text);
  if (typeof parsed === "string") throw new PageError("invalid", parsed);
  return parsed;
}

function targetOf(facts: FactReader, viewer: Viewer, text: string): Target {
  const address = parseIp(text.replace(/^\[(.*)\]$/, "$1"));
  if (address !== undefined) {
    const service = facts.all("services").find(({ addresses }) => addresses.includes(address.text));
    if (service === undefined) return { kind: "address", address };
    if (!viewer.maySee(service.namespace))
      throw new PageError("forbidden", `${address.text} is of something that this account may not see`);
    return { kind: "service", service };
  }
  const parts = text.split("/");
  if (parts.length === 3 && parts[0] === "svc") {
    const [, namespace = "", name = ""] = parts;
    const service = viewer.maySee(namespace) ? facts.get("services", `${namespace}/${name}`) : undefined;
    if (service === undefined) throw notFound(`Service ${namespace}/${name}`);
    return { kind: "service", service };
  }
  if (parts.length !== 2) throw new PageError("invalid", "to is to be NAMESPACE/POD, svc/NAMESPACE/NAME or an address");
  return { kind: "pod", pod: visiblePod(facts, viewer, ...namesOf(text, "to")) };
}

/** An explained connection, and its trace. */
interface Connection {
  readonly explained: Explanation | undefined;
  readonly trace: Trace;
}

function connectionsOf(
  network: Network,
  book: PolicyIndex,
  from: Endpoint,
  target: Target,
  port: PortQuestion,
  facts: FactReader,
): readonly Connection[] {
  if (target.kind === "service") {
    const service = observed(facts, target.service, port);
    const answer = explainService(network, book, from, service);
    const traces = traceService(network, from, service, answer);
    const explained = traces.length > answer.backends.length ? [answer.virtual, ...answer.backends] : answer.backends;
    return traces.map((trace, i) => ({ trace, explained: explained[i] }));
  }
  const to =
    target.kind === "pod"
      ? podEndpoint(network, target.pod.namespace, target.pod.name)
      : addressEndpoint(network, target.address);
  const explained = explain(network, book, { from, to, port });
  return [{ explained, trace: traceExplained(network, explained, from, to) }];
}

function backendAddresses(facts: FactReader, { key }: ServiceFact): readonly string[] {
  return facts.by("endpointSlices", "service", key).flatMap(({ endpoints }) => endpoints.map(({ address }) => address));
}

/** The Service as `serviceTarget` reads it. */
function observed(facts: FactReader, service: ServiceFact, port: PortQuestion): ServiceTarget {
  const { namespace, name, key, addresses, nodeLocal, ports } = service;
  const spec = { clusterIPs: addresses, ports, internalTrafficPolicy: nodeLocal ? "Local" : "Cluster" };
  const slices = facts.by("endpointSlices", "service", key).map(({ endpoints, ports: own }) => ({
    ports: own,
    endpoints: endpoints.map(({ address, state, node }) => ({
      addresses: [address],
      conditions: { ready: state === "ready" },
      ...(node !== "" && { nodeName: node }),
    })),
  }));
  return serviceTarget({ metadata: { name, namespace }, spec }, slices, port);
}

function told(
  viewer: Viewer,
  facts: FactReader,
  from: Endpoint,
  target: Target,
  connections: readonly Connection[],
): ReachAnswer {
  const all = isClusterWide(viewer);
  const paths = connections.flatMap(({ explained, trace }) =>
    trace.paths.map((path, i): ReachPath => {
      const { family, source, destination, port, verdict } = path;
      const steps = explained?.paths[i]?.steps ?? [];
      const base = { family, source, destination, port, verdict };
      if (all) {
        return {
          ...base,
          ...(trace.service !== undefined && { service: trace.service }),
          steps: path.steps,
          ...(path.droppedBy !== undefined && { droppedBy: path.droppedBy }),
          ...(path.remedy !== undefined && { remedy: path.remedy }),
          decisions: steps.map((step) => decisionOf(step, true)),
        };
      }
      const seen = seesDestination(viewer, facts, destination);
      const own = steps.map((step) => ownDecision(viewer, step, from, seen));
      const denied = own.findLast((step) => step.verdict === "denied");
      const remedied = seen && denied?.policies.every((label) => isOwnLabel(viewer, label)) === true;
      return {
        ...base,
        steps: own.map(({ at, because, verdict: said }) => ({
          at,
          what: because,
          verdict: said === "allowed" ? "passes" : "dropped",
        })),
        ...(denied !== undefined && { droppedBy: `${denied.at}: ${denied.because}` }),
        ...(remedied && path.remedy !== undefined && { remedy: path.remedy }),
        decisions: own,
      };
    }),
  );
  const [first] = connections;
  const reached = paths.filter(({ verdict }) => verdict === "delivered" || verdict === "leaves").length;
  const uncertain = paths.some(({ verdict }) => verdict === "uncertain");
  const problem = connections.find(({ trace }) => trace.problem !== undefined)?.trace.problem;
  return {
    from: from.label,
    to: targetText(target, all ? first : undefined),
    port: first?.trace.port ?? "",
    verdict:
      paths.length > 0 && reached === paths.length
        ? "allowed"
        : reached > 0
          ? "partly"
          : uncertain
            ? "uncertain"
            : "denied",
    ...(problem !== undefined && { problem: all ? problem : "there is no path to follow" }),
    paths,
    warnings: [],
  };
}

function decisionOf(
  { what, at, verdict, because, policies, nearest, acl }: ExplainedStep,
  whole: boolean,
): ReachDecision {
  return {
    ...{ what, at, verdict, because, policies },
    nearest: nearest
      .slice(0, 5)
      .map((near) => `${near.policy}, ${near.rule}: ${near.allows} (the ${near.misses} does not match)`),
    ...(whole &&
      acl !== undefined && {
        acl: {
          ...{ uuid: acl.uuid, direction: acl.direction, tier: acl.tier },
          ...{ priority: acl.priority, action: acl.action, match: acl.match },
        },
      }),
  };
}

const HIDDEN = "decided by what this account may not see";

/** A decision as a viewer may be told of it who does not see everything: rules of others have names of others in them. */
function ownDecision(viewer: Viewer, step: ExplainedStep, from: Endpoint, seen: boolean): ReachDecision {
  const { what, verdict, acl, policies } = step;
  const atSender = what === "egress" && step.at === from.label;
  const atReceiver = what === "ingress" && seen;
  if (!atSender && !atReceiver) {
    const at = what === "route" ? "the network" : "the destination";
    return { what, at, verdict, because: HIDDEN, policies: [], nearest: [] };
  }
  const { nearest, because } = decisionOf(step, false);
  const own = acl?.policy === undefined || isOwnLabel(viewer, acl.policy);
  const rule = acl?.rule === undefined ? "" : `, ${acl.rule}`;
  return {
    what,
    at: atSender ? from.label : step.at,
    verdict,
    because: own ? because : `${verdict} by ${acl?.policy}${rule}`,
    policies,
    nearest: nearest.filter((text) => isOwnLabel(viewer, text.split(", ")[0] ?? "")),
  };
}

/** Whether a label (`NetworkPolicy shop/web`) is of a policy in a namespace that the viewer sees. */
function isOwnLabel(viewer: Viewer, label: string): boolean {
  const namespace = /^NetworkPolicy ([^/]+)\//.exec(label)?.[1];
  return namespace !== undefined && viewer.maySee(namespace);
}

/** Whether the holder of an address is a pod that the viewer sees. */
function seesDestination(viewer: Viewer, facts: FactReader, address: string): boolean {
  const holders = facts.by("ips", "address", address);
  return (
    holders.length > 0 &&
    holders.every(({ holder }) => {
      const namespace = namespaceOfHolder(holder);
      return namespace !== undefined && viewer.maySee(namespace);
    })
  );
}

/** The destination as it was asked for; with the holder of an address for those who see everything. */
function targetText(target: Target, connection: Connection | undefined): string {
  switch (target.kind) {
    case "pod":
      return target.pod.key;
    case "service":
      return `service ${target.service.key}`;
    case "address":
      return connection?.trace.to ?? target.address.text;
  }
}
