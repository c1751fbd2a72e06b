// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { controllerStateDocument, decodeControllerState } from "./controller-state.ts";

const STATE = {
  ...{ leading: true, dirty: 1, pending: 2, refused: 3, pendingWrites: 4, repairs: 5, contended: 6, heldBack: 7 },
};

t.test("a controller's state is read as it was written", async (t) => {
  t.strictSame(decodeControllerState(JSON.stringify(controllerStateDocument(STATE))), STATE);
});

t.test("a state without a field, or with another type of it, is not valid", async (t) => {
  for (const field of Object.keys(STATE)) {
    for (const value of [undefined, "1", -1, 0.5, null]) {
      const text = JSON.stringify({ version: 1, ...STATE, [field]: value });
      t.throws(() => decodeControllerState(text), { code: "invalid-field", field }, `${field}: ${String(value)}`);
    }
  }
  t.throws(() => decodeControllerState("curl: not found"), { code: "malformed" });
});
