// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { type Duplex, duplexPair } from "node:stream";
import t, { type Test } from "tap";
import { SYSTEM_CLOCK } from "../time/clock.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import type { ClientEvent, ClientState, OvsdbClient, OvsdbOptions } from "./client.ts";
import { Connection } from "./connection.ts";
import type { Dial } from "./dial.ts";
import { insert, wait } from "./operation.ts";
import { type FakeOvsdb, fakeOvsdb } from "./testing/fake.ts";
import { TEST } from "./testing/schema.ts";
import { until } from "./testing/until.ts";

const ONE = [insert(TEST, "Group", undefined, { name: "g" })];

function setUp(
  t: Test,
  options: Partial<OvsdbOptions> = {},
): { server: FakeOvsdb; client: OvsdbClient; events: ClientEvent[] } {
  const server = fakeOvsdb(TEST);
  t.teardown(() => server.close());
  const events: ClientEvent[] = [];
  return { server, client: server.connect({ onEvent: (event) => events.push(event), ...options }), events };
}

/** A client with the given `dial`. */
function clientOf(t: Test, dial: Dial, options: Partial<OvsdbOptions>, clock = new ManualClock()): OvsdbClient {
  const client = new Connection({ remotes: ["a", "b", "c"], database: TEST.name, ...options }, { clock, dial });
  t.teardown(() => client.close());
  return client;
}

