// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../kube/kube.ts";
import { EndpointError } from "../reachability/endpoint.ts";
import { explain } from "../reachability/explain.ts";
import type { PathOutcome } from "../reachability/itinerary.ts";
import { type PortQuestion, parsePort } from "../reachability/port.ts";
import { explainService } from "../reachability/service.ts";
import { type Trace, traceExplained, traceService } from "../reachability/traces.ts";
import { buildClusterModel, readObjects } from "./cluster-model.ts";
import { findSources, findTarget, parseEndpoint } from "./endpoint-arguments.ts";
import type { ExplainReport } from "./explain.ts";

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
      return [
        traceExplained(network, explain(network, book, { from: source, to: endpoint, port: asked }), source, endpoint),
      ];
    }
    return traceService(network, source, target.service, explainService(network, book, source, target.service));
  });
  return {
    data: traces.length === 1 ? traces[0] : traces,
    text: traces.map(formatTrace).join("\n"),
    ok: traces.every(({ verdict }) => verdict === "delivered" || verdict === "leaves"),
    warnings,
  };
}

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
