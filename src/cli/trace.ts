// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../kube/kube.ts";
import { parseIp } from "../net/address.ts";
import { addressEndpoint, type Endpoint, EndpointError } from "../reachability/endpoint.ts";
import { type Explanation, explain } from "../reachability/explain.ts";
import { type Itinerary, itinerary, type PathOutcome } from "../reachability/itinerary.ts";
import type { Network } from "../reachability/network.ts";
import { type PortQuestion, parsePort } from "../reachability/port.ts";
import { probing } from "../reachability/probe.ts";
import { explainService, type ServiceTarget } from "../reachability/service.ts";
import { buildClusterModel, readObjects } from "./cluster-model.ts";
import { findSources, findTarget, parseEndpoint } from "./endpoint-arguments.ts";
import type { ExplainReport } from "./explain.ts";

/** The path to one destination: the given one, or a backend of a Service. */
export interface Trace {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  /** Of several paths, the worst. */
  readonly verdict: PathOutcome;
  /** The translation of a Service, if one is on the path. */
  readonly service?: string;
  readonly paths: readonly Itinerary[];
  /** Why there is no path to follow. */
  readonly problem?: string;
}

/** The forms of the arguments PROTO and PORT: as in `kubectl ko trace`, or as in `policy explain`. */
export function portArgument(protocol: string | undefined, port: string | undefined): PortQuestion {
  const text = protocol === undefined ? "icmp" : port === undefined ? protocol : `${protocol}/${port}`;
  const parsed = parsePort(text);
  if (typeof parsed === "string") throw new EndpointError(parsed);
  return parsed;
}

/** Answers `trace POD DEST [PROTO PORT]`. Rejects with an `EndpointError` or a `KubeError`. */
export async function traceCommand(
  kube: Kube,
  namespace: string,
  [from, to, protocol, port]: readonly [
    from: string,
    to: string,
    protocol?: string | undefined,
    port?: string | undefined,
  ],
): Promise<ExplainReport> {
  const asked = portArgument(protocol, port);
  const [fromEnd, toEnd] = [parseEndpoint(from, namespace), parseEndpoint(to, namespace)];
  const { network, book, warnings } = buildClusterModel(await readObjects(kube));
  const [sources, target] = await Promise.all([
    findSources(kube, network, fromEnd),
    findTarget(kube, network, toEnd, asked),
  ]);
  const traces = sources.flatMap((source): readonly Trace[] => {
    if ("endpoint" in target) {
      const { endpoint } = target;
      return [traced(network, explain(network, book, { from: source, to: endpoint, port: asked }), source, endpoint)];
    }
    return throughService(network, source, target.service, explainService(network, book, source, target.service));
  });
  return {
    data: traces.length === 1 ? traces[0] : traces,
    text: traces.map(formatTrace).join("\n"),
    ok: traces.every(({ verdict }) => verdict === "delivered" || verdict === "leaves"),
    warnings,
  };
}

function throughService(
  network: Network,
  from: Endpoint,
  { label, virtual, port }: ServiceTarget,
  answer: ReturnType<typeof explainService>,
): readonly Trace[] {
  const { translatedBy, problem, backends, verdict } = answer;
  const asked = { from: from.label, to: label, port: answer.port };
  if (problem !== undefined) return [{ ...asked, verdict: "dropped", paths: [], problem }];
  const virtuals = Object.values(virtual)
    .flatMap((ip) => ip?.text ?? [])
    .join(", ");
  const who = { OVN: "OVN, in the pod's switch,", node: "the pod's node", none: "no component" }[translatedBy];
  const first = answer.virtual;
  const blocked =
    first?.verdict === "denied" && verdict === "denied"
      ? [traced(network, first, from, { ...from, label, kind: "address", place: undefined } as Endpoint)]
      : [];
  return [
    ...blocked,
    ...backends.map((one): Trace => {
      const address = parseIp(one.paths[0]?.destination ?? "");
      const endpoint = address === undefined ? from : addressEndpoint(network, address);
      const service = `${label} ${virtuals}${"port" in port ? ` port ${port.port}` : ""}: ${who} chooses ${one.to}`;
      return { ...traced(network, one, from, endpoint), service };
    }),
  ];
}

function traced(network: Network, answer: Explanation, from: Endpoint, to: Endpoint): Trace {
  const { verdict, problem, paths, port } = answer;
  const sender = probing(network, from, to);
  const ends = { from: "problem" in sender ? from : sender, to };
  const ways = paths.map((path) => itinerary(network, path, ends));
  const worst = OUTCOMES.find((outcome) => ways.some((way) => way.verdict === outcome)) ?? "dropped";
  return {
    from: answer.from,
    to: answer.to,
    port,
    verdict: verdict === "allowed" ? worst : "dropped",
    paths: ways,
    ...(problem !== undefined && { problem }),
  };
}

/** The worst first. */
const OUTCOMES: readonly PathOutcome[] = ["dropped", "uncertain", "leaves", "delivered"];
const ENDINGS: Readonly<Record<Exclude<PathOutcome, "dropped">, string>> = {
  delivered: "Delivered.",
  leaves: "Leaves the cluster.",
  uncertain: "Nothing drops it, but it may not arrive: see the steps marked ?.",
};

const MARKS = { passes: "✓", dropped: "✗", unknown: "?", outside: "·" } as const;

/** A trace as text, in complete lines. */
export function formatTrace({ from, to, port, service, verdict, paths, problem }: Trace): string {
  const lines = [`${from} → ${to}  ${port}`];
  if (service !== undefined) lines.push(`  ${service}`);
  for (const path of paths) {
    lines.push("", `${path.family}  ${path.source} → ${path.destination}`);
    for (const { at, what, verdict: mark } of path.steps) lines.push(`  ${MARKS[mark]} ${at}: ${what}`);
    if (path.verdict !== "dropped") lines.push(`  ${ENDINGS[path.verdict]}`);
    else {
      lines.push(`  Dropped by ${path.droppedBy}.`);
      if (path.remedy !== undefined)
        lines.push(...`To allow it: ${path.remedy}`.split("\n").map((line) => `  ${line}`));
    }
  }
  if (problem !== undefined) lines.push("", `${verdict === "dropped" ? "Dropped: " : ""}${problem}.`);
  return `${lines.join("\n")}\n`;
}
