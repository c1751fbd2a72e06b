// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { WeftEffect } from "../compile/effects.ts";
import { decodeControllerState, STATE_PATH } from "../contract/controller-state.ts";
import { factStore } from "../kinds/store.ts";
import { idleEngine } from "../reconcile/testing/idle-engine.ts";
import { statePage } from "./state-page.ts";

t.test("the page of the state is what weftctl reads", async (t) => {
  const { pages } = statePage({ leading: true, engine: idleEngine<WeftEffect>(factStore()), pendingWrites: 3 });
  const shown = JSON.stringify(pages[STATE_PATH]?.(new URLSearchParams()));
  t.strictSame(decodeControllerState(shown), {
    ...{ leading: true, dirty: 0, pending: 0, refused: 0, pendingWrites: 3, repairs: 0, contended: 0, heldBack: 0 },
  });
});
