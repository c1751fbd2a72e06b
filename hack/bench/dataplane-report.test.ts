// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type DataplaneBench, type PathFigures, QUANTITIES, type Quantity } from "./dataplane.ts";
import { dataplaneVerdicts, formatDataplane } from "./dataplane-report.ts";

/** A path of which only datagrams of 64 bytes were measured, × another one. */
function path(what: string, [low, median, high]: readonly [number, number, number]): PathFigures {
  const none = { low: Number.NaN, median: Number.NaN, high: Number.NaN };
  const quantity = (name: string): Quantity =>
    name === "pps64" ? { median: 1, ratio: { low, median, high } } : { median: Number.NaN, ratio: none };
  const quantities: Partial<Record<(typeof QUANTITIES)[number], Quantity>> = {};
  for (const name of QUANTITIES) quantities[name] = quantity(name);
  return { what, raw: "another", quantities: quantities as PathFigures["quantities"], failed: 0 };
}

function bench(...paths: readonly PathFigures[]): DataplaneBench {
  const load = { programs: {}, foreign: 0, loadAverage: 0, cpus: 2 };
  return { at: "", turns: 3, datapath: "netdev", paths, load };
}

t.test("our packets are said × Kube-OVN's, whose rows are measured × ours, and so are bare OVN's", async (t) => {
  const own = path("pod to pod, on a node", [0.9, 1, 1.1]);
  const bare = path("bare OVN, on a node", [1, 1.2, 1.3]);
  const verdict = (theirs: readonly [number, number, number]) =>
    dataplaneVerdicts(bench(own, bare, path("Kube-OVN's rows, on a node", theirs))).at(-1);
  t.match(verdict([0.4, 0.5, 0.8]), {
    measured: "2.00 × Kube-OVN's rows (quartiles 1.25 to 2.50; bare OVN 2.40 ×)",
    met: true,
  });
  t.match(verdict([0.9, 1, 1.1]), { met: false });
});

t.test("what was not measured has no verdict, and NaN in the table", async (t) => {
  const measured = bench(path("pod to pod, on a node", [0.9, 1, 1.1]));
  t.match(formatDataplane(measured), /pod to pod, on a node .*NaN/);
  const verdicts = dataplaneVerdicts(measured);
  t.strictSame(
    verdicts.map(({ what }) => what),
    ["pod to pod, on a node: UDP packets/s of 64 bytes"],
  );
});
