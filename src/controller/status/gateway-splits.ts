// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { FactStore } from "../../facts/store.ts";
import type { Clock } from "../../time/clock.ts";
import { SettlingState } from "./settling-state.ts";

/**
 * A gateway node is considered dead when only the other node has reported that they are disconnected for this long, in ms. If only the network of the
 * tunnels fails, BFD detects that on both sides within this time.
 */
const LOST_MS = 700;
/**
 * The nodes are connected again when there has been no report for this long, in ms: each change of the gateway breaks connections. After one node has
 * withdrawn its report, the other one is given the same time, because their sessions come up at about the same time.
 */
const JOINED_MS = 5_000;

type State = "joined" | "split" | "lost";

interface Watched {
  readonly state: SettlingState<State>;
  /** The other node. */
  peer: string;
  /** This node has reported the other one, so it was alive after they were disconnected. */
  spoke: boolean;
}

/**
 * Maintains the facts `gatewaySplits` in clusters of two nodes, where OVN does not decide which of them is alive: the daemon of each node reports, in
 * its own Node's annotation, that its tunnels to the other one are down. One report is enough for `split`, in which each pod leaves by its own node.
 * Packets cannot reach the other node then, whichever of the two is dead. So it does not matter which report is right, and mutual reports change
 * nothing. Whether one of them is *lost* is only shown in the subnet's status.
 *
 * A new process uses the annotations at once.
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
  // A disconnection is effective at once; which of the two is dead is found out later.
  if (target !== "joined" && state.current === "joined") state.set("split");
  else if (target === "split" && state.current === "lost") state.set("split");
  if (target === state.current) state.stay();
  else state.setAfter(target === "joined" || spoke ? JOINED_MS : LOST_MS, target);
}
