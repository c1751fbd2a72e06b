// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { gapsOf, MEASURES, measure } from "./measures.ts";
import type { FaultSpan, Sample } from "./samples.ts";

/** One iteration each 100 ms, 10 ms long: `.` succeeds, `x` fails, `_` succeeds and takes 30 ms. */
function samples(picture: string): readonly Sample[] {
  return picture
    .split("")
    .map((mark, n) => ({ at: n * 100, ms: mark === "_" ? 30 : 10, ok: mark !== "x", actions: [] }));
}

const fault = (begun: number, ended: number): FaultSpan => ({ name: "kill", hit: "it", begun, ended });
const of = (picture: string, ...spans: FaultSpan[]) => measure({ samples: samples(picture), skipped: 0, spans });

t.test("a gap begins with a failure and ends with a success", async (t) => {
  t.same(gapsOf(samples("..xx.x..")), [
    { from: 200, to: 400 },
    { from: 500, to: 600 },
  ]);
  t.same(gapsOf(samples("..xx")), [{ from: 200, to: 310 }], "or with the end of the last");
  t.same(gapsOf(samples("....")), []);
});

t.test("measures are taken from the moment of the fault, and compared with the time before", async (t) => {
  const found = of("x....xx.x__..", fault(450, 750));
  t.match(found, {
    failures: 3,
    longest_gap: 0.2,
    baseline: 10,
    baseline_failures: 1,
    longest_iteration: 0.03,
  });
  t.ok(Math.abs((found["downtime"] ?? 0) - 0.3) < 1e-9);
  t.ok(Math.abs((found["mttr"] ?? 0) - 0.15) < 1e-9);
  t.ok(Math.abs((found["recovery"] ?? 0) - 0.15) < 1e-9, "the last gap ended at 900, the fault at 750");
  t.ok(Math.abs((found["first_success"] ?? 0) - 0.18) < 1e-9, "that of 900 took 30 ms");
  t.ok(Math.abs((found["failure_rate"] ?? 0) - 37.5) < 1e-9);
  t.equal(found["relative_degradation"], 2, "of 700 and 900, which took 10 and 30");
  t.equal(found["degradation"], 10);
});

t.test("a fault without effect has no downtime and no recovery", async (t) => {
  const found = of("..........", fault(250, 450));
  t.match(found, { failures: 0, longest_gap: 0, downtime: 0, mttr: 0, recovery: 0, relative_degradation: 1 });
});

t.test("with several faults the first beginning and the last end are used", async (t) => {
  const found = of("...x..x...", fault(550, 650), fault(250, 350));
  t.match(found, { failures: 2, recovery: 0.05 });
});

t.test("measures that cannot be taken are absent", async (t) => {
  const none = of("....");
  for (const { name, ofFault } of MEASURES) t.equal(none[name] === undefined, ofFault, `${name} without a fault`);
  t.same(measure({ samples: [], skipped: 0, spans: [] }), {});
  t.equal(of("....", fault(0, 50))["baseline"], undefined, "nothing ended before the fault");
  t.equal(of("....", fault(250, 5_000))["first_success"], undefined, "nothing ended after it");
});

t.test(
  "the first pod is the one that is Ready first after the fault, whenever it was created and is gone",
  async (t) => {
    const pod = (at: number, ready: number, ok = true): Sample => ({
      ...{ at, ms: ready + 500, ok },
      actions: [
        { name: "create", ms: 20, ok: true },
        { name: "ready", ms: ready - 20, ok },
        { name: "delete", ms: 500, ok: true },
      ],
    });
    const samples = [pod(0, 100), pod(200, 900, false), pod(300, 1_200), pod(900, 300)];
    t.equal(measure({ samples, skipped: 0, spans: [fault(250, 1_000)] })["first_ready"], 0.2);
  },
);
