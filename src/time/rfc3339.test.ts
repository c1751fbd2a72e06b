// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { formatMicroTime, formatMilliTime, formatTime, parseTime } from "./rfc3339.ts";

t.test("times are written as Kubernetes writes them", async (t) => {
  const ms = Date.parse("2026-08-22T21:49:15.987+08:00");
  t.equal(formatTime(ms), "2026-08-22T13:49:15Z");
  t.equal(formatMilliTime(ms), "2026-08-22T13:49:15.987Z");
  t.equal(formatMicroTime(ms), "2026-08-22T13:49:15.987000Z");
});

t.test("what is written is what is read", async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 0) }), (ms) => {
      const whole = ms - (ms % 1000);
      const precise = [formatMilliTime(ms), formatMicroTime(ms)];
      return parseTime(formatTime(ms)) === whole && precise.every((text) => parseTime(text) === ms);
    }),
  );
  t.equal(parseTime("2026-08-22T21:49:15.987654+08:00"), Date.UTC(2026, 7, 22, 13, 49, 15, 987));
});

t.test("text that is not RFC 3339 is not a time", async (t) => {
  for (const text of ["", "yesterday", "2026-08-22", "2026-08-22T13:49:15", "2026-13-22T13:49:15Z", "1"]) {
    t.equal(parseTime(text), undefined, text);
  }
});
