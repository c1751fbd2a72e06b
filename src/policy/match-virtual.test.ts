// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { destinationsOf, matchesBehind } from "./match-virtual.ts";
import type { VirtualPort } from "./virtual-ports.ts";

const DNS: readonly VirtualPort[] = [
  { address: "10.96.0.10", protocol: "UDP", port: 53, endpoints: { 1053: ["10.16.0.2", "10.16.0.3"] } },
  { address: "10.96.0.10", protocol: "TCP", port: 53, endpoints: { 53: ["10.16.0.2"] } },
];
const behind = (match: string): readonly string[] =>
  matchesBehind(match, (cidr) => (cidr === "10.96.0.10/32" || cidr === "10.96.0.0/12" ? DNS : []));

t.test("the ranges that a match names are those of its destinations", async (t) => {
  t.same(
    destinationsOf("(ip4.dst == {10.96.0.10, 10.96.0.0/12} && udp) || ip6.dst == fd00::/64 || ip4.src == 10.0.0.1"),
    ["10.96.0.10/32", "10.96.0.0/12", "fd00::/64"],
  );
  t.same(destinationsOf("ip4.dst != 10.96.0.10"), []);
  t.same(destinationsOf("no match"), []);
});

t.test(
  "a match for a Service's address is one for its endpoints at their ports, as far as it is about the port",
  async (t) => {
    const udp = "ip4.dst == {10.16.0.2, 10.16.0.3} && udp.dst == 1053";
    const tcp = "ip4.dst == {10.16.0.2} && tcp.dst == 53";
    t.same(behind("ip4.dst == 10.96.0.10"), [udp, tcp]);
    t.same(behind("ip4.dst == 10.96.0.0/12 && udp"), [udp]);
    t.same(behind("ip4.dst == 10.96.0.10 && udp.dst == 53"), [udp]);
    t.same(behind("ip4.dst == 10.96.0.10 && 50 <= tcp.dst <= 60"), [tcp]);
    t.same(behind("ip4.dst == 10.96.0.10 && udp.dst == 54"), []);
    t.same(behind("ip4.dst == 10.96.0.10 && !(udp.dst == 53)"), []);
  },
);

t.test("conditions on the sender are kept", async (t) => {
  t.same(behind('inport == "a" && ip4.dst == 10.96.0.10 && (udp || (tcp && ip4.src == 10.16.0.9))'), [
    'ip4.dst == {10.16.0.2, 10.16.0.3} && udp.dst == 1053 && (inport == "a")',
    'ip4.dst == {10.16.0.2} && tcp.dst == 53 && (inport == "a" && ip4.src == 10.16.0.9)',
  ]);
});

t.test("one that names no Service, or that OVN refuses, has none", async (t) => {
  for (const match of ["ip", "ip4.src == 10.96.0.10", "ip4.dst == 10.16.0.2", "ip4.dst ==", "ip4.dst == $set"]) {
    t.same(behind(match), [], match);
  }
});
