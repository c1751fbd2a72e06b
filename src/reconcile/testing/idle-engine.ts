// SPDX-License-Identifier: Apache-2.0

import type { Effect } from "../../desired/fragment.ts";
import type { FactStore } from "../../facts/store.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { Engine } from "../engine.ts";
import { Tracker } from "../tracker.ts";

/** An engine without units and without a database, for what only asks it for its figures. */
export function idleEngine<E extends Effect>(facts: FactStore): Engine<E> {
  return new Engine<E>({
    tracker: new Tracker([], facts, () => []),
    database: "OVN_Northbound",
    view: { get: () => undefined, isRoot: () => true },
    commit: async () => ({ kind: "committed" }),
    whenReady: async () => undefined,
    offerEffects: () => undefined,
    timers: SYSTEM_CLOCK,
    onUnitFailure: () => undefined,
    onDeposed: () => undefined,
  });
}
