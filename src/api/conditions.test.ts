// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type Condition, findCondition, setCondition } from "./conditions.ts";

const THEN = "2026-01-01T00:00:00Z";
const NOW = "2026-01-02T00:00:00Z";
const ready: Condition = {
  type: "Ready",
  status: "False",
  reason: "BadCidr",
  lastUpdateTime: THEN,
  lastTransitionTime: THEN,
};
const validated: Condition = { type: "Validated", status: "True", lastUpdateTime: THEN, lastTransitionTime: THEN };

t.test("a new condition is appended with both times set", async (t) => {
  const list = setCondition([validated], { type: "Ready", status: "True", observedGeneration: 3 }, NOW);
  t.strictSame(list, [
    validated,
    { type: "Ready", status: "True", observedGeneration: 3, lastUpdateTime: NOW, lastTransitionTime: NOW },
  ]);
});

t.test("an unchanged condition returns the same array", async (t) => {
  const list = [ready, validated];
  t.equal(setCondition(list, { type: "Ready", status: "False", reason: "BadCidr" }, NOW), list);
  t.equal(setCondition(list, { type: "Validated", status: "True", reason: "", message: "" }, NOW), list);
});

t.test("a changed message keeps the transition time, a changed status does not", async (t) => {
  const message = setCondition([ready, validated], { ...ready, message: "why" }, NOW);
  t.match(message[0], { message: "why", lastUpdateTime: NOW, lastTransitionTime: THEN });
  t.equal(message[1], validated);
  const status = setCondition([ready], { type: "Ready", status: "True" }, NOW);
  t.strictSame(status, [{ type: "Ready", status: "True", lastUpdateTime: NOW, lastTransitionTime: NOW }]);
});

t.test("a newer generation alone is a change", async (t) => {
  const list = setCondition([ready], { ...ready, observedGeneration: 2 }, NOW);
  t.match(list[0], { observedGeneration: 2, lastUpdateTime: NOW, lastTransitionTime: THEN });
});

t.test("a condition is found by its type", async (t) => {
  const list = [ready, validated];
  t.equal(findCondition(list, "Validated"), validated);
  t.equal(findCondition(list, "Error"), undefined);
});
