// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { formatDual } from "../net/dual.ts";
import { formatRange } from "../net/range.ts";
import { subnetConfig } from "./config.ts";

t.test("a subnet's fields are read, and a missing gateway is the first address", (t) => {
  const parsed = subnetConfig({
    name: "s",
    cidrBlock: "fd00:10:16::/64,10.16.0.0/16",
    gateway: "10.16.0.254",
    excludeIps: ["10.16.0.10..10.16.0.20", "fd00:10:16::5"],
    pools: [{ name: "p", ips: ["10.16.1.0/24", "oops", "fd00:10:16::10..fd00:10:16::20"] }],
    macDomain: "vpc",
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  t.equal(formatDual(parsed.config.cidr), "10.16.0.0/16,fd00:10:16::/64");
  t.equal(formatDual(parsed.config.gateway), "10.16.0.254,fd00:10:16::1");
  t.same(parsed.config.exclude.map(formatRange), ["10.16.0.10..10.16.0.20", "fd00:10:16::5"]);
  t.same(parsed.config.pools[0]?.ranges.map(formatRange), ["10.16.1.0..10.16.1.255", "fd00:10:16::10..fd00:10:16::20"]);
  t.match(parsed.poolProblems, [{ code: "PoolMalformed", value: "oops", holder: "p" }]);
  t.end();
});
