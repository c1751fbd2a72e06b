// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import { groupText } from "../policy/group.ts";
import { vpcsNear } from "../policy/pod-vpcs.ts";
import type { Direction } from "../policy/types.ts";
import type { Acl } from "./acls.ts";
import { aclOwner, DENY_ALL_ID, decisionText } from "./decision-text.ts";
import { type Endpoint, podEndpointOf } from "./endpoint.ts";
import { type NearMiss, nearAcls, nearMisses } from "./near-misses.ts";
import type { Network } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";
import type { PolicyIndex } from "./policy-index.ts";
import { type PacketPort, type PortQuestion, packetPort, portQuestionText, resolvePort } from "./port.ts";
import { probing } from "./probe.ts";
import { type Place, type TraceQuestion, type TraceStep, tracePacket } from "./trace.ts";

/** An ACL that contributed to the decision, as in the northbound database. */
export interface ExplainedAcl {
  readonly uuid: string;
  readonly name: string;
  readonly direction: Acl["direction"];
  readonly tier: number;
  readonly priority: number;
  readonly action: Acl["action"];
  readonly match: string;
  /** The policy's name for users; absent if it belongs to no policy. */
  readonly policy?: string;
  /** The path in the policy: `spec.ingress[0]`. */
  readonly rule?: string;
  /** The groups that the match names → their members. */
  readonly groups: Readonly<Record<string, string>>;
}

/** The decision at one place on the packet's path. */
export interface ExplainedStep {
  readonly what: "egress" | "ingress" | "route";
  /** The place: `default/web`, `node weft-1`, `router ovn-cluster`. */
  readonly at: string;
  readonly verdict: "allowed" | "denied";
  /** A text that names the deciding rule; see `decision-text.ts`. */
  readonly because: string;
  readonly acl?: ExplainedAcl;
  /** The ACLs that left the decision to a later tier. */
  readonly passed: readonly ExplainedAcl[];
  /** The policies that apply to the pod in this direction. */
  readonly policies: readonly string[];
  /** Rules that would have allowed it except for one condition; only if no rule allows it. */
  readonly nearest: readonly NearMiss[];
}

/** One packet's path. */
export interface ExplainedPath {
  readonly family: "IPv4" | "IPv6";
  readonly source: string;
  readonly destination: string;
  readonly port: string;
  readonly verdict: "allowed" | "denied";
  readonly steps: readonly ExplainedStep[];
}

/** The answer for two ends: a path for each IP family that both have. */
export interface Explanation {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly verdict: "allowed" | "denied";
  readonly paths: readonly ExplainedPath[];
  /** Why there is no path to follow, if so. */
  readonly problem?: string;
}

/** The question to explain. */
export interface ExplainRequest {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly port: PortQuestion;
  /** The Service's addresses and port, if OVN has translated them to `to` and `port`. */
  readonly dialled?: { readonly virtual: Dual<Ip>; readonly port: PortQuestion };
}

/**
 * Whether one end reaches the other, and why, by the desired state alone: no packet is sent. Pure. The result is
 * allowed only if all families that both ends have are allowed.
 */
export function explain(network: Network, book: PolicyIndex, request: ExplainRequest): Explanation {
  const { to, port: asked, dialled } = request;
  const from = probing(network, request.from, to);
  const port = resolvePort(asked, to.pod);
  const head = {
    from: request.from.label,
    to: to.label,
    port: portQuestionText(typeof port === "string" ? asked : port),
  };
  const denied = (problem: string): Explanation => ({ ...head, verdict: "denied", paths: [], problem });
  if (typeof port === "string") return denied(port);
  if ("problem" in from) return denied(from.problem);
  if (to.vacant !== undefined) return denied(`no pod has ${to.label}; it is an address of subnet ${to.vacant}`);
  const paths = (["v4", "v6"] as const).flatMap((family) => {
    const [source, destination] = [from.source[family], to.destination[family]];
    if (source === undefined || destination === undefined) return [];
    const virtual = dialled?.virtual[family];
    const sentTo = virtual && dialled && { destination: virtual, ...packetPort(dialled.port, source.family) };
    const ends = { from, to, source, destination, ...(sentTo && { dialled: sentTo }) };
    return explainPath(network, book, ends, packetPort(port, source.family), head.port);
  });
  if (paths.length === 0) return denied(`${from.label} and ${to.label} have no IP family in common`);
  const allowed = paths.every((path) => path.verdict === "allowed");
  return { ...head, verdict: allowed ? "allowed" : "denied", paths };
}

interface Ends {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly source: Ip;
  readonly destination: Ip;
  readonly dialled?: NonNullable<TraceQuestion["dialled"]>;
}

/** One packet's path, explained. */
export function explainPath(
  network: Network,
  book: PolicyIndex,
  ends: Ends,
  packet: PacketPort,
  port: string,
): ExplainedPath {
  const { from, to, source, destination, dialled } = ends;
  const question = { from: from.place, to: to.place, source, destination, ...packet, ...(dialled && { dialled }) };
  const { allowed, steps } = tracePacket(network, question);
  const explained = combine(steps).flatMap((step) => explainStep(network, book, step, ends, packet) ?? []);
  return {
    family: source.family === 4 ? "IPv4" : "IPv6",
    source: source.text,
    destination: destination.text,
    port,
    verdict: allowed ? "allowed" : "denied",
    steps: explained,
  };
}

