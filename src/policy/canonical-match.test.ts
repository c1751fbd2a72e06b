// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { canonicalMatch } from "./canonical-match.ts";

t.test("equivalent matches have one canonical form", async (t) => {
  for (const [first = "", ...others] of [
    [
      "ip4.src == 10.0.0.1",
      "ip4.src==10.0.0.1",
      "(ip4.src == 10.0.0.1)",
      "ip4.src == 10.0.0.1/32",
      "10.0.0.1 == ip4.src",
    ],
    [
      "ip4.src == {10.0.0.1}",
      "ip4.src == 10.0.0.1",
      "ip4.src == {10.0.0.1, 10.0.0.1/32}",
      "ip4.src == 10.0.0.1 /* x */",
    ],
    ["ip4.src == {10.0.0.2, 10.0.0.1}", "ip4.src == {10.0.0.1, 10.0.0.2}"],
    [
      "tcp && ip4.src == 10.0.0.0/24",
      "ip4.src == 10.0.0.7/24 && tcp",
      "(tcp) && (tcp && ip4.src == 10.0.0.0/255.255.255.0)",
    ],
    ["ip6.dst == FD00::1", "ip6.dst == fd00:0::1/128"],
    ["!(!ip4)", "ip4", "ip4 && ip4"],
  ] as const) {
    for (const other of others) t.equal(canonicalMatch(other), canonicalMatch(first), other);
  }
  const apart = [
    "ip4.src == 10.0.0.1",
    "ip4.src != 10.0.0.1",
    "ip4.dst == 10.0.0.1",
    "ip4.src == 10.0.0.0/31",
    "ip4",
    "!ip4",
  ];
  t.equal(new Set(apart.map(canonicalMatch)).size, apart.length);
  t.equal(canonicalMatch("no match =="), "no match ==");
});
