// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { readUserMatch } from "./user-match.ts";

t.test("a match is passed to OVN unchanged, except for comments", async (t) => {
  for (const [text, match] of [
    ["ip4.src == 10.0.0.0/8 && tcp", "ip4.src == 10.0.0.0/8 && tcp"],
    [" ip4 // all of IPv4", "ip4"],
    ["ip4 /* and */ && tcp", "ip4   && tcp"],
    ['inport == "a//b /* c */"', 'inport == "a//b /* c */"'],
    ["ip4 // x\n&& tcp", "ip4  \n&& tcp"],
  ] as const)
    t.same(readUserMatch(text, "to-lport"), { match }, text);
});

t.test("an invalid match is reported with a message", async (t) => {
  for (const [text, wrong] of [
    ["", /it is empty/],
    ["// only this", /expected/],
    ["ip4.src == 10.0.1.300", /neither a number nor an address/],
    ["nosuch == 1", /there is no field "nosuch"/],
    ["ip4) || (ip6", /not a valid match/],
    ["ip4 // \0", /does not allow/],
    ['inport == "\ud800"', /does not allow/],
    [`${"(".repeat(95)}ip4${")".repeat(95)}`, /deeper than 90/],
  ] as const) {
    const read = readUserMatch(text, "to-lport");
    t.match("wrong" in read ? read.wrong : "", wrong, text);
  }
});

t.test("a match that OVN accepts but that has no effect is passed to OVN, and the reason is reported", async (t) => {
  for (const [place, text, doubt] of [
    ["from-lport", 'outport == "db" && tcp', /matches no packet: OVN does not know the outport/],
    ["from-lport", "ip4 && ip6.dst == fd00::1", /its parts exclude each other/],
    ["to-lport", "tcp.dst == 80 && udp", /its parts exclude each other/],
    ["router", "arp.tpa == 10.0.0.1", /only IP packets get to the policies of a router/],
    ["to-lport", "ip4.src == $office && inport == @desks", /names \$office, @desks, which Weft does not create/],
  ] as const)
    t.match(readUserMatch(text, place), { match: text, doubt }, text);
  for (const [place, text] of [
    ["to-lport", 'outport == "db" && tcp'],
    ["from-lport", 'inport == "db" && (ip4.src == 10.0.0.1 || ip6)'],
    ["to-lport", "arp || ip.proto == 89"],
    ["to-lport", "inport == @weft.uplinks && ip4.src == $weft_nodes_ip4"],
    ["to-lport", "ip4.src == $ovn.sg.web_ip4"],
    ["router", "ip4.src != 10.0.0.0/8 && !(tcp.dst == 80) && !ip.later_frag"],
    ["router", 'ip && is_chassis_resident("x")'],
  ] as const)
    t.same(readUserMatch(text, place), { match: text }, text);
});
