// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import type { KubeObject } from "../../kube/object.ts";
import { EVENTS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import type { Plan } from "../../reconcile/transaction-plan.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";
import { Northbound } from "./northbound.ts";
import { operationsOf } from "./operations.ts";

const EMPTY: Plan = { inserts: [], updates: [], mutations: [], deletes: [], deferred: new Set(), misdirected: [] };

t.test("values that OVSDB cannot store are not sent, and each is reported with table and column", async (t) => {
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  const northbound = new Northbound(server.connect());
  await Promise.all([northbound.whenReady(), northbound.lock.whenHeld()]);
  const [a, b, s] = [randomUUID(), randomUUID(), randomUUID()];
  const row = (uuid: string, name: string) => ({ table: "Port_Group", uuid, label: name, columns: { name } });
  const outcome = await northbound.commit({
    ...EMPTY,
    inserts: [row(a, "a\0b"), row(b, "fine")],
    updates: [{ row: { ...row(b, "b"), columns: {} }, columns: { external_ids: { k: "\ud83d" } }, before: {} }],
    mutations: [
      { table: "Address_Set", row: s, column: "addresses", insert: ["10.0.0.1", "x\0", "y\0"], delete: [] },
      { table: "Port_Group", row: b, column: "ports", insert: [a, a], delete: [] },
    ],
  });
  t.match(outcome, {
    kind: "refused",
    faults: [
      { row: a, error: { code: "invalid value", message: /^Port_Group\.name: .*U\+0000/ } },
      { row: b, error: { code: "invalid value", message: /^Port_Group\.external_ids: .*surrogate/ } },
      { row: s, member: { column: "addresses", value: "x\0" }, error: { message: /^Address_Set\.addresses/ } },
      { row: s, member: { column: "addresses", value: "y\0" } },
      { row: b, error: { message: /^Port_Group\.ports: .* is a duplicate/ } },
    ],
  });
  t.same(server.transactions, []);
  t.equal(northbound.lock.state, "held", "the connection stands");
});

t.test("every sent operation can be executed twice by a clustered database", async (t) => {
  const [a, b] = [randomUUID(), randomUUID()];
  const row = { table: "Port_Group", uuid: a, label: "a", columns: { name: "a", ports: [b] } };
  const { operations } = operationsOf({
    inserts: [row],
    updates: [{ row, columns: { external_ids: { k: "v" } }, before: {} }],
    mutations: [{ table: "Port_Group", row: a, column: "ports", insert: [a], delete: [b] }],
    deletes: [{ table: "Port_Group", uuid: b }],
    deferred: new Set(),
    misdirected: [],
  });
  for (const operation of operations) {
    if (operation.op === "insert") t.equal(operation.uuid, a, "a row is inserted under a uuid that was chosen before");
    if (operation.op !== "mutate") continue;
    const mutators = (operation.mutations as readonly (readonly [string, string])[]).map(([, mutator]) => mutator);
    t.same(mutators, ["delete", "insert"], "members enter and leave, nothing is counted");
  }
  t.same(
    operations.map(({ op }) => op),
    ["insert", "update", "mutate", "delete"],
  );
});

t.test("outcomes distinguish a refusal, a broken connection, and a server that no longer leads", async (t) => {
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  const northbound = new Northbound(server.connect({ leaderOnly: true }));
  const ready = () => Promise.all([northbound.whenReady(), northbound.lock.whenHeld()]);
  const plan = (name: string): Plan => ({
    ...EMPTY,
    inserts: [{ table: "Port_Group", uuid: randomUUID(), label: name, columns: { name } }],
  });
  await ready();
  t.same(await northbound.commit(plan("a")), { kind: "committed" });
  t.match(await northbound.commit(plan("a")), {
    kind: "refused",
    error: { code: "constraint violation", mayHaveApplied: true },
  });
  server.pause();
  const broken = northbound.commit(plan("b"));
  server.cut();
  t.match(await broken, { kind: "unknown", dropped: true });
  server.resume();
  await ready();
  server.pause();
  const left = northbound.commit(plan("c"));
  server.setLeader(false);
  t.match(await left, { kind: "unknown", dropped: false, error: { code: "disconnected", mayHaveApplied: true } });
  t.match(await northbound.commit(plan("d")), { kind: "unknown", dropped: false });
  server.resume();
  server.setLeader(true);
  await ready();
  t.same(await northbound.commit(plan("e")), { kind: "committed" });
});

t.test("a pod whose rows cannot be written has an Event, and the others are served", async (t) => {
  const { kube, server } = await cluster(t);
  const { controller } = candidate(t, kube, server);
  const names = Array.from({ length: 12 }, (_, index) => `pod-${index}`);
  // No API server accepts such a name, so it is not checked before it is encoded.
  await Promise.all([...names, "bad\0pod"].map((name) => addPod(kube, name)));
  for (const name of names) await eventually(`${name} has its address`, () => addressOf(kube, name));
  const event = await eventually("it is said", () =>
    kube
      .objects<KubeObject & { reason?: string; message?: string; involvedObject?: { name?: string } }>(EVENTS)
      .find(({ reason }) => reason === "NorthboundRefused"),
  );
  t.match(event, { involvedObject: { kind: "Pod", name: "bad\0pod" }, message: /Logical_Switch_Port\.\w+: .*U\+0000/ });
  t.equal(controller.leading, true);
  await addPod(kube, "later");
  await eventually("what comes later is served", () => addressOf(kube, "later"));
});

t.test(
  "a pod whose commit breaks the connection is found, by the leader and by its successor, and the rest is served",
  async (t) => {
    const { kube, server } = await cluster(t);
    let drops = 0;
    // A value that crashes the server, or its parser, in an unknown way.
    server.onTransact = (operations) => {
      const adds = operations.some(
        (operation) => operation.op === "insert" && operation.table === "Logical_Switch_Port",
      );
      if (!adds || !JSON.stringify(operations).includes("poison.default")) return undefined;
      drops++;
      server.cut();
      return { error: "canceled" };
    };
    const controllers = [candidate(t, kube, server), candidate(t, kube, server)];
    await eventually("one leads", () => controllers.some(({ controller }) => controller.leading) || undefined);
    const names = Array.from({ length: 40 }, (_, index) => `pod-${index}`);
    await Promise.all([...names, "poison"].map((name) => addPod(kube, name)));
    for (const name of names) await eventually(`${name} has its address`, () => addressOf(kube, name), 60_000);
    const refused = () =>
      kube
        .objects<KubeObject & { reason?: string; message?: string; involvedObject?: { name?: string } }>(EVENTS)
        .filter(({ reason }) => reason === "NorthboundRefused");
    await eventually("it is said", () => refused()[0], 60_000);
    t.same([...new Set(refused().map(({ involvedObject }) => involvedObject?.name))], ["poison"], "of no other object");
    t.match(refused()[0]?.message, /the connection is lost whenever this is written/);
    await addPod(kube, "later");
    await eventually("what comes later is served", () => addressOf(kube, "later"), 60_000);
    t.comment(`${drops} broken connections`);
  },
);
