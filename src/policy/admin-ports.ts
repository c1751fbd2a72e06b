// SPDX-License-Identifier: Apache-2.0

import type { AdminPortFact } from "../facts/admin-policy.ts";
import type { ReportProblem } from "./admin-peers.ts";
import type { PolicyRule, PolicyRuleAction, PortMatch, Protocol } from "./types.ts";

/** The ports of a rule. */
export interface TranslatedPorts {
  readonly match: PolicyRule["ports"];
  /** Ports by number. */
  readonly unnamed: PolicyRule["ports"];
  /** The number of named ports. */
  readonly names: number;
  /** Whether all ports are valid. */
  readonly clear: boolean;
}

const PROTOCOLS: readonly Protocol[] = ["TCP", "UDP", "SCTP"];

/** Translates the ports of a rule. If one is invalid, an Allow does not match it, and any other rule matches all ports. */
export function translatePorts(
  ports: readonly AdminPortFact[] | undefined,
  { action, path }: { readonly action: PolicyRuleAction; readonly path: string },
  report: ReportProblem,
): TranslatedPorts {
  if (ports === undefined) return { match: "any", unnamed: "any", names: 0, clear: true };
  const closed = action === "allow-related" ? "the port matches nothing" : "the rule denies all ports";
  const match: PortMatch[] = [];
  let clear = true;
  const unclear = (at: string, reason: string, message: string): void => {
    clear = false;
    report(at, reason, `${message}; ${closed}`);
  };
  if (ports.length === 0) unclear(path, "InvalidPort", "must have at least one port, or be absent");
  for (const [i, { protocol = "TCP", first, last, name }] of ports.entries()) {
    const at = `${path}[${i}]`;
    if (name !== undefined) match.push(...PROTOCOLS.map((protocol) => ({ kind: "named" as const, protocol, name })));
    else if (!isProtocol(protocol)) {
      unclear(at, "InvalidProtocol", `${JSON.stringify(protocol)} must be one of: ${PROTOCOLS.join(", ")}`);
    } else if (first === undefined || last === undefined) {
      unclear(at, "InvalidPort", "must have a number, a range or a name");
    } else if (!isPort(first) || !isPort(last) || last < first) {
      const text = first === last ? `${first} is not a valid port` : `${first} to ${last} is not a valid port range`;
      unclear(at, "InvalidPort", `${text}; ports are 1 to 65535`);
    } else match.push({ kind: "range", protocol, first, last });
  }
  if (!clear && action !== "allow-related") return { match: "any", unnamed: "any", names: 0, clear };
  const unnamed = match.filter(({ kind }) => kind !== "named");
  return { match, unnamed, names: match.length - unnamed.length, clear };
}

function isProtocol(text: string): text is Protocol {
  return (PROTOCOLS as readonly string[]).includes(text);
}

function isPort(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= 65535;
}
