// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import { type AclStage, decideStage } from "../policy/acl-evaluation.ts";
import type { Acl, AclLists } from "./acls.ts";
import { isWithin, type MatchUses, type ProbePoint, packetAt, probePoints, usesOf } from "./match-uses.ts";
import type { Network } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";

/** The points that the ACLs of one end allow. */
export type OpenPoints = readonly ProbePoint[];

/** The fields that a list of ACLs compares. */
interface ListUses {
  readonly id: number;
  readonly sets: readonly string[];
  readonly ports: readonly string[];
  readonly uses: readonly MatchUses[];
  readonly points: readonly ProbePoint[];
}

/**
 * Computes the allowed traffic at each end of a pair and caches it by the properties of the pair that this end's ACLs
 * can distinguish: a thousand senders are a few kinds for the rules of one receiver. For one network.
 */
export class ReachParts {
  readonly #network: Network;
  readonly #uses = new Map<readonly Acl[], ListUses>();
  /** List, and the distinguishable properties of a pair → the allowed traffic. */
  readonly #open = new Map<string, OpenPoints>();
  readonly #sets = new Map<string, ReadonlySet<string>>();

  constructor(network: Network) {
    this.#network = network;
  }

  /** What the ACLs of the stages allow a sender to send to a receiver, or a receiver to receive. */
  open(
    stages: readonly AclStage[],
    lists: AclLists,
    from: NetworkPort,
    to: NetworkPort,
    families: readonly (readonly [Ip, Ip])[],
  ): OpenPoints {
    return stages
      .map((stage) => this.#stage(stage, lists[stage], from, to, families))
      .reduce((all, each) => intersect(all, each));
  }

  #stage(
    stage: AclStage,
    acls: readonly Acl[],
    from: NetworkPort,
    to: NetworkPort,
    families: readonly (readonly [Ip, Ip])[],
  ): OpenPoints {
    if (acls.length === 0) return EVERYTHING;
    const uses = this.#usesOf(acls);
    const key = `${uses.id} ${this.#signature(uses, from, families, 0)} ${this.#signature(uses, to, families, 1)}`;
    let open = this.#open.get(key);
    if (open === undefined) {
      open = uses.points.filter((point) =>
        families.every(([source, destination]) => {
          const ends = stage === "to-lport" ? { inport: from.name, outport: to.name } : { inport: from.name };
          const packet = { ...ends, source, destination, ...packetAt(point, source.family) };
          return decideStage(acls, packet, this.#network).verdict === "allow";
        }),
      );
      this.#open.set(key, open);
    }
    return open;
  }

  /** All properties of one end that a list can distinguish, as text. */
  #signature(
    { sets, ports, uses }: ListUses,
    { name, groups }: NetworkPort,
    families: readonly (readonly [Ip, Ip])[],
    side: 0 | 1,
  ): string {
    let text = "";
    for (const set of sets) {
      if (this.#network.portGroup(set) !== undefined) text += groups.includes(set) ? "1" : "0";
      else for (const pair of families) text += this.#setOf(set).has(pair[side].text) ? "1" : "0";
    }
    for (const port of ports) text += port === name ? "1" : "0";
    for (const { literals } of uses) {
      for (const literal of literals) text += families.some((pair) => isWithin(literal, pair[side])) ? "1" : "0";
    }
    return `${text}/${families.map(([ip]) => ip.family).join("")}`;
  }

  #usesOf(acls: readonly Acl[]): ListUses {
    let known = this.#uses.get(acls);
    if (known === undefined) {
      const uses = [...new Set(acls.map(({ match }) => usesOf(match)))];
      known = {
        id: this.#uses.size,
        sets: [...new Set(uses.flatMap(({ sets }) => [...sets]))],
        ports: [...new Set(uses.flatMap(({ ports }) => [...ports]))],
        uses,
        points: probePoints(uses),
      };
      this.#uses.set(acls, known);
    }
    return known;
  }

  #setOf(name: string): ReadonlySet<string> {
    let set = this.#sets.get(name);
    if (set === undefined) {
      set = new Set(this.#network.addressSet(name));
      this.#sets.set(name, set);
    }
    return set;
  }
}

const EVERYTHING: OpenPoints = probePoints([]);
const KNOWN = new WeakMap<OpenPoints, WeakMap<OpenPoints, OpenPoints>>();

/** The intersection. Returns the same array for the same two arrays. */
export function intersect(a: OpenPoints, b: OpenPoints): OpenPoints {
  if (a === b || b === EVERYTHING) return a;
  if (a === EVERYTHING) return b;
  const known = KNOWN.get(a)?.get(b);
  if (known !== undefined) return known;
  const common = a.flatMap((run) =>
    b.flatMap(({ protocol, first, last }): readonly ProbePoint[] => {
      if (protocol !== run.protocol || last < run.first || first > run.last) return [];
      return [{ protocol, first: Math.max(first, run.first), last: Math.min(last, run.last) }];
    }),
  );
  const inner = KNOWN.get(a) ?? new WeakMap<OpenPoints, OpenPoints>();
  KNOWN.set(a, inner.set(b, common));
  return common;
}
