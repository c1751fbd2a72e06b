// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { equalsGolden } from "../collections/testing/golden.ts";
import { birdConfig, isPassword } from "./bird-config.ts";
import type { BgpOptions } from "./options.ts";

const LOCAL = { v4: "172.18.0.11", v6: "fd00:172:18::11" };
const PLAIN: BgpOptions = {
  ...{ clusterAs: 65001, neighborAs: 65002, neighborAddresses: ["172.18.0.1", "fd00:172:18::1"], holdTimeS: 90 },
  ...{ ebgpMultihop: 1, passive: false, extendedNextHop: false },
};
const ROUTES = [
  { prefix: "10.16.0.5/32" },
  { prefix: "172.31.77.110/32", nextHop: "172.31.77.100" },
  { prefix: "fd00::5/128" },
];

/** Compares with `bird-config.golden/<name>.conf`; WEFT_GOLDEN=write regenerates the file. */
function same(t: Test, name: string, text: string): void {
  equalsGolden(t, new URL(`bird-config.golden/${name}.conf`, import.meta.url), text);
}

t.test("BIRD's configuration", async (t) => {
  same(t, "plain", birdConfig(PLAIN, LOCAL, LOCAL.v4, ROUTES));
  const all: BgpOptions = {
    ...PLAIN,
    ...{ password: "between us", extendedNextHop: true, passive: true, ebgpMultihop: 5 },
    gracefulRestart: { timeS: 60, deferralS: 120 },
    bfd: { minTxMs: 200, minRxMs: 300, multiplier: 4 },
  };
  same(t, "all", birdConfig(all, LOCAL, "192.0.2.1", []));
});

t.test("a neighbor of a family in which the node has no address is left out", async (t) => {
  const text = birdConfig({ ...PLAIN, extendedNextHop: true }, { v4: LOCAL.v4 }, LOCAL.v4, []);
  t.match(text, "neighbor 172.18.0.1 as");
  t.notMatch(text, "neighbor fd00:172:18::1 as");
  t.notMatch(text, "next hop address");
});

t.test("a password that would end BIRD's string is none", async (t) => {
  t.same(['a"; password "b', "a\nb", "", "x".repeat(81), "gut – genug"].map(isPassword), [
    false,
    false,
    false,
    false,
    true,
  ]);
});
