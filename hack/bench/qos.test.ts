// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { QosBench } from "./qos.ts";
import { jain, qosVerdicts } from "./qos-report.ts";

t.test("Jain's index is 1 for equal shares, and 1/n where one has all", (t) => {
  t.equal(jain([5, 5, 5, 5]), 1);
  t.equal(jain([20, 0, 0, 0]), 0.25);
  t.end();
});

t.test(
  "a limit is judged where the machine could send more, and otherwise only that it does not let more through",
  (t) => {
    const path = { direction: "ingress", protocol: "udp", where: "on a node" } as const;
    const bench = (asked: number, got: readonly number[]): QosBench => ({
      ...{ at: "now", seconds: 4, changeMs: [90], beside: { alone: 500, together: 490 } },
      unlimited: [{ ...path, asked: 0, got: [500] }],
      figures: [{ ...path, asked, got }],
      load: { cpuMs: 0 } as unknown as QosBench["load"],
    });
    const met = (asked: number, got: readonly number[]) =>
      qosVerdicts(bench(asked, got))
        .slice(0, -2)
        .map(({ met }) => met);
    t.strictSame(met(10, [10.4]), [true]);
    t.strictSame(met(10, [10.6]), [false]);
    t.strictSame(met(1, [1.09]), [true]);
    t.strictSame(met(10, [9.8, 10.2]), [true, true]);
    t.strictSame(met(10, [1, 19]), [true, false]);
    t.strictSame(met(450, [300]), [true]);
    t.strictSame(met(450, [490]), [false]);
    t.end();
  },
);
