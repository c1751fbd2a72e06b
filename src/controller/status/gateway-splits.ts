// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { FactStore } from "../../facts/store.ts";
import type { Clock } from "../../time/clock.ts";
import { SettlingState } from "./settling-state.ts";

/**
 * A gateway node is taken for dead once only the other node reports that they are disconnected, for this long, in ms. Where just the network of the tunnels is
 * cut, BFD ends on both sides within this time.
 */
const LOST_MS = 700;
/**
 * The nodes are connected again once nobody has reported anything else for this long, in ms: each change of the gateway breaks connections. A node that has
 * withdrawn its own report is given as long, for the other one's is then about to follow: their sessions come up at about the same time.
 */
const JOINED_MS = 5_000;

type State = "joined" | "split" | "lost";

interface Watched {
  readonly state: SettlingState<State>;
  /** The other node. */
  peer: string;
  /** The node has reported the other one, so it was alive after they were disconnected. */
  spoke: boolean;
}

/**
 * Maintains the facts `gatewaySplits` in clusters of two nodes, where OVN does not decide which of them is alive: the daemon of each node reports, in its own
 * Node's annotation, that its tunnels to the other one are down. One report is enough for `split`, in which each pod leaves by its own node. No pod could leave
 * by the other node then, whichever of the two is dead, and whether the author still lives. So it does not matter who is right, and two nodes that report each
 * other change nothing. Whether one of them is *lost* is only what the subnet's status shows.
 *
 * A new process accepts at once what the annotations say.
 */
export class GatewaySplits {
  readonly #facts: FactStore;
  readonly #clock: Pick<Clock, "after">;
  readonly #watched = new Map<string, Watched>();

  constructor(facts: FactStore, clock: Pick<Clock, "after">) {
    this.#facts = facts;
    this.#clock = clock;
  }

  /** A fact has changed. */
  noteFact({ kind, key }: FactChange): void {
    if (kind === "gatewayGroups") this.#judge(key);
    // There are two groups at most.
    else if (kind === "nodes") for (const node of [...this.#watched.keys()]) this.#judge(node);
  }

  /** Cancels all timers. */
  stop(): void {
    for (const { state } of this.#watched.values()) state.stay();
    this.#watched.clear();
  }

  #judge(node: string): void {
    const members = this.#facts.get("gatewayGroups", node)?.members ?? [];
    const [own, other] = members;
    const known = this.#watched.get(node);
    const peer = other && this.#facts.by("nodes", "chassis", other)[0]?.name;
    if (own === undefined || other === undefined || peer === undefined || members.length > 2) {
      known?.state.stay();
      this.#watched.delete(node);
      this.#facts.set("gatewaySplits", node, undefined);
      return;
    }
    const reported = this.#reports(other, own);
    const reports = this.#reports(own, other);
    const state = !reported && !reports ? "joined" : reports ? "split" : "lost";
    const watched = known ?? this.#watch(node, peer);
    watched.peer = peer;
    if (reports) watched.spoke = true;
    if (known === undefined) watched.state.set(state);
    else follow(watched, state);
  }

  /** Whether the daemon of one chassis reports that it does not reach the other one. */
  #reports(author: string, about: string): boolean {
    const nodes = this.#facts.by("nodes", "chassis", author);
    return nodes.some(({ annotations }) => annotations[NODE.unreachable] === about);
  }

  #watch(node: string, peer: string): Watched {
    const state = new SettlingState<State>("joined", this.#clock, (state) => {
      if (state !== "split") watched.spoke = false;
      const fact = { key: node, peer: watched.peer, lost: state === "lost" };
      this.#facts.set("gatewaySplits", node, state === "joined" ? undefined : fact);
    });
    const watched: Watched = { state, peer, spoke: false };
    this.#watched.set(node, watched);
    return watched;
  }
}

function follow({ state, spoke }: Watched, target: State): void {
  // What is known to be disconnected is so at once; who of the two is dead is seen later.
  if (target !== "joined" && state.current === "joined") state.set("split");
  else if (target === "split" && state.current === "lost") state.set("split");
  if (target === state.current) state.stay();
  else state.setAfter(target === "joined" || spoke ? JOINED_MS : LOST_MS, target);
}
