// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import type { OvsdbClient } from "../client.ts";
import { abort, assertLock, insert, mutate, remove, select, update, wait } from "../operation.ts";
import { selectedRows } from "../result.ts";
import type { Where } from "../where.ts";
import { type FakeOvsdb, fakeOvsdb } from "./fake.ts";
import { TEST, type TestSwitchRow } from "./schema.ts";

function setUp(t: Test): { server: FakeOvsdb; client: OvsdbClient } {
  const server = fakeOvsdb(TEST);
  t.teardown(() => server.close());
  return { server, client: server.connect() };
}

t.test("an inserted row is stored with the defaults of its other columns", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  const [a, p] = [randomUUID(), randomUUID()];
  const results = await client.transact(TEST.name, [
    insert(TEST, "Port", p, { name: "p", tag: 3 }),
    insert(TEST, "Switch", a, { name: "s", ports: [p], ids: { k: "v" } }),
  ]);
  t.same(results, [{ uuid: p }, { uuid: a }]);
  t.same(server.rows(TEST, "Switch"), [
    { _uuid: a, name: "s", ports: [p], groups: [], ids: { k: "v" }, queues: {}, mode: undefined, generation: 0 },
  ]);
  t.equal(server.transactions.length, 1);
});

t.test("garbage is collected with its last strong reference, weak references are removed with their row", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  const [s, p, q, g] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  await client.transact(TEST.name, [
    insert(TEST, "Port", p, { name: "p" }),
    insert(TEST, "Port", q, { name: "q" }),
    insert(TEST, "Port", randomUUID(), { name: "unreferenced" }),
    insert(TEST, "Switch", s, { name: "s", ports: [p, q] }),
    insert(TEST, "Group", g, { name: "g", ports: [p, q], leader: p }),
  ]);
  t.equal(server.rows(TEST, "Port").length, 2, "an unreferenced row is collected at the end of its transaction");
  await client.transact(TEST.name, [mutate(TEST, "Switch", s, [["ports", "delete", [p]]])]);
  t.same(
    server.rows(TEST, "Port").map((row) => row.name),
    ["q"],
  );
  t.same(
    server.rows(TEST, "Group").map((row) => [row.ports, row.leader]),
    [[[q], undefined]],
  );
  await t.rejects(client.transact(TEST.name, [remove(TEST, "Port", q)]), { code: "referential integrity violation" });
  await client.transact(TEST.name, [remove(TEST, "Switch", s)]);
  t.same(server.rows(TEST, "Port"), []);
});

t.test("a transaction with an error changes nothing", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  const uuid = randomUUID();
  await client.transact(TEST.name, [insert(TEST, "Switch", uuid, { name: "s" })]);
  const good = insert(TEST, "Group", undefined, { name: "g" });
  const cases = [
    [insert(TEST, "Switch", randomUUID(), { name: "s" }), "constraint violation"],
    [insert(TEST, "Switch", uuid, { name: "other" }), "duplicate uuid"],
    [update(TEST, "Switch", uuid, { generation: -1 }), "constraint violation"],
    [mutate(TEST, "Switch", uuid, [["ports", "insert", [randomUUID()]]]), "referential integrity violation"],
    [assertLock("not-ours"), "not owner"],
    [abort(), "aborted"],
    [wait(TEST, "Switch", { where: uuid, until: "==", rows: [{ name: "t" }], timeoutMs: 0 }), "timed out"],
  ] as const;
  for (const [operation, code] of cases) await t.rejects(client.transact(TEST.name, [good, operation]), { code }, code);
  t.same(server.rows(TEST, "Group"), []);
});

t.test("a wait is satisfied by another client's changes", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  const uuid = randomUUID();
  await client.transact(TEST.name, [insert(TEST, "Switch", uuid, { name: "s" })]);
  const done = client.transact(TEST.name, [
    wait(TEST, "Switch", { where: uuid, until: "==", rows: [{ generation: 7 }], timeoutMs: 5000 }),
    insert(TEST, "Group", undefined, { name: "after" }),
  ]);
  await server.edit(TEST, [update(TEST, "Switch", uuid, { generation: 7 })]);
  await done;
  t.equal(server.rows(TEST, "Group").length, 1);
  const never = wait(TEST, "Switch", { where: uuid, until: "==", rows: [{ generation: 8 }], timeoutMs: 20 });
  await t.rejects(client.transact(TEST.name, [never]), { code: "timed out", operation: 0 });
});

t.test("rows can be selected by several conditions, joined by and", async (t) => {
  const { server, client } = setUp(t);
  await client.whenConnected();
  await server.edit(TEST, [
    insert(TEST, "Switch", undefined, { name: "a", generation: 1, ids: { x: "1", y: "2" } }),
    insert(TEST, "Switch", undefined, { name: "b", generation: 2, ids: { x: "1" } }),
  ]);
  const names = async (where: Where<TestSwitchRow>): Promise<string[]> => {
    const [result] = await client.transact(TEST.name, [select(TEST, "Switch", where, ["name"])]);
    return selectedRows(TEST, "Switch", result)
      .map((row) => row.name ?? "")
      .sort();
  };
  t.same(await names([]), ["a", "b"]);
  t.same(await names([["generation", ">", 1]]), ["b"]);
  t.same(
    await names([
      ["ids", "includes", { x: "1" }],
      ["generation", "<=", 1],
    ]),
    ["a"],
  );
  t.same(await names([["ids", "excludes", { y: "2" }]]), ["b"]);
});

t.test("a test can refuse transactions, and edit without the client", async (t) => {
  const { server, client } = setUp(t);
  const mirror = client.monitor(TEST, { Group: "all" });
  await mirror.whenSynced();
  server.onTransact = (operations) =>
    operations.length > 1 ? { error: "constraint violation", details: "too many" } : undefined;
  const one = insert(TEST, "Group", undefined, { name: "g" });
  await t.rejects(client.transact(TEST.name, [one, one]), { code: "constraint violation", message: /too many/ });
  await client.transact(TEST.name, [one]);
  await server.edit(TEST, [one, one]);
  t.equal(server.rows(TEST, "Group").length, 3);
  t.equal(server.transactions.length, 1, "edits are not counted as the clients' transactions");
});
