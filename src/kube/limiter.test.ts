// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "./errors.ts";
import { limiter } from "./limiter.ts";

function gate(): { open: () => void; closed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, closed: promise };
}

t.test("no more than the limit run at once, the rest in the order of arrival", async (t) => {
  const limit = limiter(2, 10);
  const order: number[] = [];
  const gates = [0, 1, 2, 3].map(gate);
  const runs = gates.map((each, n) =>
    limit.run(async () => {
      order.push(n);
      await each.closed;
    }),
  );
  await Promise.resolve();
  t.same([order, limit.running, limit.waiting], [[0, 1], 2, 2]);
  gates[1]?.open();
  await runs[1];
  await Promise.resolve();
  t.same(order, [0, 1, 2]);
  for (const each of gates) each.open();
  await Promise.all(runs);
  t.same([order, limit.running, limit.waiting], [[0, 1, 2, 3], 0, 0]);
});

t.test("a call beyond the limit is refused at once, and a failed one frees its slot", async (t) => {
  const limit = limiter(1, 1);
  const first = gate();
  const failing = limit.run(async () => {
    await first.closed;
    throw new Error("no");
  });
  const waiting = limit.run(async () => "done");
  await t.rejects(
    limit.run(async () => undefined),
    { code: "overloaded" },
  );
  first.open();
  await t.rejects(failing, { message: "no" });
  t.equal(await waiting, "done");
});

t.test("a waiting call can leave the queue without having run", async (t) => {
  const limit = limiter(1, 5);
  const first = gate();
  const running = limit.run(async () => await first.closed);
  let cancel: (reason: KubeError) => void = () => undefined;
  const left = limit.run(
    async () => t.fail("it left"),
    (leave) => {
      cancel = leave;
    },
  );
  cancel(new KubeError("timeout", "too long"));
  await t.rejects(left, { code: "timeout" });
  t.equal(limit.waiting, 0);
  first.open();
  await running;
  t.equal(limit.running, 0);
});
