// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { readUserMatch } from "./user-match.ts";

t.test("a match is given to OVN as it is written, but for comments", async (t) => {
  for (const [text, match] of [
    ["ip4.src == 10.0.0.0/8 && tcp", "ip4.src == 10.0.0.0/8 && tcp"],
    [" ip4 // all of IPv4", "ip4"],
    ["ip4 /* and */ && tcp", "ip4   && tcp"],
    ['inport == "a//b /* c */"', 'inport == "a//b /* c */"'],
    ["ip4 // x\n&& tcp", "ip4  \n&& tcp"],
  ] as const)
    t.same(readUserMatch(text), { match }, text);
});

t.test("what OVN could not read is told in a sentence", async (t) => {
  for (const [text, wrong] of [
    ["", /it is empty/],
    ["// only this", /expected/],
    ["ip4.src == 10.0.1.300", /neither a number nor an address/],
    ["nosuch == 1", /there is no field "nosuch"/],
    ["ip4) || (ip6", /not of OVN's language/],
    ["ip4 // \0", /does not allow/],
    ['inport == "\ud800"', /does not allow/],
    [`${"(".repeat(95)}ip4${")".repeat(95)}`, /deeper than 90/],
  ] as const) {
    const read = readUserMatch(text);
    t.match("wrong" in read ? read.wrong : "", wrong, text);
  }
});