/** Lets all pending messages arrive. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

t.test("nothing is sent without a connection", async (t) => {
  const { server, client } = setUp(t);
  t.equal(client.state, "connecting");
  await t.rejects(client.transact(TEST.name, ONE), { code: "not connected", mayHaveApplied: false });
  await client.whenConnected();
  await client.transact(TEST.name, ONE);
  t.equal(server.transactions.length, 1);
});

t.test("changes of state are reported in order", async (t) => {
  const { server, client } = setUp(t);
  const states: ClientState[] = [];
  client.onStateChange((state) => states.push(state));
  await client.whenConnected();
  server.cut();
  await until(
    (check) => client.onStateChange(check),
    () => states.length === 3,
    "the way back",
  );
  await client.close();
  t.same(states, ["connected", "connecting", "connected", "closed"]);
});

t.test("a transaction whose connection breaks may have been applied, and is not sent again", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  server.pause();
  const lost = client.transact(TEST.name, ONE);
  server.cut();
  await t.rejects(lost, { code: "disconnected", mayHaveApplied: true });
  server.resume();
  await client.whenConnected();
  await settled();
  t.equal(server.transactions.length, 0);
});

t.test("a transaction without answer ends with its time limit or its signal", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  server.pause();
  await t.rejects(client.transact(TEST.name, ONE, { timeoutMs: 10 }), { code: "timeout", mayHaveApplied: true });
  await t.rejects(client.transact(TEST.name, ONE, { signal: AbortSignal.timeout(10) }), { code: "abandoned" });
  await t.rejects(client.transact(TEST.name, ONE, { signal: AbortSignal.abort() }), { code: "abandoned" });
});

t.test("a transaction that is abandoned while it waits is cancelled on the server", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  const operation = wait(TEST, "Group", { where: [], until: "!=", rows: [], columns: ["name"] });
  await t.rejects(client.transact(TEST.name, [operation, ...ONE], { timeoutMs: 10 }), { code: "timeout" });
  await settled();
  await server.edit(TEST, ONE);
  t.equal(server.rows(TEST, "Group").length, 1, "the other one was not applied later");
});

t.test("requests beyond the limit are refused without being sent", async (t) => {
  const { server, client } = setUp(t, { maxRequests: 2 });
  await client.whenConnected();
  server.pause();
  const waiting = [client.transact(TEST.name, ONE), client.transact(TEST.name, ONE)];
  await t.rejects(client.transact(TEST.name, ONE), { code: "overloaded", mayHaveApplied: false });
  server.resume();
  await Promise.all(waiting);
  t.equal(server.transactions.length, 2);
});

t.test("a message larger than the limit is not sent, and a received one ends the connection", async (t) => {
  const { server, client, events } = setUp(t, { maxMessageBytes: 20_000 });
  await client.whenConnected();
  const large = insert(TEST, "Group", undefined, { name: "x".repeat(30_000) });
  await t.rejects(client.transact(TEST.name, [large]), { code: "too large", mayHaveApplied: false });
  t.equal(client.state, "connected");
  await server.edit(TEST, [large]);
  client.monitor(TEST, { Group: "all" });
  await until(
    (check) => client.onStateChange(check),
    () => client.state === "connecting",
    "the end of the connection",
  );
  t.match(
    events.findLast((event) => event.type === "disconnected"),
    { error: { code: "too large" } },
  );
});

t.test("a closed client rejects waiting and new calls", async (t) => {
  const { server, client } = setUp(t);
  const mirror = client.monitor(TEST, { Group: "all" });
  await client.whenConnected();
  server.pause();
  const sent = client.transact(TEST.name, ONE);
  await client.close();
  await client.close();
  await t.rejects(sent, { code: "disconnected", mayHaveApplied: true });
  await t.rejects(client.transact(TEST.name, ONE), { code: "closed" });
  await t.rejects(client.whenConnected(), { code: "closed" });
  await t.rejects(mirror.whenSynced(), { code: "closed" });
  t.throws(() => client.monitor(TEST, { Group: "all" }), { code: "closed" });
  t.throws(() => client.lock("l"), { code: "closed" });
  t.equal(client.state, "closed");
});

t.test(
  "a client that needs the leader leaves a server when it no longer leads, and connects to the new leader",
  async (t) => {
    const { server, client, events } = setUp(t, { leaderOnly: true });
    const mirror = client.monitor(TEST, { Group: "all" });
    await mirror.whenSynced();
    server.setLeader(false);
    await until(
      (check) => mirror.onSyncedChange(check),
      () => !mirror.synced,
      "the leader to be left",
    );
    t.match(
      events.findLast((event) => event.type === "disconnected"),
      { error: { code: "unsuitable server" } },
    );
    await settled();
    t.equal(client.state, "connecting");
    server.setLeader(true);
    await mirror.whenSynced();
    t.equal(client.state, "connected");
  },
);

t.test("a client that does not need the leader stays", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  server.setLeader(false);
  await client.transact(TEST.name, ONE);
  t.equal(client.state, "connected");
});

t.test("a server without the database is not suitable", async (t) => {
  const failure = new Promise<ClientEvent>((resolve) => {
    setUp(t, { database: "Other", onEvent: (event) => event.type === "disconnected" && resolve(event) });
  });
  t.match(await failure, { error: { code: "unsuitable server", message: /has no database Other/ } });
});

t.test("remotes are tried one after the other at once, and a pause follows each complete round", async (t) => {
  const clock = new ManualClock();
  const dialled: string[] = [];
  const events: ClientEvent[] = [];
  const dial: Dial = async (remote) => {
    dialled.push(remote);
    throw new Error("no server");
  };
  clientOf(t, dial, { onEvent: (event) => events.push(event), maxBackoffMs: 1000 }, clock);
  await settled();
  t.same(dialled, ["a", "b", "c"]);
  const pauses: number[] = [];
  for (let round = 0; round < 6; round++) {
    const last = events.at(-1);
    if (last?.type !== "backoff") throw new Error("no pause");
    pauses.push(last.delayMs);
    clock.pass(last.delayMs);
    await settled();
  }
  t.same(pauses, [100, 200, 400, 800, 1000, 1000]);
  t.equal(dialled.length, 21);
  t.equal(clock.pending, 1, "nothing remains");
});

t.test("a server that accepts and sends nothing is left after the time limit", async (t) => {
  const clock = new ManualClock();
  const dialled: string[] = [];
  const streams: Duplex[] = [];
  const dial: Dial = async (remote) => {
    dialled.push(remote);
    const [here, there] = duplexPair();
    there.resume();
    streams.push(here);
    return here;
  };
  clientOf(t, dial, { connectTimeoutMs: 300 }, clock);
  await settled();
  t.same(dialled, ["a"]);
  clock.pass(300);
  await settled();
  t.same(dialled, ["a", "b"]);
  t.ok(streams[0]?.destroyed);
});

t.test("a connection attempt that hangs is aborted after the time limit", async (t) => {
  const clock = new ManualClock();
  const dialled: string[] = [];
  const dial: Dial = (remote, signal) => {
    dialled.push(remote);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  };
  clientOf(t, dial, { connectTimeoutMs: 300 }, clock);
  clock.pass(300);
  await settled();
  t.same(dialled, ["a", "b"]);
});

t.test("a server that drops each connection at once is not dialled in a loop", async (t) => {
  const server = fakeOvsdb(TEST);
  t.teardown(() => server.close());
  const clock = new ManualClock();
  let dialled = 0;
  const inner = server.connect();
  await inner.whenConnected();
  const dial: Dial = async () => {
    dialled++;
    return server.dial();
  };
  const client = clientOf(
    t,
    dial,
    { onEvent: (event) => event.type === "connected" && setImmediate(() => server.cut()) },
    clock,
  );
  await until(
    (check) => client.onStateChange(check),
    () => client.state === "connected",
    "the first connection",
  );
  await settled();
  t.equal(client.state, "connecting");
  t.equal(dialled, 1, "the next one waits");
  clock.pass(100);
  await settled();
  t.equal(dialled, 2);
});

t.test("an invalid message from the server ends the connection", async (t) => {
  const dialled: string[] = [];
  const events: ClientEvent[] = [];
  const dial: Dial = async (remote) => {
    dialled.push(remote);
    const [here, there] = duplexPair();
    there.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    return here;
  };
  clientOf(t, dial, { onEvent: (event) => events.push(event) });
  await settled();
  t.match(
    events.find((event) => event.type === "disconnected"),
    { error: { code: "protocol" } },
  );
});

t.test("the server's echo request is answered", async (t) => {
  const [here, there] = duplexPair();
  const answers: string[] = [];
  there.on("data", (chunk: Buffer) => answers.push(String(chunk)));
  clientOf(t, async () => here, {});
  await settled();
  there.write('{"method":"echo","params":["are you there"],"id":"echo"}{"method":"dance","params":[],"id":7}');
  await settled();
  t.ok(answers.join("").includes('{"id":"echo","result":["are you there"],"error":null}'));
  t.ok(answers.join("").includes('"unknown method"'));
});

t.test("a silent server is detected by the probe", async (t) => {
  const { server, client, events } = setUp(t, { probeIntervalMs: 20 });
  const mirror = client.monitor(TEST, { Group: "all" });
  await mirror.whenSynced();
  server.pause();
  await until(
    (check) => mirror.onSyncedChange(check),
    () => !mirror.synced,
    "the silence to be detected",
  );
  t.match(
    events.findLast((event) => event.type === "disconnected"),
    { error: { code: "disconnected", message: /not answered/ } },
  );
  await server.edit(TEST, [insert(TEST, "Group", randomUUID(), { name: "meanwhile" })]);
  server.resume();
  await mirror.whenSynced();
  t.equal(mirror.size("Group"), 1);
});

t.test("an idle client keeps its connection", async (t) => {
  const { client, events } = setUp(t, { probeIntervalMs: 5 });
  await client.whenConnected();
  await new Promise((resolve) => SYSTEM_CLOCK.after(60, () => resolve(undefined)));
  t.same(
    events.map((event) => event.type),
    ["connecting", "connected"],
  );
});
