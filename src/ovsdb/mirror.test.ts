// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import type { ClientEvent, OvsdbClient } from "./client.ts";
import { insert, mutate, remove, update } from "./operation.ts";
import { type FakeOvsdb, fakeOvsdb } from "./testing/fake.ts";
import { TEST } from "./testing/schema.ts";
import { until } from "./testing/until.ts";

function setUp(t: Test): { server: FakeOvsdb; client: OvsdbClient; events: ClientEvent[] } {
  const server = fakeOvsdb(TEST);
  t.teardown(() => server.close());
  const events: ClientEvent[] = [];
  return { server, client: server.connect({ onEvent: (event) => events.push(event) }), events };
}

/** Changes in short: `+` added, `-` deleted, `*` changed. */
function brief(changes: readonly { table: string; old?: object; new?: object }[]): string[] {
  return changes
    .map(({ table, old, new: now }) => {
      const { name } = (now ?? old) as { name?: string };
      return `${old === undefined ? "+" : now === undefined ? "-" : "*"}${table} ${name ?? ""}`;
    })
    .sort();
}

t.test("when a transaction resolves, its changes are in the mirror and listeners have been called", async (t) => {
  const { client } = setUp(t);
  const mirror = client.monitor(TEST, { Switch: "all", Port: ["name", "tag"] });
  const heard: string[][] = [];
  mirror.subscribe((changes) => heard.push(brief(changes)));
  await mirror.whenSynced();
  const [s, p] = [randomUUID(), randomUUID()];
  await client.transact(TEST.name, [
    insert(TEST, "Port", p, { name: "p", tag: 3, addresses: ["not asked for"] }),
    insert(TEST, "Switch", s, { name: "s", ports: [p] }),
  ]);
  t.same(mirror.get("Port", p), { _uuid: p, name: "p", tag: 3 });
  t.same(mirror.get("Switch", s)?.ports, [p]);
  t.same(heard, [["+Port p", "+Switch s"]]);
  await client.transact(TEST.name, [update(TEST, "Port", p, { tag: undefined, addresses: ["x"] })]);
  t.equal(mirror.get("Port", p)?.tag, undefined);
  await client.transact(TEST.name, [update(TEST, "Port", p, { addresses: ["y"] })]);
  t.equal(heard.length, 2, "a change of columns that are not mirrored is not reported");
  await client.transact(TEST.name, [remove(TEST, "Switch", s)]);
  t.same(heard.at(-1), ["-Port p", "-Switch s"]);
  t.equal(mirror.size("Port"), 0);
});

t.test("rows are replaced, never changed in place, and the change contains the old one", async (t) => {
  const { client } = setUp(t);
  const mirror = client.monitor(TEST, { Switch: "all" });
  await mirror.whenSynced();
  const s = randomUUID();
  await client.transact(TEST.name, [insert(TEST, "Switch", s, { name: "s", ids: { a: "1", b: "2" } })]);
  const before = mirror.get("Switch", s);
  let seen: unknown;
  mirror.subscribe(([change]) => {
    seen = change;
  });
  await client.transact(TEST.name, [
    mutate(TEST, "Switch", s, [
      ["ids", "delete", ["a"]],
      ["ids", "insert", { c: "3" }],
    ]),
  ]);
  t.same(before?.ids, { a: "1", b: "2" });
  t.same(mirror.get("Switch", s)?.ids, { b: "2", c: "3" });
  t.same(seen, { table: "Switch", uuid: s, old: before, new: mirror.get("Switch", s) });
});

t.test("a listener that subscribes with the monitor gets the initial rows", async (t) => {
  const { server, client } = setUp(t);
  await server.edit(TEST, [insert(TEST, "Group", undefined, { name: "g" })]);
  const mirror = client.monitor(TEST, { Group: ["name"] });
  const heard: string[][] = [];
  mirror.subscribe((changes) => heard.push(brief(changes)));
  await mirror.whenSynced();
  t.same(heard, [["+Group g"]]);
});

