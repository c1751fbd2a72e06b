// SPDX-License-Identifier: Apache-2.0

import { rangesOfServices } from "../compile/service/service-ranges.ts";
import type { PodFact } from "../facts/pod.ts";
import type { ServiceFact } from "../facts/service.ts";
import type { FactReader } from "../facts/store.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
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

/** Of a Service with more endpoints the first ones are followed: each takes a millisecond of CPU. */
const MAX_BACKENDS = 50;

type Target =
  | { readonly kind: "pod"; readonly pod: PodFact }
  | { readonly kind: "address"; readonly address: Ip }
  | { readonly kind: "service"; readonly service: ServiceFact };

/** The endpoints that are followed, and the number of those that are not. */
interface Followed {
  readonly target: ServiceTarget;
  readonly more: number;
}

/**
 * Whether one end reaches the other, why, and by which steps. Who does not see everything is told what their own pods and policies decide, and of the rest only whether it arrives. Throws a
 * `PageError`.
 */
export function reach(source: ReachSource, viewer: Viewer, question: ReachQuestion): ReachAnswer {
  const { facts, compiled, book } = source;
  const port = portOf(question);
  const from = visiblePod(facts, viewer, ...namesOf(question.from, "from"));
  const target = targetOf(facts, viewer, question.to);
  try {
    const service = target.kind === "service" ? observed(facts, target.service, port, from.node) : undefined;
    const followed = target.kind === "service" ? service?.target : target;
    if (followed === undefined) throw notFound(question.to);
    const network = networkOf(facts, compiled, {
      holders: [from.holder, ...(target.kind === "pod" ? [target.pod.holder] : [])],
      addresses:
        target.kind === "address"
          ? [target.address.text]
          : (service?.target.backends.map(({ address }) => address.text) ?? []),
    });
    const sender = podEndpoint(network, from.namespace, from.name);
    const connections = connectionsOf(network, book, sender, followed, port);
    const more = service?.more ?? 0;
    return told(viewer, facts, sender, target, {
      connections,
      warnings: more === 0 ? [] : [`${more} more endpoints of the Service were not followed`],
    });
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
    const service = facts
      .all("services")
      .find(({ addresses, namespace }) => addresses.includes(address.text) && viewer.maySee(namespace));
    if (service !== undefined) return { kind: "service", service };
    // Whether or not a hidden Service has it.
    if (!viewer.sees.allNamespaces && isServiceAddress(facts, address))
      throw new PageError("forbidden", `${address.text} is of no Service that this account may see`);
    return { kind: "address", address };
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

function isServiceAddress(facts: FactReader, address: Ip): boolean {
  return rangesOfServices(facts).some((text) => {
    const range = parseCidr(text);
    return range !== undefined && cidrContains(range, address);
  });
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
  target: Exclude<Target, { kind: "service" }> | ServiceTarget,
  port: PortQuestion,
): readonly Connection[] {
  if (!("kind" in target)) {
    const answer = explainService(network, book, from, target);
    const traces = traceService(network, from, target, answer);
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

/** The Service as `serviceTarget` reads it, for a client on `node`. */
function observed(facts: FactReader, service: ServiceFact, port: PortQuestion, node: string | undefined): Followed {
  const { namespace, name, key, addresses, nodeLocal, ports } = service;
  const spec = { clusterIPs: addresses, ports, internalTrafficPolicy: nodeLocal ? "Local" : "Cluster" };
  const slices = facts.by("endpointSlices", "service", key).map(({ endpoints, ports: own }) => ({
    ports: own,
    endpoints: endpoints.map(({ address, state, node: at }) => ({
      addresses: [address],
      conditions: { ready: state === "ready" },
      ...(at !== "" && { nodeName: at }),
    })),
  }));
  const target = serviceTarget({ metadata: { name, namespace }, spec }, slices, port);
  const { backends, local } = target;
  // Only these are used, so they are the first.
  const near = local ? backends.filter((backend) => backend.node === node) : backends;
  const used = near.length > 0 ? near : backends;
  return {
    target: { ...target, backends: used.slice(0, MAX_BACKENDS) },
    more: Math.max(0, used.length - MAX_BACKENDS),
  };
}

function told(
  viewer: Viewer,
  facts: FactReader,
  from: Endpoint,
  target: Target,
  { connections, warnings }: { readonly connections: readonly Connection[]; readonly warnings: readonly string[] },
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
      const own = steps.map((step) => ownDecision(viewer, step, from, seen ? explained?.to : undefined));
      const denied = own.findLast((step) => step.verdict === "denied");
      const remedied =
        seen && denied?.because !== HIDDEN && denied?.policies.every((label) => isOwnLabel(viewer, label)) === true;
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
    warnings,
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

/**
 * A decision as a viewer may be told of it who does not see everything: rules of others have names of others in them. `to`: the destination, if the viewer sees it; what is between the two may be
 * another's pod that forwards the packet.
 */
function ownDecision(viewer: Viewer, step: ExplainedStep, from: Endpoint, to: string | undefined): ReachDecision {
  const { what, verdict, acl, policies } = step;
  const atSender = what === "egress" && step.at === from.label;
  const atReceiver = what === "ingress" && step.at === to;
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
