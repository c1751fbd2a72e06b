// SPDX-License-Identifier: Apache-2.0

import { duplexPair } from "node:stream";
import t from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { OvsdbError } from "./errors.ts";
import { Session } from "./session.ts";

t.test(
  "a client that is to keep its connection alive sends something as often as it says, also to a server that sends",
  async (t) => {
    const [stream, server] = duplexPair();
    const clock = new ManualClock();
    const sentAt: number[] = [];
    server.on("data", (bytes) => {
      t.match(JSON.parse(String(bytes)), { method: "echo" });
      sentAt.push(clock.now());
    });
    const session = new Session(stream, {
      ...{ clock, probeIntervalMs: 5_000, keepAliveMs: 1_000, maxMessageBytes: 1_000, maxRequests: 10 },
      onNotification: () => undefined,
      onEnd: (error) => t.fail(error.message),
    });
    for (let second = 0; second < 4; second++) {
      await clock.advance(1_000);
      server.write(JSON.stringify({ id: null, method: "update3", params: [] }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    t.same(sentAt, [1_000, 2_000, 3_000, 4_000]);
    session.end(new OvsdbError("closed", "it is over"));
    t.equal(clock.pending, 0);
  },
);
