// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "./address.ts";
import { dualOf, dualValues, formatDual, parseDualCidr, parseDualIp } from "./dual.ts";

t.test("one address or one of each family is read, in either order", (t) => {
  for (const [input, output] of [
    ["10.16.0.5", "10.16.0.5"],
    ["fd00::5", "fd00::5"],
    ["10.16.0.5,fd00::5", "10.16.0.5,fd00::5"],
    ["FD00::5,10.16.0.5", "10.16.0.5,fd00::5"],
  ] as const) {
    t.equal(formatDual(parseDualIp(input)!), output);
  }
  t.equal(formatDual(parseDualCidr("fd00::1/64,10.16.0.1/16")!), "10.16.0.0/16,fd00::/64");
  t.end();
});

t.test("two of one family, three, none and blanks are refused", (t) => {
  for (const input of [
    "",
    ",",
    "10.16.0.5,",
    "10.16.0.5, fd00::5",
    "10.16.0.5,10.16.0.6",
    "10.16.0.5,fd00::5,fd00::6",
  ]) {
    t.equal(parseDualIp(input), undefined, JSON.stringify(input));
  }
  t.equal(parseDualCidr("10.16.0.0/16,10.17.0.0/16"), undefined);
  t.end();
});

t.test("an empty dual writes as nothing", (t) => {
  t.equal(formatDual({}), "");
  t.same(dualValues({}), []);
  t.same(dualOf([]), {});
  t.same(Object.keys(dualOf([parseIp("fd00::1")!])!), ["v6"]);
  t.end();
});
