// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import t, { type Test } from "tap";
import type { ClientEvent, OvsdbClient, OvsdbOptions } from "./client.ts";
import { OvsdbError } from "./errors.ts";
import { MessageSplitter } from "./framing.ts";
import type { JsonObject } from "./json.ts";
import type { Mirror } from "./mirror.ts";
import { openOvsdb } from "./open.ts";
import { insert, mutate, type Operation, select } from "./operation.ts";
import { selectedRows, transactResults } from "./result.ts";
import { findOvsTools, type OvsTools } from "./testing/ovs-tools.ts";
import { TEST } from "./testing/schema.ts";
import { TestFolder, type TestServer } from "./testing/server.ts";
import { until } from "./testing/until.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

interface Cluster {
  readonly servers: readonly TestServer[];
  readonly events: ClientEvent[];
  connect(options?: Partial<OvsdbOptions>): OvsdbClient;
  /** The server that a client is connected to. */
  serverOf(client: OvsdbClient): TestServer;
}

/** Three servers, each of which starts an election after 300 ms without a leader. */
async function setUp(t: Test): Promise<Cluster> {
  const folder = await TestFolder.make(tools as OvsTools);
  t.teardown(() => folder.close());
  const servers = await folder.cluster(TEST, 3, 300);
  const remotes = servers.map((server) => server.remote);
  const events: ClientEvent[] = [];
  return {
    servers,
    events,
    connect: (options = {}) => {
      const onEvent = (event: ClientEvent): void => void events.push(event);
      const client = openOvsdb({ remotes, database: TEST.name, leaderOnly: true, onEvent, ...options });
      t.teardown(() => client.close());
      return client;
    },
    serverOf: (client) => {
      const server = servers.find(({ remote }) => remote === client.remote);
      if (server === undefined) throw new Error(`connected to ${client.remote}`);
      return server;
    },
  };
}

type Groups = Mirror<{ readonly Group: { readonly name: string } }>;

const group = (name: string) => [insert(TEST, "Group", randomUUID(), { name })];

/** Resolves when the mirror has lost its server and is synced again; returns how long that took, in ms. */
async function absence(mirror: Groups): Promise<number> {
  await until(
    (check) => mirror.onSyncedChange(check),
    () => !mirror.synced,
    "the leader to be left",
  );
  const lost = performance.now();
  await until(
    (check) => mirror.onSyncedChange(check),
    () => mirror.synced,
    "the mirror to be synced again",
  );
  return performance.now() - lost;
}

/** The names that the leader has stored, read by a transaction. */
async function stored(client: OvsdbClient): Promise<string[]> {
  const [result] = await client.transact(TEST.name, [select(TEST, "Group", [], ["name"])]);
  return selectedRows(TEST, "Group", result)
    .map((row) => row.name ?? "")
    .sort();
}

const names = (mirror: Groups): string[] => [...mirror.rows("Group")].map((row) => row.name).sort();

t.test(
  "a mirror is synced again after every transfer of leadership, with all rows that were written meanwhile",
  { skip },
  async (t) => {
    const cluster = await setUp(t);
    const client = cluster.connect();
    const mirror: Groups = client.monitor(TEST, { Group: ["name"] });
    const lock = client.lock("leader");
    await Promise.all([mirror.whenSynced(), lock.whenHeld()]);
    const heard = new Set<string>();
    mirror.subscribe((changes) => {
      for (const { new: row } of changes) if (row !== undefined) heard.add(row.name);
    });

    // Another client, which accepts any server, writes all the time, also while the first has no leader.
    const writer = cluster.connect({ leaderOnly: false, remotes: [cluster.servers[2]!.remote], onEvent: () => {} });
    await writer.whenConnected();
    let writing = true;
    let written = 0;
    const writes = (async () => {
      while (writing) {
        await writer.transact(TEST.name, group(`w${written}`)).then(
          () => written++,
          (error: unknown) => {
            if (!(error instanceof OvsdbError && error.retryable)) throw error;
          },
        );
        await writer.whenConnected();
      }
    })();

    const used = new Set<string>();
    let longest = 0;
    for (let round = 0; round < 5; round++) {
      const leader = cluster.serverOf(client);
      used.add(leader.remote);
      const away = absence(mirror);
      await leader.control("cluster/failure-test", "transfer-leadership");
      longest = Math.max(longest, await away);
      t.not(client.remote, leader.remote, "with another server");
      await lock.whenHeld();
      await client.transact(TEST.name, group(`r${round}`), { assertLock: "leader" });
    }
    writing = false;
    await writes;
    const truth = await stored(client);
    t.ok(written > 0 && truth.length >= written + 5, `${written} rows were written meanwhile`);
    t.same(names(mirror), truth);
    t.same([...heard].sort(), truth, "listeners got every one");
    t.comment(`not synced for ${Math.round(longest)} ms at most`);
    t.ok(used.size > 1);
    const resumed = cluster.events.filter((event) => event.type === "synced" && event.resumed);
    // A server keeps the last hundred transactions; a client that missed more reads everything again.
    t.comment(`${resumed.length} times the new leader sent only the changes since`);
  },
);