/** One decision for each port and direction: egress is evaluated in two stages, and either may deny. */
function combine(steps: readonly TraceStep[]): readonly TraceStep[] {
  const combined: TraceStep[] = [];
  for (const step of steps) {
    const last = combined.at(-1);
    const again = step.kind === "acls" && last?.kind === "acls" && last.port === step.port;
    if (!again || last.stage === "to-lport" || step.stage === "to-lport") combined.push(step);
    else {
      const passedBy = [...last.decision.passedBy, ...step.decision.passedBy];
      const decided = step.decision.by === undefined ? last : step;
      combined[combined.length - 1] = { ...decided, decision: { ...decided.decision, passedBy } };
    }
  }
  return combined;
}

function explainStep(
  network: Network,
  book: PolicyIndex,
  step: TraceStep,
  ends: Ends,
  packet: PacketPort,
): ExplainedStep | undefined {
  if (step.kind === "no-route") return { ...ROUTE, at: "the network", verdict: "denied", because: step.message };
  if (step.kind === "peering") {
    const { router, by } = step;
    const because = `goes to VPC ${by.router} by their peering (port ${by.port})`;
    return { ...ROUTE, at: `router ${router}`, verdict: "allowed", because };
  }
  if (step.kind === "route") {
    const { nexthops, action } = step.by;
    const ports = nexthops.flatMap((hop) => network.withAddress(hop));
    const node = ports.find((port) => port.pod === undefined);
    const pod = ports.find(
      (port) => port.pod !== undefined && network.uplink(port.switch)?.router === step.router,
    )?.pod;
    const towards = node?.name.startsWith("node-") ? `by node ${node.name.slice("node-".length)}` : nexthops.join(", ");
    const because =
      action === "drop"
        ? `dropped by policy route ${step.by.label} (priority ${step.by.priority})`
        : pod !== undefined
          ? `goes to pod ${pod}, which must forward it (policy route ${step.by.label})`
          : `leaves ${towards} (policy route ${step.by.label})`;
    return { ...ROUTE, at: `router ${step.router}`, verdict: step.allowed ? "allowed" : "denied", because };
  }
  const what: Direction = step.stage === "to-lport" ? "ingress" : "egress";
  const end = endAt(ends, step.port) ?? forwarderAt(network, step.port);
  const { decision } = step;
  const { by } = decision;
  // A router's port is only shown if something decides there.
  if (end === undefined && by === undefined) return undefined;
  const applying = end?.pod === undefined ? [] : book.applyingTo(end.pod, what);
  const groups = network.securityGroups(step.port).map((name) => `SecurityGroup ${name}`);
  const labels = [...applying.map(({ label }) => label), ...groups];
  const denied = decision.verdict !== "allow";
  const other = what === "egress" ? ends.destination : ends.source;
  const unruled = denied && by?.externalIds["rule"] === `${what}/isolation`;
  const nearest = (): readonly NearMiss[] => {
    if (by?.externalIds["policy"] !== DENY_ALL_ID) {
      const vpcs = vpcsNear(network.facts, step.port.switch);
      return nearMisses(network, applying, { direction: what, packet, other, vpcs, receiver: ends.to.pod });
    }
    const { source, destination, dialled } = ends;
    const sent = { inport: ends.from.place?.name ?? "", source, destination, ...packet };
    const whole = what === "egress" ? { ...sent, ...dialled } : { ...sent, outport: step.port.name };
    return nearAcls(network, network.listsOf(step.port)[step.stage], whole, (acl) => {
      const { policy, rule } = aclOwner(book, acl);
      return policy?.startsWith("SecurityGroup ") && rule?.startsWith("spec.") ? { policy, rule } : undefined;
    });
  };
  return {
    what,
    at: end?.label ?? `the router of subnet ${step.port.switch}`,
    verdict: denied ? "denied" : "allowed",
    because: decisionText(book, what, decision, labels, end),
    ...(by !== undefined && { acl: explainAcl(network, book, by) }),
    // That a tier without a decision passes to the next is not a rule of a policy.
    passed: decision.passedBy.flatMap((acl) =>
      acl.externalIds["policy"] === undefined || isOfSameRule(acl, by) ? [] : explainAcl(network, book, acl),
    ),
    policies: labels,
    nearest: unruled ? nearest() : [],
  };
}

/** A NetworkPolicy allows egress in two tiers. */
function isOfSameRule({ externalIds }: Acl, other: Acl | undefined): boolean {
  return (["policy", "rule"] as const).every((id) => externalIds[id] === other?.externalIds[id]);
}

const ROUTE = { what: "route", passed: [], policies: [], nearest: [] } as const;

function endAt({ from, to }: Ends, port: Place): Endpoint | undefined {
  return port === from.place ? from : port === to.place ? to : undefined;
}

/** A pod on the path that forwards the packet. */
function forwarderAt(network: Network, port: NetworkPort): Endpoint | undefined {
  const pod = port.pod === undefined ? undefined : network.facts.get("pods", port.pod);
  return pod && podEndpointOf(pod, port);
}

function explainAcl(network: Network, book: PolicyIndex, acl: Acl): ExplainedAcl {
  const { uuid, name, direction, tier, priority, action, match } = acl;
  const names = [...new Set(match.match(/weft\.[a-z]+\.[0-9a-f]+/g) ?? [])].sort();
  const groups = names.flatMap((group) => {
    const meaning = network.facts.get("groups", group)?.group;
    return meaning === undefined ? [] : [[group, groupText(meaning)] as const];
  });
  return {
    uuid,
    name,
    direction,
    tier,
    priority,
    action,
    match,
    groups: Object.fromEntries(groups),
    ...aclOwner(book, acl),
  };
}