t.test("indexes follow the rows", async (t) => {
  const { server, client } = setUp(t);
  const mirror = client.monitor(TEST, { Switch: ["name", "ids"], Group: ["name"] });
  const early = mirror.index("Switch", "owner", (row) => row.ids["owner"]);
  await mirror.whenSynced();
  const [a, b] = [randomUUID(), randomUUID()];
  await server.edit(TEST, [
    insert(TEST, "Switch", a, { name: "a", ids: { owner: "x" } }),
    insert(TEST, "Switch", b, { name: "b", ids: { owner: "x" } }),
    insert(TEST, "Switch", undefined, { name: "c" }),
  ]);
  await client.transact(TEST.name, []);
  const late = mirror.index("Switch", "keys", (row) => Object.keys(row.ids).concat(row.name));
  t.same(
    early
      .lookup("x")
      .map((row) => row.name)
      .sort(),
    ["a", "b"],
  );
  t.equal(early.size, 1);
  t.same(
    late
      .lookup("owner")
      .map((row) => row.name)
      .sort(),
    ["a", "b"],
  );
  t.same(
    late.lookup("c").map((row) => row.name),
    ["c"],
  );
  await client.transact(TEST.name, [
    update(TEST, "Switch", a, { ids: { owner: "y", more: "z" } }),
    remove(TEST, "Switch", b),
  ]);
  t.same(early.lookup("x"), []);
  t.same(
    early.lookup("y").map((row) => row.name),
    ["a"],
  );
  t.same(
    late.lookup("more").map((row) => row.name),
    ["a"],
  );
  t.same(late.lookup("b"), []);
  t.throws(() => mirror.index("Switch", "owner", () => undefined), TypeError);
});

t.test("a mirror with a condition contains the rows that match it, as they change", async (t) => {
  const { client } = setUp(t);
  const mirror = client.monitor(TEST, {
    Switch: {
      columns: ["name"],
      whereAny: [
        ["generation", ">", 5],
        ["name", "==", "always"],
      ],
    },
  });
  const heard: string[][] = [];
  mirror.subscribe((changes) => heard.push(brief(changes)));
  await mirror.whenSynced();
  const uuid = randomUUID();
  await client.transact(TEST.name, [
    insert(TEST, "Switch", uuid, { name: "s", generation: 1 }),
    insert(TEST, "Switch", undefined, { name: "always" }),
  ]);
  await client.transact(TEST.name, [update(TEST, "Switch", uuid, { generation: 6 })]);
  await client.transact(TEST.name, [update(TEST, "Switch", uuid, { generation: 7 })]);
  await client.transact(TEST.name, [update(TEST, "Switch", uuid, { generation: 5 })]);
  t.same(heard, [["+Switch always"], ["+Switch s"], ["-Switch s"]]);
});

t.test("after a lost connection only the changes meanwhile are sent and reported", async (t) => {
  const { server, client, events } = setUp(t);
  const mirror = client.monitor(TEST, { Switch: ["name", "generation"] });
  await mirror.whenSynced();
  const [a, b] = [randomUUID(), randomUUID()];
  await client.transact(
    TEST.name,
    ["a", "b", "c"].map((name, i) => insert(TEST, "Switch", [a, b][i], { name })),
  );
  const kept = mirror.get("Switch", b);
  const heard: string[][] = [];
  mirror.subscribe((changes) => heard.push(brief(changes)));
  server.stop();
  await until(
    (check) => mirror.onSyncedChange(check),
    () => !mirror.synced,
    "the loss to be detected",
  );
  t.equal(mirror.size("Switch"), 3, "the content is kept meanwhile");
  await server.edit(TEST, [
    update(TEST, "Switch", a, { generation: 1 }),
    remove(TEST, "Switch", [["name", "==", "c"]]),
    insert(TEST, "Switch", undefined, { name: "d" }),
  ]);
  await server.edit(TEST, [update(TEST, "Switch", a, { generation: 2 })]);
  server.start();
  await mirror.whenSynced();
  t.same(heard, [["*Switch a", "+Switch d", "-Switch c"]]);
  t.equal(mirror.get("Switch", a)?.generation, 2);
  t.equal(mirror.get("Switch", b), kept, "a row that did not change is the same object");
  t.match(
    events.findLast((event) => event.type === "synced"),
    { resumed: true, changes: 3, rows: 3 },
  );
});

