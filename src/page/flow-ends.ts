// SPDX-License-Identifier: Apache-2.0

import type { SampledFlow } from "../api/sampling.ts";
import type { IpFact } from "../facts/ip.ts";
import type { FactReader } from "../facts/store.ts";
import type { FlowRule, FlowRules } from "../reachability/flow-rules.ts";
import { namedHolder } from "./addresses.ts";
import type { ObjectName } from "./contract.ts";
import { namespaceOfHolder } from "./viewer.ts";

/** Who has an address of a flow. */
export interface FlowHolder {
  /** As in `IpFact.holder`; of a Service `namespace/name`. */
  readonly holder: string;
  /** Absent for an address that a user reserves. */
  readonly object?: ObjectName;
}

/** Who has the ends of a flow. */
export interface ResolvedFlow {
  readonly rules: readonly FlowRule[];
  /** The end whose policy decided; undefined where no object on the node has its address now: then the ends may be any that have the addresses. */
  readonly subject?: "from" | "to";
  readonly from: readonly FlowHolder[];
  readonly to: readonly FlowHolder[];
  /** The VPC of the subject, and those that it peers with. */
  readonly vpcs: ReadonlySet<string>;
}

/**
 * Finds out who has the addresses of flows. VPCs may have equal addresses, and a node may not be honest: the end whose policy decided is an object on the node that reports the flow, in the
 * namespace of a NetworkPolicy; the other end is in its VPC, or in one that this peers with.
 */
export class FlowEnds {
  readonly #facts: FactReader;
  readonly #rules: FlowRules;
  #nodes: ReadonlyMap<string, string> | undefined;
  #services: ReadonlyMap<string, readonly FlowHolder[]> | undefined;

  constructor(facts: FactReader, rules: FlowRules) {
    this.#facts = facts;
    this.#rules = rules;
  }

  /** The ends of a flow that a node reports. */
  of(node: string, { point, from, to }: SampledFlow): ResolvedFlow {
    const rules = this.#rules.get(point) ?? [];
    const local = {
      from: this.#local(from, node, rules, "egress"),
      to: this.#local(to, node, rules, "ingress"),
    };
    const subject = local.from.length > 0 ? "from" : local.to.length > 0 ? "to" : undefined;
    if (subject === undefined) {
      const any = (address: string): readonly FlowHolder[] =>
        this.#other(address, this.#facts.by("ips", "address", address));
      return { rules, from: any(from), to: any(to), vpcs: new Set() };
    }
    const own = new Set(local[subject].flatMap(({ subnet }) => this.#vpcOf(subnet) ?? []));
    const vpcs = new Set([...own, ...[...own].flatMap((vpc) => this.#facts.get("vpcPeers", vpc)?.vpcs ?? [])]);
    const otherAddress = subject === "from" ? to : from;
    const records = this.#facts.by("ips", "address", otherAddress);
    const inside = (of: ReadonlySet<string>): readonly IpFact[] =>
      records.filter(({ subnet }) => of.has(this.#vpcOf(subnet) ?? ""));
    const near = inside(own);
    const other = this.#other(otherAddress, near.length > 0 ? near : inside(vpcs));
    const subjects = local[subject].map(holderOf);
    return {
      rules,
      subject,
      vpcs,
      ...(subject === "from" ? { from: subjects, to: other } : { from: other, to: subjects }),
    };
  }

  /** Whether a node has an address. */
  isOfNode(address: string): boolean {
    return this.#ofNodes().has(address);
  }

  /** The objects on the node that have an address, and that rules at this end can be of. */
  #local(address: string, node: string, rules: readonly FlowRule[], at: FlowRule["at"]): readonly IpFact[] {
    if (rules.some((rule) => rule.at !== at)) return [];
    return this.#facts
      .by("ips", "address", address)
      .filter((record) => record.node === node && rules.every((rule) => mayBeOf(rule, record)));
  }

  #other(address: string, records: readonly IpFact[]): readonly FlowHolder[] {
    if (records.length > 0) return records.map(holderOf);
    const node = this.#ofNodes().get(address);
    if (node !== undefined) return [{ holder: `node:${node}`, object: { kind: "Node", name: node } }];
    return this.#ofServices().get(address) ?? [];
  }

  #vpcOf(subnet: string): string | undefined {
    return this.#facts.get("subnets", subnet)?.vpc;
  }

  #ofNodes(): ReadonlyMap<string, string> {
    this.#nodes ??= new Map(
      this.#facts.all("nodes").flatMap(({ name, addresses }) => addresses.map((address) => [address, name] as const)),
    );
    return this.#nodes;
  }

  #ofServices(): ReadonlyMap<string, readonly FlowHolder[]> {
    this.#services ??= new Map(
      this.#facts
        .all("services")
        .flatMap(({ key: holder, namespace, name, addresses, externalIps, ingressIps }) =>
          [...addresses, ...externalIps, ...ingressIps].map(
            (address) => [address, [{ holder, object: { kind: "Service", namespace, name } }]] as const,
          ),
        ),
    );
    return this.#services;
  }
}

/** Whether a rule can have decided about a record's object: a NetworkPolicy is of the namespace of its pods. */
function mayBeOf({ policy }: FlowRule, { holder }: IpFact): boolean {
  const namespace = /^np\/([^/]+)\//.exec(policy)?.[1];
  return namespace === undefined || namespace === namespaceOfHolder(holder);
}

function holderOf({ holder }: IpFact): FlowHolder {
  const object = namedHolder(holder);
  return { holder, ...(object !== undefined && { object }) };
}