t.test(
  "a mirror is synced again after the leader is killed, and the other client gets the lock",
  { skip },
  async (t) => {
    const cluster = await setUp(t);
    const [client, standby] = [cluster.connect(), cluster.connect()];
    const mirror: Groups = client.monitor(TEST, { Group: ["name"] });
    const lock = client.lock("leader");
    await Promise.all([mirror.whenSynced(), lock.whenHeld()]);
    const second = standby.lock("leader");
    await standby.whenConnected();
    await client.transact(TEST.name, group("before"), { assertLock: "leader" });

    const killed = cluster.serverOf(client);
    const away = absence(mirror);
    await killed.stop("SIGKILL");
    t.equal(lock.state, "lost");
    const ms = await away;
    t.comment(`not synced for ${Math.round(ms)} ms`);
    await until(
      (check) => [lock.onChange(check), second.onChange(check)][1]!,
      () => lock.state === "held" || second.state === "held",
      "a leader",
    );
    const [held, other] = lock.state === "held" ? [client, standby] : [standby, client];
    await held.whenConnected();
    await held.transact(TEST.name, group("after"), { assertLock: "leader" });
    await other.whenConnected();
    await t.rejects(other.transact(TEST.name, group("never"), { assertLock: "leader" }), { code: "not owner" });
    await until(
      (check) => mirror.subscribe(check),
      () => mirror.size("Group") === 2,
      "the row",
    );
    t.same(names(mirror), ["after", "before"]);

    await killed.start();
    await client.transact(TEST.name, group("all three"));
    t.same(names(mirror), ["after", "all three", "before"]);
  },
);

t.test("a suspended leader is left for the next one, and not used again", { skip }, async (t) => {
  const cluster = await setUp(t);
  const client = cluster.connect({ probeIntervalMs: 200, connectTimeoutMs: 500 });
  const mirror: Groups = client.monitor(TEST, { Group: ["name"] });
  await mirror.whenSynced();
  const frozen = cluster.serverOf(client);
  const away = absence(mirror);
  frozen.freeze(true);
  await away;
  t.not(client.remote, frozen.remote);
  await client.transact(TEST.name, group("without it"));
  frozen.freeze(false);
  await client.transact(TEST.name, group("with it"));
  t.not(client.remote, frozen.remote);
  t.same(names(mirror), ["with it", "without it"]);
});

t.test("without a majority writes are not possible, and they are again when it is back", { skip }, async (t) => {
  const cluster = await setUp(t);
  const client = cluster.connect({ maxBackoffMs: 500 });
  const any = cluster.connect({ maxBackoffMs: 500, leaderOnly: false });
  const mirrors: readonly Groups[] = [client, any].map((one) => one.monitor(TEST, { Group: ["name"] }));
  await Promise.all(mirrors.map((mirror) => mirror.whenSynced()));
  await client.transact(TEST.name, group("before"));
  const leader = cluster.serverOf(client);
  const [gone] = cluster.servers.filter((server) => server !== leader);
  await Promise.all([leader.stop("SIGKILL"), gone!.stop("SIGKILL")]);
  for (const one of [client, any]) {
    await until(
      (check) => one.onStateChange(check),
      () => one.state === "connecting",
      "the remaining server to be left, too",
    );
    await t.rejects(one.transact(TEST.name, group("never")), { code: "not connected" });
  }
  t.same(names(mirrors[0]!), ["before"], "the content is kept");
  await Promise.all([leader.start(), gone!.start()]);
  await Promise.all(mirrors.map((mirror) => mirror.whenSynced()));
  await client.transact(TEST.name, group("after"));
  for (const mirror of mirrors) {
    await until(
      (check) => mirror.subscribe(check),
      () => mirror.size("Group") === 2,
      "the row",
    );
    t.same(names(mirror), ["after", "before"]);
  }
});

