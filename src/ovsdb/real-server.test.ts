// SPDX-License-Identifier: Apache-2.0

import { execFile, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import type { ClientEvent, OvsdbClient, OvsdbOptions, TlsFiles } from "./client.ts";
import { openOvsdb } from "./open.ts";
import { abort, insert, mutate, type Operation, remove, update, wait } from "./operation.ts";
import { findOvsTools, type OvsTools } from "./testing/ovs-tools.ts";
import { TEST } from "./testing/schema.ts";
import { TestFolder, type TestServer } from "./testing/server.ts";
import { until } from "./testing/until.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;
const noOpenssl = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";

interface Bench {
  readonly folder: TestFolder;
  readonly server: TestServer;
  readonly events: ClientEvent[];
  connect(options?: Partial<OvsdbOptions>): OvsdbClient;
}

/** A standalone server; it and its clients are closed with the test. */
async function setUp(t: Test, options: readonly string[] = []): Promise<Bench> {
  const folder = await TestFolder.make(tools as OvsTools);
  t.teardown(() => folder.close());
  const server = await folder.standalone(TEST, options);
  const events: ClientEvent[] = [];
  return {
    folder,
    server,
    events,
    connect: (options = {}) => {
      const onEvent = (event: ClientEvent): void => void events.push(event);
      const client = openOvsdb({
        remotes: [server.remote],
        database: TEST.name,
        maxBackoffMs: 200,
        onEvent,
        ...options,
      });
      t.teardown(() => client.close());
      return client;
    },
  };
}

/** A transaction written to the database file while no server has it open. */
async function editOffline(bench: Bench, operations: readonly Operation[]): Promise<void> {
  await bench.folder.tool("ovsdb-tool", "transact", bench.server.file, JSON.stringify([TEST.name, ...operations]));
}

t.test("from a restarted server everything is read again, and only differences are reported", { skip }, async (t) => {
  const bench = await setUp(t);
  const client = bench.connect();
  const mirror = client.monitor(TEST, { Switch: ["name", "generation", "ids"], Port: "all" });
  await mirror.whenSynced();
  const [a, b, p] = [randomUUID(), randomUUID(), randomUUID()];
  await client.transact(TEST.name, [
    insert(TEST, "Port", p, { name: "p" }),
    insert(TEST, "Switch", a, { name: "a", ids: { k: "v" }, ports: [p] }),
    insert(TEST, "Switch", b, { name: "b" }),
    insert(TEST, "Switch", undefined, { name: "c" }),
  ]);
  const kept = mirror.get("Switch", a);
  const changes: string[] = [];
  mirror.subscribe((all) => {
    for (const change of all) changes.push(`${change.old?.name ?? "nothing"} → ${change.new?.name ?? "nothing"}`);
  });
  await bench.server.stop();
  await until(
    (check) => mirror.onSyncedChange(check),
    () => !mirror.synced,
    "the loss to be detected",
  );
  await editOffline(bench, [
    update(TEST, "Switch", b, { name: "B", generation: 5 }),
    remove(TEST, "Switch", [["name", "==", "c"]]),
    insert(TEST, "Switch", undefined, { name: "d" }),
  ]);
  await bench.server.start();
  await mirror.whenSynced();
  t.same(changes.sort(), ["b → B", "c → nothing", "nothing → d"]);
  t.equal(mirror.get("Switch", a), kept, "the same object");
  t.equal(mirror.get("Switch", b)?.generation, 5);
  await client.transact(TEST.name, [update(TEST, "Switch", a, { generation: 1 })]);
  t.equal(mirror.get("Switch", a)?.generation, 1, "and it is current from then on");
});

t.test("a suspended server is detected, and the mirror is updated when it continues", { skip }, async (t) => {
  const bench = await setUp(t);
  const client = bench.connect({ probeIntervalMs: 150, connectTimeoutMs: 300 });
  const mirror = client.monitor(TEST, { Group: "all" });
  await mirror.whenSynced();
  const started = performance.now();
  bench.server.freeze(true);
  const sent = client.transact(TEST.name, [insert(TEST, "Group", undefined, { name: "g" })]);
  await t.rejects(sent, { code: "disconnected", mayHaveApplied: true });
  t.comment(`detected after ${Math.round(performance.now() - started)} ms, with an interval of 150`);
  t.notOk(mirror.synced);
  await until(
    (check) => client.onStateChange(check),
    () => client.state === "connected",
    "a frozen server to answer",
    500,
  ).then(
    () => t.fail("a frozen server was considered alive"),
    () => t.pass("the frozen server accepts connections but is not suitable"),
  );
  bench.server.freeze(false);
  await mirror.whenSynced();
  // The request was in the socket's buffer all the time: this is the case of `mayHaveApplied`.
  await until(
    (check) => mirror.subscribe(check),
    () => mirror.size("Group") === 1,
    "the transaction",
  );
});

t.test("errors have their code, the operation, and the server's text", { skip }, async (t) => {
  const bench = await setUp(t);
  const client = bench.connect();
  await client.whenConnected();
  const [s, p] = [randomUUID(), randomUUID()];
  await client.transact(TEST.name, [
    insert(TEST, "Port", p, { name: "p" }),
    insert(TEST, "Switch", s, { name: "s", ports: [p] }),
  ]);
  const good = insert(TEST, "Group", undefined, { name: "g" });
  const cases: readonly (readonly [string, number | undefined, Operation])[] = [
    ["constraint violation", undefined, insert(TEST, "Switch", undefined, { name: "s" })],
    ["constraint violation", 1, update(TEST, "Switch", s, { generation: -1 })],
    ["constraint violation", 1, mutate(TEST, "Switch", s, [["generation", "-=", 1]])],
    ["duplicate uuid", 1, insert(TEST, "Switch", s, { name: "t" })],
    ["referential integrity violation", undefined, remove(TEST, "Port", p)],
    ["referential integrity violation", undefined, mutate(TEST, "Switch", s, [["ports", "insert", [randomUUID()]]])],
    ["timed out", 1, wait(TEST, "Switch", { where: s, until: "==", rows: [{ name: "t" }], timeoutMs: 0 })],
    ["aborted", 1, abort()],
    ["domain error", 1, mutate(TEST, "Switch", s, [["generation", "/=", 0]])],
    ["not owner", 1, { op: "assert", lock: "unheld" }],
    ["unknown column", 1, { op: "update", table: "Switch", where: [], row: { nonsense: 1 } }],
    ["syntax error", 1, { op: "delete", table: "Nonsense", where: [] }],
    ["syntax error", 1, { op: "dance" } as never],
  ];
  for (const [code, operation, bad] of cases) {
    await t.rejects(client.transact(TEST.name, [good, bad]), { code, operation, mayHaveApplied: false }, code);
  }
  await t.rejects(client.transact("Nonsense", [good]), { code: "unknown database" });
  const mirror = client.monitor(TEST, { Group: "all" });
  await mirror.whenSynced();
  t.equal(mirror.size("Group"), 0, "none of them changed anything");
});

t.test(
  "a chosen uuid can be inserted, deleted and inserted again, and referred to in its own transaction",
  { skip },
  async (t) => {
    const client = (await setUp(t)).connect();
    const mirror = client.monitor(TEST, { Switch: "all", Port: ["name"] });
    await mirror.whenSynced();
    const [s, p] = [randomUUID(), randomUUID()];
    for (const round of ["first", "second", "third"]) {
      const results = await client.transact(TEST.name, [
        insert(TEST, "Switch", s, { name: round, ports: [p] }),
        insert(TEST, "Port", p, { name: round }),
      ]);
      t.same(results, [{ uuid: s }, { uuid: p }]);
      t.same([mirror.get("Switch", s)?.ports, mirror.get("Port", p)?.name], [[p], round]);
      await client.transact(TEST.name, [remove(TEST, "Switch", s)]);
      t.same([mirror.size("Switch"), mirror.size("Port")], [0, 0], "the port is deleted with its switch");
    }
  },
);

t.test("rows enter and leave a mirror with a condition", { skip }, async (t) => {
  const client = (await setUp(t)).connect();
  const mirror = client.monitor(TEST, {
    Switch: {
      columns: ["name"],
      whereAny: [
        ["mode", "==", "fast"],
        ["generation", ">", 5],
      ],
    },
    Port: { columns: ["name"], whereAny: [] },
  });
  const changes: string[] = [];
  mirror.subscribe((all) => {
    for (const change of all) changes.push(`${change.old?.name ?? "nothing"} → ${change.new?.name ?? "nothing"}`);
  });
  await mirror.whenSynced();
  const [s, p] = [randomUUID(), randomUUID()];
  await client.transact(TEST.name, [
    insert(TEST, "Port", p, { name: "p" }),
    insert(TEST, "Switch", s, { name: "s", ports: [p] }),
    insert(TEST, "Switch", undefined, { name: "other" }),
  ]);
  await client.transact(TEST.name, [update(TEST, "Switch", s, { generation: 6 })]);
  await client.transact(TEST.name, [update(TEST, "Switch", s, { generation: 1, mode: "fast" })]);
  await client.transact(TEST.name, [update(TEST, "Switch", s, { mode: undefined })]);
  t.same(changes, ["nothing → s", "s → nothing"]);
  t.equal(mirror.size("Port"), 0);
});

t.test("a lock goes to the next client when the process that holds it is killed", { skip }, async (t) => {
  const bench = await setUp(t);
  const script = join(import.meta.dirname, "testing/holder.ts");
  const holder = spawn(process.execPath, [script, bench.server.remote, TEST.name, "l"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const client = bench.connect();
  const lock = client.lock("l");
  await client.whenConnected();
  const write = (): Promise<unknown> =>
    client.transact(TEST.name, [insert(TEST, "Group", undefined, { name: "g" })], { assertLock: "l" });
  const ask = (): Promise<unknown> => client.transact(TEST.name, [], { assertLock: "l" });
  await t.rejects(write(), { code: "not owner" });
  t.equal(lock.state, "waiting");
  await t.rejects(ask(), { code: "not owner" });
  holder.kill("SIGKILL");
  await lock.whenHeld();
  t.same(await ask(), [], "a transaction with only the assertion checks whether the lock is held");
  await write();
  const thief = bench.connect().steal("l");
  await thief.whenHeld();
  await until(
    (check) => lock.onChange(check),
    () => lock.state === "lost",
    "the steal to be reported",
  );
  await t.rejects(write(), { code: "not owner" });
  await thief.release();
  await lock.whenHeld();
  await write();
});

t.test("ten thousand rows are mirrored, and one change among them is processed as one change", { skip }, async (t) => {
  const bench = await setUp(t);
  const writer = bench.connect();
  await writer.whenConnected();
  const s = randomUUID();
  const ports = Array.from({ length: 10_000 }, () => randomUUID());
  await writer.transact(TEST.name, [
    ...ports.map((uuid, i) =>
      insert(TEST, "Port", uuid, {
        name: `pod-${i}.default`,
        addresses: [`0a:00:00:00:00:00 10.16.0.${i}`],
        tag: i % 4096,
      }),
    ),
    insert(TEST, "Switch", s, { name: "s", ports: ports.toSorted() }),
  ]);
  const client = bench.connect();
  const started = performance.now();
  const mirror = client.monitor(TEST, { Switch: "all", Port: "all" });
  const names = mirror.index("Port", "name", (row) => row.name);
  await mirror.whenSynced();
  t.comment(`read in ${Math.round(performance.now() - started)} ms`);
  t.equal(mirror.size("Port"), 10_000);
  t.same(mirror.get("Switch", s)?.ports, ports.toSorted());
  t.equal(names.lookup("pod-4711.default")[0]?.tag, 4711 % 4096);
  const changes: number[] = [];
  mirror.subscribe((all) => changes.push(all.length));
  const extra = randomUUID();
  await client.transact(TEST.name, [
    insert(TEST, "Port", extra, { name: "extra" }),
    mutate(TEST, "Switch", s, [
      ["ports", "insert", [extra]],
      ["ports", "delete", [ports[0] as string]],
    ]),
  ]);
  t.same(changes, [3], "one port added, one deleted, the switch changed");
  t.same(mirror.get("Switch", s)?.ports, [...ports.slice(1), extra].sort());
  t.equal(names.lookup("pod-0.default").length, 0);
});

t.test("an older server's columns are used, and missing ones are reported", { skip }, async (t) => {
  const folder = await TestFolder.make(tools as OvsTools);
  t.teardown(() => folder.close());
  const { mode: _, groups: __, ...columns } = TEST.tables.Switch.columns;
  const { Group: ___, ...tables } = TEST.tables;
  const old = { ...TEST, tables: { ...tables, Switch: { ...TEST.tables.Switch, columns } } };
  const server = await folder.standalone(old as unknown as typeof TEST);
  const events: ClientEvent[] = [];
  const client = openOvsdb({ remotes: [server.remote], database: TEST.name, onEvent: (event) => events.push(event) });
  t.teardown(() => client.close());
  const mirror = client.monitor(TEST, { Switch: ["name", "mode"], Group: "all" });
  await mirror.whenSynced();
  const uuid = randomUUID();
  await client.transact(TEST.name, [insert(TEST, "Switch", uuid, { name: "s" })]);
  t.same(mirror.get("Switch", uuid), { _uuid: uuid, name: "s", mode: undefined });
  t.equal(mirror.size("Group"), 0);
  const lacking = events.flatMap((event) => (event.type === "schema-lacks" ? [[event.table, event.column]] : []));
  t.same(lacking, [
    ["Switch", "mode"],
    ["Group", undefined],
  ]);
});

t.test("a server over TCP is reached by IPv4 and IPv6", { skip }, async (t) => {
  const [four, six] = [await freePort("127.0.0.1"), await freePort("::1")];
  const bench = await setUp(t, [`--remote=ptcp:${four}:127.0.0.1`, `--remote=ptcp:${six}:[::1]`]);
  for (const remote of [`tcp:127.0.0.1:${four}`, `tcp:[::1]:${six}`]) {
    const client = bench.connect({ remotes: [remote] });
    await client.whenConnected();
    await client.transact(TEST.name, [insert(TEST, "Group", undefined, { name: remote })]);
    t.equal(client.remote, remote);
  }
});

t.test(
  "a server over TLS is reached, and one with an untrusted certificate is not",
  { skip: skip || noOpenssl },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "ovsdb-tls-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const port = await freePort("127.0.0.1");
    const [ours, theirs] = [await selfSigned(folder, "ours"), await selfSigned(folder, "theirs")];
    const bench = await setUp(t, [
      `--remote=pssl:${port}:127.0.0.1`,
      `--private-key=${ours.privateKey}`,
      `--certificate=${ours.certificate}`,
      `--ca-cert=${ours.caCertificate}`,
    ]);
    const remotes = [`ssl:127.0.0.1:${port}`];
    const client = bench.connect({ remotes, tls: ours });
    await client.whenConnected();
    await client.transact(TEST.name, [insert(TEST, "Group", undefined, { name: "g" })]);
    const failure = new Promise<ClientEvent>((resolve) => {
      bench.connect({ remotes, tls: theirs, onEvent: (event) => event.type === "disconnected" && resolve(event) });
    });
    t.match(await failure, { error: { code: "connection", message: /self-signed|certificate/ } });
  },
);

/** An unused port. */
async function freePort(host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A key with a self-signed certificate. */
async function selfSigned(folder: string, name: string): Promise<TlsFiles> {
  const [privateKey, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", privateKey];
  await promisify(execFile)("openssl", [
    "req",
    "-x509",
    ...key,
    "-out",
    certificate,
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
  ]);
  return { privateKey, certificate, caCertificate: certificate };
}
