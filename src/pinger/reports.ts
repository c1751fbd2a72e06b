// SPDX-License-Identifier: Apache-2.0

import { PROBE_REPEAT_MS, PROBES_SUCCEEDED } from "../api/probe-events.ts";
import { failed, type MeshProbeResult } from "./round.ts";

/** What an Event says about the probes of a node. */
export interface ProbeReport {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** So many rounds in a row a probe must fail before it is reported: a pod that has just started is not reachable at once. */
const ROUNDS = 3;
/** Names in a message. */
const SHOWN = 8;

/** Kind of a probe → reason of its Event, and what does not answer. */
const KINDS: Readonly<Record<MeshProbeResult["kind"], readonly [reason: string, what: string]>> = {
  pod: ["ProbePodsFailed", "pods of this node do not reach pods on"],
  node: ["ProbeNodesFailed", "pods of this node do not reach the addresses of"],
  port: ["ProbePortsFailed", "pods of this node get no answer at"],
  external: ["ProbeExternalFailed", "pods of this node do not reach the addresses outside the cluster"],
  internalDns: ["ProbeDnsFailed", "the resolver of this node's pods does not resolve"],
  externalDns: ["ProbeExternalDnsFailed", "the resolver of this node's pods does not resolve"],
  apiServer: ["ProbeApiServerFailed", "pods of this node do not reach"],
};

/** Decides what is reported after each round: probes that keep failing, and that none does any more. */
export class ProbeReports {
  /** What does not answer, by kind → how often in a row. */
  readonly #failing = new Map<
    string,
    { readonly kind: MeshProbeResult["kind"]; readonly name: string; readonly rounds: number }
  >();
  /** Reason → the last message, and when. */
  readonly #reported = new Map<string, { readonly message: string; readonly at: number }>();

  /** The reports that are due. `now`: monotonic, ms. */
  after(results: readonly MeshProbeResult[], now: number): readonly ProbeReport[] {
    const before = new Map(this.#failing);
    this.#failing.clear();
    for (const result of results) {
      if (!failed(result)) continue;
      const { kind } = result;
      const name = nameOf(result);
      const key = `${kind} ${name}`;
      this.#failing.set(key, { kind, name, rounds: (before.get(key)?.rounds ?? 0) + 1 });
    }
    const lasting = [...this.#failing.values()].filter(({ rounds }) => rounds >= ROUNDS);
    const due: ProbeReport[] = [];
    const reasons = new Set<string>();
    for (const [kind, ones] of Map.groupBy(lasting, (one) => one.kind)) {
      const [reason, what] = KINDS[kind];
      const names = ones.map(({ name }) => name).toSorted();
      const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
      const message = `${what} ${names.slice(0, SHOWN).join(", ")}${more}`;
      reasons.add(reason);
      const last = this.#reported.get(reason);
      if (last?.message === message && now - last.at < PROBE_REPEAT_MS) continue;
      this.#reported.set(reason, { message, at: now });
      due.push({ type: "Warning", reason, message });
    }
    if (this.#reported.size > 0 && reasons.size === 0 && this.#failing.size === 0) {
      this.#reported.clear();
      due.push({
        type: "Normal",
        reason: PROBES_SUCCEEDED,
        message: "all probes of the network from a pod of this node succeed again",
      });
    }
    return due;
  }
}

/** What did not answer: a node of another prober, an address, a name. Pods of both families of a node are one. */
function nameOf(result: MeshProbeResult): string {
  switch (result.kind) {
    case "pod":
    case "node":
      return `${result.target.node} (${result.target.address.text})`;
    case "external":
      return result.target.address.text;
    case "port": {
      const { protocol, address, port } = result.target;
      const of = result.node === undefined ? "" : ` of ${result.node}`;
      return `${protocol} ${address.includes(":") ? `[${address}]` : address}:${port}${of}`;
    }
    case "apiServer":
      return "the API server";
    default:
      return result.name;
  }
}
