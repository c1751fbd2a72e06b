// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NodeContention } from "./contention.ts";
import { RepairReport } from "./repair-report.ts";

t.test("restores are counted by kind and reported on the node, and contention is reported as such", async (t) => {
  const [counted, told]: string[][] = [[], []];
  const deps = {
    metrics: { repaired: (what: string) => void counted!.push(what) },
    log: { warn: () => undefined },
    event: (reason: string, message: string) => void told!.push(`${reason}: ${message}`),
    now: () => 0,
  };
  const report = new RepairReport(deps, new NodeContention({ patience: 2, firstPauseMs: 100 }));
  t.equal(report.note(["route a", "route b", "rules table inet weft"]), 0);
  t.same(counted, ["route", "route", "rules"]);
  t.match(told?.[0], /^NodeNetworkRepaired: .*: route a$/);
  t.equal(report.note(["route a"]), 100);
  t.equal(report.note(["route a", "link ovn0"]), 200);
  t.match(told?.[3], /^NodeNetworkContended: .*keeps removing or changing.*: route a$/);
  t.equal(told?.[3], told?.[4], "the same text, so that repeats are counted as one Event");
});
