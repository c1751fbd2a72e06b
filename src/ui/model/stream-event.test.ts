// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { backOff } from "./back-off.ts";
import { problemOf } from "./problem.ts";
import { stepOf } from "./stream-event.ts";

t.test("a lost connection is tried after 1, 2, 4 … 30 seconds, at most half earlier", async (t) => {
  t.strictSame(
    [1, 2, 3, 6, 50].map((n) => backOff(n, 1)),
    [1_000, 2_000, 4_000, 30_000, 30_000],
  );
  t.strictSame(
    [1, 2, 3, 6, 50].map((n) => backOff(n, 0)),
    [500, 1_000, 2_000, 15_000, 15_000],
  );
});

t.test("a failed request is what the server says", async (t) => {
  const body = { error: { code: "forbidden", message: "you may not list pods" } };
  t.strictSame(problemOf(403, body), { code: "forbidden", message: "you may not list pods" });
});

t.test("a failure that another program answered is known by its status", async (t) => {
  t.strictSame(problemOf(502, "<html>"), { code: "unavailable", message: "" });
  t.strictSame(problemOf(401, undefined), { code: "unauthenticated", message: "" });
  t.strictSame(problemOf(418, { error: { code: "toString", message: 5 } }), { code: "internal", message: "" });
});

t.test("events of the stream are read, and unknown ones are ignored", async (t) => {
  const change = { type: "change", kinds: ["pods"], objects: [], more: true };
  t.strictSame(stepOf(JSON.stringify(change)), { do: "refresh", kinds: ["pods"] });
  t.strictSame(stepOf('{"type":"reset","reason":"missed"}'), { do: "refresh", kinds: "all" });
  t.strictSame(stepOf('{"type":"end","reason":"expired"}'), { do: "log-in" });
  t.strictSame(stepOf('{"type":"end","reason":"slow"}'), { do: "reconnect" });
  for (const data of ["", "null", "[]", '{"type":"change"}', '{"type":"other"}'])
    t.strictSame(stepOf(data), { do: "nothing" }, data);
});