/** One transaction by a client that does not check whether its server leads; resolves with the answer. */
function tell(server: TestServer, operations: readonly Operation[]): Promise<JsonObject> {
  const socket = connect(server.remote.slice("unix:".length));
  const splitter = new MessageSplitter(1e6);
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("data", (chunk: Uint8Array) =>
      splitter.push(chunk, (message) => {
        socket.destroy();
        resolve(message);
      }),
    );
    socket.write(JSON.stringify({ method: "transact", params: [TEST.name, ...operations], id: 1 }));
  });
}

t.test(
  "a transaction that loses its leader is run twice by the server: it may be refused and yet be applied",
  { skip },
  async (t) => {
    const cluster = await setUp(t);
    const client = cluster.connect();
    await client.whenConnected();
    const s = randomUUID();
    await client.transact(TEST.name, [insert(TEST, "Switch", s, { name: "s" })]);
    const mirror = client.monitor(TEST, { Switch: "all", Group: "all" });
    await mirror.whenSynced();

    /**
     * Sends while no follower answers, so that the leader steps down; the sent entries are in the followers' logs all
     * the same.
     */
    const leaderless = async <T>(send: (leader: TestServer) => Promise<T>): Promise<T> => {
      await client.whenConnected();
      const leader = cluster.serverOf(client);
      const others = cluster.servers.filter((server) => server !== leader);
      for (const other of others) other.freeze(true);
      const sent = send(leader);
      await until(
        (check) => client.onStateChange(check),
        () => client.state === "connecting",
        "the leader to step down",
      );
      for (const other of others) other.freeze(false);
      return await sent;
    };
    const outcomeOf = async (operations: readonly Operation[]): Promise<OvsdbError | undefined> => {
      const { result } = await leaderless((leader) => tell(leader, operations));
      try {
        transactResults(result ?? null, operations.length, { clustered: true });
        return undefined;
      } catch (error) {
        return error instanceof OvsdbError ? error : undefined;
      }
    };

    t.match(await outcomeOf(group("chosen")), { code: "duplicate uuid", mayHaveApplied: true });
    const indexed = await outcomeOf([insert(TEST, "Switch", undefined, { name: "indexed" })]);
    t.match(indexed, { code: "constraint violation", mayHaveApplied: true });
    t.equal(await outcomeOf([mutate(TEST, "Switch", s, [["generation", "+=", 1]])]), undefined, "no complaint");
    const sent = leaderless(() => client.transact(TEST.name, group("left")));
    await t.rejects(sent, { code: "disconnected", mayHaveApplied: true, cause: { code: "unsuitable server" } });

    await client.whenConnected();
    await mirror.whenSynced();
    await client.transact(TEST.name, []);
    t.same([...mirror.rows("Group")].map((row) => row.name).sort(), ["chosen", "left"]);
    t.same([...mirror.rows("Switch")].map((row) => row.name).sort(), ["indexed", "s"]);
    t.equal(mirror.get("Switch", s)?.generation, 2, "which is why Weft does not count by increments there");
  },
);

t.test(
  "without an answer a transaction ends by its own time limit, and may still be applied later",
  { skip },
  async (t) => {
    const cluster = await setUp(t);
    const client = cluster.connect({ probeIntervalMs: 60_000 });
    const mirror: Groups = client.monitor(TEST, { Group: ["name"] });
    await mirror.whenSynced();
    for (const server of cluster.servers) server.freeze(true);
    const sent = client.transact(TEST.name, group("late"), { timeoutMs: 100 });
    await t.rejects(sent, { code: "timeout", mayHaveApplied: true });
    for (const server of cluster.servers) server.freeze(false);
    await until(
      (check) => mirror.subscribe(check),
      () => mirror.size("Group") === 1,
      "the row",
    );
  },
);
