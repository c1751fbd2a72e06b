// SPDX-License-Identifier: Apache-2.0

import { gatewayName } from "../../api/names.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { FactStore } from "../../facts/store.ts";
import type { FactKind } from "../../facts/types.ts";
import type { Clock } from "../../time/clock.ts";
import { SettlingState } from "./settling-state.ts";

/**
 * A node is lost once another chassis has had its port for this long, in ms. While the members of a group have no BFD sessions with each other, each
 * takes the port from the other; ovn-controller waits 500 ms before it claims a port again (ovn controller/binding.c).
 */
const LOST_MS = 700;
/**
 * A node is back once it has had its port for this long, in ms: a flapping node is not used, because each change of the gateway breaks connections.
 */
const BACK_MS = 5_000;
/** In a new group, while BFD sessions come up, a node that has never had its port is lost only after this long, in ms. */
const NEW_MS = 10_000;

/**
 * With two chassis, OVN cannot distinguish a dead one from a disconnected one: an ovn-controller without a working tunnel to another chassis of the group claims
 * nothing (ovn controller/ha-chassis.c, `ha_chassis_group_is_active`). See `GatewaySplits` for these.
 */
const MIN_MEMBERS = 3;

/** The facts that the decision depends on. */
const JUDGED: ReadonlySet<FactKind> = new Set(["gatewayGroups", "gatewayPorts", "chassis"]);

/** `new`: the port was created while this process watched, and the node has not had it yet. */
type State = "new" | "up" | "lost";

/**
 * Maintains the facts `gatewayLosses`: gateway nodes whose port (`gatewayUnit`) is on another chassis. If the port is on no chassis, the state does
 * not change. A new process that finds an existing port on another chassis accepts that at once.
 */
export class GatewayWatch {
  readonly #facts: FactStore;
  readonly #clock: Pick<Clock, "after">;
  readonly #watched = new Map<string, SettlingState<State>>();

  constructor(facts: FactStore, clock: Pick<Clock, "after">) {
    this.#facts = facts;
    this.#clock = clock;
  }

  /** A fact has changed. */
  noteFact({ kind, key }: FactChange): void {
    if (!JUDGED.has(kind)) return;
    if (kind === "gatewayGroups") this.#judge(key);
    // There are few gateway nodes.
    else for (const group of this.#facts.all("gatewayGroups")) this.#judge(group.key);
  }

  /** Cancels all timers. */
  stop(): void {
    for (const state of this.#watched.values()) state.stay();
    this.#watched.clear();
  }

  #judge(node: string): void {
    const facts = this.#facts;
    const group = facts.get("gatewayGroups", node);
    const port = facts.get("gatewayPorts", gatewayName(node));
    const known = this.#watched.get(node);
    if (group === undefined || group.members.length < MIN_MEMBERS) {
      known?.stay();
      this.#watched.delete(node);
      facts.set("gatewayLosses", node, undefined);
      return;
    }
    if (port === undefined) return;
    const carrier = port.chassis === undefined ? undefined : facts.get("chassis", port.chassis)?.name;
    const state = known ?? this.#watch(node, carrier === undefined ? "new" : "up");
    const next = nextState(state.current, carrier === undefined ? undefined : carrier === group.members[0]);
    if (next === undefined) state.stay();
    else if (known === undefined && next === "lost") state.set(next);
    else state.setAfter(next === "up" ? BACK_MS : state.current === "new" ? NEW_MS : LOST_MS, next);
  }

  #watch(node: string, initial: State): SettlingState<State> {
    const state = new SettlingState(initial, this.#clock, (state) =>
      this.#facts.set("gatewayLosses", node, state === "lost" ? { key: node } : undefined),
    );
    this.#watched.set(node, state);
    return state;
  }
}

/** The state that a node changes to; undefined if it does not. `own`: whether its port is on its own chassis; undefined if it is on none. */
function nextState(state: State, own: boolean | undefined): "up" | "lost" | undefined {
  if (own === undefined) return undefined;
  const next = own ? "up" : "lost";
  return next === state ? undefined : next;
}
