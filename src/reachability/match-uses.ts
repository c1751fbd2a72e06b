// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import { readMatch } from "../policy/match-evaluation.ts";
import type { MatchConstant, MatchExpression } from "../policy/match-expression.ts";
import type { Packet } from "../policy/packet.ts";

/** An address or prefix literal in a match. */
export interface Literal {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly mask: bigint;
}

/** The protocols with ports. */
export type PortProtocol = "TCP" | "UDP" | "SCTP";

/** The fields that a match compares, so that packets which it cannot distinguish are not evaluated twice. */
export interface MatchUses {
  /** Names of port groups and address sets. */
  readonly sets: ReadonlySet<string>;
  /** Names of ports that are compared individually. */
  readonly ports: ReadonlySet<string>;
  readonly literals: readonly Literal[];
  /** Destination ports at which its result may change. */
  readonly edges: Readonly<Record<PortProtocol, readonly number[]>>;
}

const NOTHING: MatchUses = { sets: new Set(), ports: new Set(), literals: [], edges: { TCP: [], UDP: [], SCTP: [] } };
const KNOWN = new WeakMap<MatchExpression, MatchUses>();

/** What a match compares; nothing if OVN refuses the match. */
export function usesOf(match: string): MatchUses {
  const expression = readMatch(match);
  if (expression === undefined) return NOTHING;
  let uses = KNOWN.get(expression);
  if (uses === undefined) {
    uses = new Collector().collect(expression);
    KNOWN.set(expression, uses);
  }
  return uses;
}

/** Whether an address is matched by a literal. */
export function isWithin({ family, value, mask }: Literal, address: Ip): boolean {
  return family === address.family && (address.value & mask) === (value & mask);
}

class Collector {
  readonly #sets = new Set<string>();
  readonly #ports = new Set<string>();
  readonly #literals: Literal[] = [];
  readonly #edges = { TCP: new Set<number>(), UDP: new Set<number>(), SCTP: new Set<number>() };

  collect(expression: MatchExpression): MatchUses {
    this.#walk(expression);
    const sorted = (numbers: ReadonlySet<number>): readonly number[] => [...numbers].sort((a, b) => a - b);
    const { TCP, UDP, SCTP } = this.#edges;
    return {
      sets: this.#sets,
      ports: this.#ports,
      literals: this.#literals,
      edges: { TCP: sorted(TCP), UDP: sorted(UDP), SCTP: sorted(SCTP) },
    };
  }

  #walk(expression: MatchExpression): void {
    switch (expression.kind) {
      case "and":
      case "or":
        for (const term of expression.terms) this.#walk(term);
        return;
      case "not":
        this.#walk(expression.term);
        return;
      case "compare":
        for (const constant of expression.constants) this.#constant(expression.field.name, constant);
        return;
      case "range":
        this.#constant(expression.field.name, expression.left);
        this.#constant(expression.field.name, expression.right);
        return;
    }
  }

  #constant(field: string, constant: MatchConstant): void {
    if (constant.kind === "string") this.#ports.add(constant.text);
    else if (constant.kind !== "number") this.#sets.add(constant.name);
    else if (constant.format === "ipv4" || constant.format === "ipv6") {
      const family = constant.format === "ipv4" ? 4 : 6;
      const whole = (1n << (family === 4 ? 32n : 128n)) - 1n;
      this.#literals.push({ family, value: constant.value, mask: constant.mask ?? whole });
    } else this.#port(field, Number(constant.value), constant.mask);
  }

  #port(field: string, number: number, mask: bigint | undefined): void {
    const protocol = { "tcp.dst": "TCP", "udp.dst": "UDP", "sctp.dst": "SCTP" }[field] as PortProtocol | undefined;
    if (protocol === undefined) return;
    const edges = this.#edges[protocol];
    // A comparison may change its result at the number and directly after it; a masked one anywhere within the masked
    // bits.
    const width = mask === undefined ? 1 : Number(0x1_0000n - (mask & 0xffffn));
    edges.add(number);
    edges.add(number + width);
  }
}

/** One packet's protocol and port for each run of ports that the matches cannot distinguish, with the run. */
export interface ProbePoint {
  readonly protocol: PortProtocol | "ICMP";
  readonly first: number;
  readonly last: number;
}

const LAST_PORT = 65_535;

/** The runs of ports that some of the matches may distinguish; together they are all ports of all protocols. */
export function probePoints(uses: Iterable<MatchUses>): readonly ProbePoint[] {
  const edges = { TCP: new Set([1]), UDP: new Set([1]), SCTP: new Set([1]) };
  for (const use of uses) {
    for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
      for (const edge of use.edges[protocol]) if (edge > 0 && edge <= LAST_PORT) edges[protocol].add(edge);
    }
  }
  const points: ProbePoint[] = [{ protocol: "ICMP", first: 0, last: 0 }];
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    const starts = [...edges[protocol]].sort((a, b) => a - b);
    for (const [i, first] of starts.entries())
      points.push({ protocol, first, last: (starts[i + 1] ?? LAST_PORT + 1) - 1 });
  }
  return points;
}

/** A packet's protocol and port at a point. */
export function packetAt({ protocol, first }: ProbePoint, family: 4 | 6): Pick<Packet, "protocol" | "destinationPort"> {
  if (protocol === "ICMP") return { protocol: family === 4 ? "ICMP" : "ICMPv6" };
  return { protocol, destinationPort: first };
}
