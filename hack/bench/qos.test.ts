// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { QosBench } from "./qos.ts";
import { activeAfter, type Passed } from "./qos-changes.ts";
import { qosPicture, tolerance } from "./qos-chart.ts";
import { offered, planQos, secondsOf, TEN } from "./qos-plan.ts";
import { jain, qosVerdicts } from "./qos-report.ts";

t.test("the measurements take 250 s at most, and no pod has two at once", (t) => {
  const plan = planQos([1, 10, 100, 500], 10);
  t.ok(secondsOf(plan) <= 250, `${secondsOf(plan)} s`);
  const cells = plan.flatMap((batch) => batch.cells);
  for (const asked of [1, 10, 100, 500]) {
    const single = cells.filter((cell) => cell.asked === asked && cell.pods.length === 1);
    t.equal(single.length, 8, `${asked} Mbit/s: TCP and UDP, both directions, near and far`);
  }
  for (const { title, cells: together, settle } of plan) {
    const pods = together.flatMap((cell) => cell.pods);
    t.equal(new Set(pods).size, pods.length, title);
    t.ok(pods.every((pod) => pod < TEN));
    for (const { asked, protocol, burst } of together) {
      if (asked === 0) continue;
      t.ok((asked * 0.8) / (offered(asked) - asked) < settle, "the burst is used up before");
      // What is offered at this rate is more than a small machine sends.
      if (asked < 500 || protocol === "tcp") t.equal(burst, undefined, "the default burst");
      else t.ok((burst ?? asked) / (asked * tolerance(asked)) < settle, "also by what is hardly beyond the goal");
    }
  }
  const ten = cells.filter((cell) => cell.pods.length === TEN).map(({ asked }) => asked);
  t.strictSame([...new Set(ten)], [1, 10, 50]);
  t.end();
});

t.test("the picture has a dot for each pod, and what is beyond its edges at the edge", (t) => {
  const path = { direction: "ingress", protocol: "udp", where: "on a node" } as const;
  const picture = qosPicture({
    at: "2026-01-01T00:00:00Z",
    figures: [
      { ...path, asked: 10, got: [10] },
      { ...path, asked: 10, got: [9, 11, 40] },
    ],
  });
  const dots = [...picture.matchAll(/<circle [^>]*cy="([0-9.]+)" r="4"/g)].map(([, y]) => Number(y));
  t.equal(dots.length, 4);
  t.equal(dots[3], 60, "the upper edge");
  t.ok((dots[1] ?? 0) > (dots[0] ?? 0) && (dots[2] ?? 0) < (dots[0] ?? 0), "more is higher");
  t.match(picture, /^<svg xmlns=.*<\/svg>\n$/s);
  t.end();
});

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
      ...{ at: "2026-01-01T00:00:00Z", seconds: 4, took: 9, beside: { limited: [490], unlimited: [500], idle: 0 } },
      changes: { raised: [90], lowered: [90] },
      unlimited: [{ ...path, asked: 0, got: [500] }],
      figures: [{ ...path, asked, got }],
      load: { cpuMs: 0 } as unknown as QosBench["load"],
    });
    const met = (asked: number, got: readonly number[]) =>
      qosVerdicts(bench(asked, got))
        .slice(0, -3)
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

t.test(
  "the time when a changed rate is active is found from the sum of received datagrams, however unevenly they are sent",
  (t) => {
    // 40 Mbit/s, all of it in every other 20 ms.
    const sentAt = (at: number): number => 80_000 * (Math.floor(at / 40) * 20 + Math.min(20, at % 40));
    const samples = (arrived: (at: number) => number): readonly Passed[] =>
      Array.from({ length: 150 }, (_, index) => ({
        at: index * 2,
        sent: sentAt(index * 2),
        arrived: arrived(index * 2),
      }));
    const change = 50;
    const burst = 800_000;
    const lowered = samples((at) => Math.min(sentAt(at), sentAt(change) + burst + 1_000 * Math.max(0, at - change)));
    t.equal(activeAfter(lowered, "low"), change);
    const raised = samples((at) => (at <= change ? 1_000 * at : 1_000 * change + sentAt(at) - sentAt(change)));
    t.equal(activeAfter(raised, "high"), change);
    const never = samples(sentAt);
    t.ok(activeAfter(never, "low") > 250, "a rate that does not become active");
    const neither = samples((at) => 1_000 * at);
    t.ok(activeAfter(neither, "high") > 290);
    t.end();
  },
);
