// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type ObservedAnswer, observedTransport } from "./observed-transport.ts";
import type { Transport } from "./transport.ts";

t.test("each answer is told with its call and status; a call without an answer is left to its caller", async (t) => {
  const answers: ObservedAnswer[] = [];
  const statuses = [200, 404];
  const transport = {
    open: async () => {
      const statusCode = statuses.shift();
      if (statusCode === undefined) throw new Error("no connection");
      return { statusCode };
    },
  } as unknown as Transport;
  const observed = observedTransport(transport, (answer) => answers.push(answer));
  const call = { method: "GET", path: "/api/v1/pods?limit=1" } as Parameters<Transport["open"]>[0];
  t.match(await observed.open(call), { statusCode: 200 });
  await observed.open(call);
  await t.rejects(observed.open(call), { message: "no connection" });
  t.match(answers, [
    { method: "GET", path: "/api/v1/pods?limit=1", status: 200 },
    { method: "GET", path: "/api/v1/pods?limit=1", status: 404 },
  ]);
  t.ok(answers.every(({ seconds }) => seconds >= 0));
});
