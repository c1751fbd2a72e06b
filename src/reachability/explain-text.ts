// SPDX-License-Identifier: Apache-2.0

import type { ExplainedAcl, ExplainedPath, ExplainedStep, Explanation } from "./explain.ts";
import type { NearMiss } from "./near-misses.ts";
import type { ServiceExplanation } from "./service.ts";

/** The number of near misses that are printed; all are in the JSON. */
const SHOWN = 5;

/** An explanation as text, in complete lines. */
export function formatExplanation(answer: Explanation): string {
  const head = `${headline(answer)}  ${answer.from} → ${answer.to}  ${answer.port}`;
  return `${[head, ...body(answer)].join("\n")}\n`;
}

function headline({ verdict, paths }: Explanation): string {
  const families = paths.filter((path) => path.verdict === "allowed").map((path) => path.family);
  const partly = verdict === "denied" && families.length > 0;
  return partly ? `DENIED (allowed over ${families.join(" and ")} only)` : verdict.toUpperCase();
}

/** The same for a Service. */
export function formatServiceExplanation(answer: ServiceExplanation): string {
  const { verdict, from, to, port, translatedBy, virtual, backends, problem } = answer;
  const reached = backends.filter((one) => one.verdict === "allowed").length;
  const lines = [`${verdict.toUpperCase()}  ${from} → ${to}  ${port}`];
  if (problem !== undefined) lines.push("", problem);
  else {
    const closed = virtual?.verdict === "denied" ? "the Service's own address is denied; behind it, " : "";
    lines.push("", `${closed}${reached} of ${backends.length} backends can be reached; ${TRANSLATION[translatedBy]}`);
  }
  const parts = virtual === undefined ? backends : [virtual, ...backends];
  for (const part of parts) {
    lines.push("", `${mark(part.verdict)} ${part.from} → ${part.to}  ${part.port}`, ...indented(body(part)));
  }
  return `${lines.join("\n")}\n`;
}

const TRANSLATION = {
  OVN: "OVN balances the load, and policies are evaluated for each backend's own address",
  none: "it has no address of its own, and clients choose a backend by name",
  node: "the node balances the load: egress from the pod is evaluated for the Service's address, and backends see the node's",
};

function body({ problem, paths }: Explanation): readonly string[] {
  if (problem !== undefined) return ["", problem];
  const lines: string[] = [];
  for (const [i, path] of paths.entries()) {
    const head = `${path.family}  ${path.source} → ${path.destination}`;
    const alike = paths.slice(0, i).find((other) => sameAnswer(other, path));
    if (alike !== undefined) lines.push("", `${head}: ${path.verdict} in the same way`);
    else lines.push("", head, ...indented(path.steps.length === 0 ? [UNJUDGED] : path.steps.flatMap(stepLines)));
  }
  return lines;
}

const UNJUDGED = "✓ no policy decides this";

function sameAnswer(a: ExplainedPath, b: ExplainedPath): boolean {
  const essence = ({ steps, verdict }: ExplainedPath): string =>
    JSON.stringify([verdict, steps.map((step) => [step.what, step.at, step.verdict, step.because, step.nearest])]);
  return essence(a) === essence(b);
}

function stepLines({ what, at, verdict, because, acl, passed, policies, nearest }: ExplainedStep): readonly string[] {
  const title = what === "route" ? at : `${what} ${what === "egress" ? "from" : "to"} ${at}`;
  const lines = [`${mark(verdict)} ${title}: ${because}`];
  const detail: string[] = [];
  for (const each of passed) detail.push(`passed on by ${who(each)}`, ...indented(aclLines(each)));
  if (acl !== undefined) detail.push(...aclLines(acl));
  if (policies.length > 0) detail.push(`applying to it: ${policies.join(", ")}`);
  if (nearest.length > 0) detail.push("nearest to allowing it:", ...indented(nearest.slice(0, SHOWN).map(missLine)));
  if (nearest.length > SHOWN) detail.push(`  and ${nearest.length - SHOWN} more (-o json has all)`);
  return [...lines, ...indented(indented(detail))];
}

function missLine({ policy, rule, allows, misses }: NearMiss): string {
  const what = misses === "port" ? "the peer matches, the port does not" : "the port matches, the peer does not";
  return `${policy}, ${rule}: ${allows} (${what})`;
}

function aclLines({ name, uuid, direction, tier, priority, action, match, groups }: ExplainedAcl): readonly string[] {
  const meanings = Object.entries(groups).map(([group, text]) => `${group}: ${text}`);
  return [
    `ACL ${name} (${uuid}): ${direction}, tier ${tier}, priority ${priority}, ${action}`,
    ...indented([match, ...meanings]),
  ];
}

function who({ policy, rule, name }: ExplainedAcl): string {
  return policy === undefined ? `ACL ${name}` : rule === undefined ? policy : `${policy}, ${rule}`;
}

function mark(verdict: "allowed" | "denied"): string {
  return verdict === "allowed" ? "✓" : "✗";
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line === "" ? line : `  ${line}`));
}
