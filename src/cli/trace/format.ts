// SPDX-License-Identifier: Apache-2.0

import type { ItineraryStep, PathOutcome } from "../../reachability/itinerary.ts";
import type { Trace } from "../../reachability/traces.ts";
import type { NodePath } from "./on-nodes.ts";
import { formatPackets } from "./packets.ts";
import type { TraceWithPackets } from "./with-packets.ts";

const ENDINGS: Readonly<Record<Exclude<PathOutcome, "dropped">, string>> = {
  delivered: "Delivered.",
  leaves: "Leaves the cluster.",
  uncertain: "Nothing drops it, but it may not arrive: see the steps marked ?.",
};

const MARKS = { passes: "✓", dropped: "✗", unknown: "?", outside: "·" } as const;

/**
 * A trace as text, in complete lines. What its steps say is decided elsewhere: which policy dropped the packet in `src/reachability/decision-text.ts`, how to allow it in
 * `src/reachability/remedy.ts`.
 */
export function formatTrace(trace: Trace | TraceWithPackets): string {
  const { from, to, port, service, verdict, paths, problem } = trace;
  const lines = [`${from} → ${to}  ${port}`];
  const add = ({ at, what, verdict: mark }: ItineraryStep): unknown => lines.push(`  ${MARKS[mark]} ${at}: ${what}`);
  if (service !== undefined) lines.push(`  ${service}`);
  for (const path of paths as readonly NodePath[]) {
    lines.push("", `${path.family}  ${path.source} → ${path.destination}`);
    path.steps.forEach(add);
    if (path.nodes !== undefined) {
      lines.push("  On the nodes, by the flows of Open vSwitch:");
      path.nodes.steps.forEach(add);
    }
    if (path.disagreement !== undefined) lines.push(`  ? ${path.disagreement}`);
    if (path.verdict !== "dropped") lines.push(`  ${ENDINGS[path.verdict]}`);
    else {
      lines.push(`  Dropped by ${path.droppedBy}.`);
      if (path.remedy !== undefined)
        lines.push(
          ...`${path.disagreement === undefined ? "To allow it" : "What to do"}: ${path.remedy}`
            .split("\n")
            .map((line) => `  ${line}`),
        );
    }
  }
  if ("packets" in trace) {
    lines.push("", "Real packets:", ...trace.packets.map((report) => `  ${formatPackets(report)}`));
    if (trace.packetsDisagree !== undefined) lines.push(`  ? ${trace.packetsDisagree}`);
  }
  if (problem !== undefined) lines.push("", `${verdict === "dropped" ? "Dropped: " : ""}${problem}.`);
  return `${lines.join("\n")}\n`;
}