t.test("from a server without history everything is read again, and only differences are reported", async (t) => {
  const { server, client, events } = setUp(t);
  const mirror = client.monitor(TEST, { Switch: ["name", "generation"], Group: ["name"] });
  const names = mirror.index("Switch", "name", (row) => row.name);
  await mirror.whenSynced();
  const [a, b] = [randomUUID(), randomUUID()];
  await client.transact(
    TEST.name,
    ["a", "b", "c"].map((name, i) => insert(TEST, "Switch", [a, b][i], { name })),
  );
  await client.transact(TEST.name, [insert(TEST, "Group", undefined, { name: "g" })]);
  const kept = mirror.get("Switch", b);
  const heard: string[][] = [];
  mirror.subscribe((changes) => heard.push(brief(changes)));
  server.stop();
  await server.edit(TEST, [
    update(TEST, "Switch", a, { generation: 1 }),
    remove(TEST, "Switch", [["name", "==", "c"]]),
    insert(TEST, "Switch", undefined, { name: "d" }),
    remove(TEST, "Group", []),
  ]);
  server.start({ forget: true });
  await until(
    (check) => mirror.subscribe(check),
    () => heard.length > 0,
    "the changes",
  );
  t.same(heard, [["*Switch a", "+Switch d", "-Group g", "-Switch c"]]);
  t.equal(mirror.get("Switch", b), kept);
  t.same(
    ["c", "d"].map((name) => names.lookup(name).length),
    [0, 1],
  );
  t.match(
    events.findLast((event) => event.type === "synced"),
    { resumed: false, changes: 4, rows: 3 },
  );
});

t.test("nothing is reported when nothing has changed", async (t) => {
  const { server, client } = setUp(t);
  const mirror = client.monitor(TEST, { Switch: "all" });
  await mirror.whenSynced();
  await client.transact(TEST.name, [insert(TEST, "Switch", undefined, { name: "s", ids: { k: "v" } })]);
  mirror.subscribe(() => t.fail("told"));
  for (const forget of [false, true]) {
    server.stop();
    await until(
      (check) => mirror.onSyncedChange(check),
      () => !mirror.synced,
      "the loss to be detected",
    );
    server.start({ forget });
    await mirror.whenSynced();
  }
  t.pass();
});

t.test("several mirrors of one client each get their part", async (t) => {
  const { client } = setUp(t);
  const one = client.monitor(TEST, { Switch: ["name"] });
  const two = client.monitor(TEST, { Group: ["name"], Switch: ["generation"] });
  await Promise.all([one.whenSynced(), two.whenSynced()]);
  const s = randomUUID();
  await client.transact(TEST.name, [insert(TEST, "Switch", s, { name: "s", generation: 4 })]);
  t.same(
    [one.get("Switch", s), two.get("Switch", s)],
    [
      { _uuid: s, name: "s" },
      { _uuid: s, generation: 4 },
    ],
  );
  one.close();
  await client.transact(TEST.name, [insert(TEST, "Switch", undefined, { name: "t" })]);
  t.equal(one.size("Switch"), 0);
  t.equal(two.size("Switch"), 2);
  t.notOk(one.synced);
  await t.rejects(one.whenSynced(), { code: "closed" });
});

t.test("a listener that throws is reported, and the others are called", async (t) => {
  const { client, events } = setUp(t);
  const mirror = client.monitor(TEST, { Group: "all" });
  mirror.index("Group", "bad", () => {
    throw new Error("bad index");
  });
  let called = 0;
  mirror.subscribe(() => {
    throw new Error("bad listener");
  });
  mirror.subscribe(() => called++);
  await mirror.whenSynced();
  await client.transact(TEST.name, [insert(TEST, "Group", undefined, { name: "g" })]);
  t.equal(called, 1);
  const errors = events.flatMap((event) => (event.type === "listener-error" ? [(event.error as Error).message] : []));
  t.same(errors.sort(), ["bad index", "bad listener"]);
});

t.test("the wait for a mirror can be aborted", async (t) => {
  const { server, client } = setUp(t);
  server.stop();
  const mirror = client.monitor(TEST, { Group: "all" });
  await t.rejects(mirror.whenSynced(AbortSignal.timeout(10)), { code: "abandoned" });
  await t.rejects(mirror.whenSynced(AbortSignal.abort()), { code: "abandoned" });
});
