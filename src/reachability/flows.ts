// SPDX-License-Identifier: Apache-2.0

import { type SampledFlow, samplePoint } from "../api/sampling.ts";
import { MultiMap } from "../collections/multi-map.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { FactReader } from "../facts/store.ts";

/** One end of a flow. */
export interface FlowPeer {
  readonly address: string;
  /** `namespace/pod`, `node/name`; several where VPCs have the same addresses; none where no object has the address any more. */
  readonly holders: readonly string[];
}

/** A flow in Kubernetes' words. */
export interface NamedFlow {
  readonly from: FlowPeer;
  readonly to: FlowPeer;
  /** `TCP`, `UDP`, `SCTP`, `ICMP`, or the number. */
  readonly protocol: string;
  readonly port?: number;
  readonly verdict: "allowed" | "dropped" | "unknown";
  /** Whether the rule is of the sending or of the receiving end. */
  readonly at?: "egress" | "ingress";
  /** The policy that decided, as its ACL names it (`np/<namespace>/<name>`), and the rule of it; of ACLs with one number those of all, with `|` between. */
  readonly policy?: string;
  readonly rule?: string;
  /** ms since the epoch. */
  readonly first: number;
  readonly last: number;
  readonly packets: number;
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMP", 132: "SCTP" };

interface Rule {
  readonly verdict: NamedFlow["verdict"];
  readonly at?: "egress" | "ingress";
  readonly policy: string;
  readonly rule: string;
}

/** Gives flows the names of who has the addresses, and of the rules that decided. Built once for many flows; what it says is of the moment of the facts. */
export class FlowNames {
  readonly #holders = new MultiMap<string, string>();
  readonly #rules = new Map<number, Rule>();

  constructor(facts: FactReader, fragments: Iterable<Fragment>) {
    for (const { v4, v6, holder } of facts.all("ips")) {
      const name = holder.startsWith("node:") ? `node/${holder.slice("node:".length)}` : holder;
      for (const address of [v4, v6]) if (address !== "" && name !== "") this.#holders.add(address, name);
    }
    for (const { addresses, name } of facts.all("nodes"))
      for (const address of addresses) this.#holders.add(address, `node/${name}`);
    for (const { rows } of fragments) {
      for (const { table, label, columns } of rows) {
        const ids = columns["external_ids"];
        if (table !== "ACL" || typeof ids !== "object" || Array.isArray(ids)) continue;
        const { policy = "", rule = "" } = ids as Readonly<Record<string, string>>;
        if (policy === "") continue;
        this.#rule(samplePoint(label), {
          verdict: String(columns["action"]).startsWith("allow") ? "allowed" : "dropped",
          at: columns["direction"] === "to-lport" ? "ingress" : "egress",
          ...{ policy, rule },
        });
      }
    }
  }

  /** The flow with its names. */
  name({ point, from, to, protocol, port, first, last, packets }: SampledFlow): NamedFlow {
    return {
      from: { address: from, holders: this.#holders.list(from) },
      to: { address: to, holders: this.#holders.list(to) },
      protocol: PROTOCOLS[protocol] ?? String(protocol),
      ...(port !== 0 && { port }),
      ...(this.#rules.get(point) ?? { verdict: "unknown" as const }),
      ...{ first, last, packets },
    };
  }

  #rule(point: number, found: Rule): void {
    const known = this.#rules.get(point);
    if (known === undefined) {
      this.#rules.set(point, found);
      return;
    }
    this.#rules.set(point, {
      verdict: known.verdict === found.verdict ? found.verdict : "unknown",
      ...(known.at === found.at && { at: found.at }),
      policy: `${known.policy}|${found.policy}`,
      rule: `${known.rule}|${found.rule}`,
    });
  }
}

/** Whether one of the ends is a pod of the namespace. */
export function isOfNamespace({ from, to }: NamedFlow, namespace: string): boolean {
  return [...from.holders, ...to.holders].some((holder) => holder.startsWith(`${namespace}/`));
}
