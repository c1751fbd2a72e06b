// SPDX-License-Identifier: Apache-2.0

import type { WeftEffect } from "../compile/effects.ts";
import { controllerStateDocument, STATE_PATH } from "../contract/controller-state.ts";
import type { Engine } from "../reconcile/engine.ts";
import type { Shown } from "../telemetry/serve.ts";

/** What the page of the state reads. */
export interface StateSource {
  readonly leading: boolean;
  readonly engine: Pick<Engine<WeftEffect>, "stats" | "waiting">;
  /** Writes to the API server that wait. */
  readonly pendingWrites: number;
}

/** `GET /debug/state`: how far the northbound database is behind the objects, and what others change in it. For `weftctl status`. */
export function statePage(controller: StateSource): Required<Pick<Shown, "pages">> {
  const state = (): unknown => {
    const { leading, engine, pendingWrites } = controller;
    const { repairs, contended, heldBack } = engine.stats;
    return controllerStateDocument({ leading, ...engine.waiting, pendingWrites, repairs, contended, heldBack });
  };
  return { pages: { [STATE_PATH]: state } };
}
