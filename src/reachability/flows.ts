// SPDX-License-Identifier: Apache-2.0

import type { SampledFlow } from "../api/sampling.ts";
import { MultiMap } from "../collections/multi-map.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { FactReader } from "../facts/store.ts";
import { decisionOf, type FlowDecision, type FlowRules, flowRules } from "./flow-rules.ts";

/** One end of a flow. */
export interface FlowPeer {
  readonly address: string;
  /** `namespace/pod`, `node/name`; several where VPCs have the same addresses; none where no object has the address any more. */
  readonly holders: readonly string[];
}

/** A flow in Kubernetes' words. */
export interface NamedFlow extends FlowDecision {
  readonly from: FlowPeer;
  readonly to: FlowPeer;
  /** See {@link protocolName}. */
  readonly protocol: string;
  readonly port?: number;
  /** ms since the epoch. */
  readonly first: number;
  readonly last: number;
  readonly packets: number;
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMP", 132: "SCTP" };

/** `TCP`, `UDP`, `SCTP`, `ICMP`, or the number. */
export function protocolName(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol);
}

/** Gives flows the names of who has the addresses, and of the rules that decided. Built once for many flows; what it says is of the moment of the facts. */
export class FlowNames {
  readonly #holders = new MultiMap<string, string>();
  readonly #rules: FlowRules;

  constructor(facts: FactReader, fragments: Iterable<Fragment>) {
    for (const { v4, v6, holder } of facts.all("ips")) {
      const name = holder.startsWith("node:") ? `node/${holder.slice("node:".length)}` : holder;
      for (const address of [v4, v6]) if (address !== "" && name !== "") this.#holders.add(address, name);
    }
    for (const { addresses, name } of facts.all("nodes"))
      for (const address of addresses) this.#holders.add(address, `node/${name}`);
    this.#rules = flowRules(fragments);
  }

  /** The flow with its names. */
  name({ point, from, to, protocol, port, first, last, packets }: SampledFlow): NamedFlow {
    return {
      from: { address: from, holders: this.#holders.list(from) },
      to: { address: to, holders: this.#holders.list(to) },
      protocol: protocolName(protocol),
      ...(port !== 0 && { port }),
      ...decisionOf(this.#rules.get(point)),
      ...{ first, last, packets },
    };
  }
}

/** Whether one of the ends is a pod of the namespace. */
export function isOfNamespace({ from, to }: NamedFlow, namespace: string): boolean {
  return [...from.holders, ...to.holders].some((holder) => holder.startsWith(`${namespace}/`));
}
