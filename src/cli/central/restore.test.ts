// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { SYNC_ANSWER, SYNC_REQUEST } from "../../contract/northbound-sync.ts";
import type { OvsdbClient } from "../../ovsdb/client.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { openOvsdb } from "../../ovsdb/open.ts";
import { insert, mutate, type Operation, remove, select, update } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";
import { findOvsTools, type OvsTools } from "../../ovsdb/testing/ovs-tools.ts";
import { TestFolder, type TestServer } from "../../ovsdb/testing/server.ts";
import { restoreNorthbound } from "./restore.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

const WEB = randomUUID();
const DB = randomUUID();
const LATER = randomUUID();
const NET = randomUUID();
const GROUP = randomUUID();
const GLOBAL = randomUUID();

/** A switch with two ports, a group of these, and the database's settings. */
const CONTENTS: readonly Operation[] = [
  insert(OVN_NB, "NB_Global", GLOBAL, { nb_cfg: 3, options: { mac_prefix: "0a:00:00" } }),
  insert(OVN_NB, "Logical_Switch_Port", WEB, { name: "web", addresses: ["0a:00:00:00:00:01 10.0.0.1"], up: true }),
  insert(OVN_NB, "Logical_Switch_Port", DB, { name: "db", addresses: ["0a:00:00:00:00:02 10.0.0.2"] }),
  insert(OVN_NB, "Logical_Switch", NET, { name: "net", ports: [WEB, DB].sort() }),
  insert(OVN_NB, "Port_Group", GROUP, { name: "all", ports: [WEB, DB].sort() }),
];

/** A server of a backup and one of a database, with the same contents. */
async function servers(
  t: Test,
): Promise<{ readonly backup: TestServer; readonly live: TestServer; readonly client: OvsdbClient }> {
  const client = (server: TestServer): OvsdbClient => {
    const opened = openOvsdb({ remotes: [server.remote], database: OVN_NB.name });
    t.teardown(() => opened.close());
    return opened;
  };
  const found: TestServer[] = [];
  for (let i = 0; i < 2; i++) {
    const folder = await TestFolder.make(tools as OvsTools);
    t.teardown(() => folder.close());
    found.push(await folder.standalone(OVN_NB));
  }
  const [backup, live] = found as [TestServer, TestServer];
  for (const server of found) {
    const one = client(server);
    await one.whenConnected();
    await one.transact(OVN_NB.name, CONTENTS);
  }
  const one = client(live);
  await one.whenConnected();
  return { backup, live, client: one };
}

/** Answers requests, as a controller does, and counts them. */
function answering(client: OvsdbClient): { requests: number } {
  const state = { requests: 0 };
  const global = client.monitor(OVN_NB, { NB_Global: ["external_ids"] });
  global.subscribe(() => {
    for (const { external_ids: ids } of global.rows("NB_Global")) {
      const request = ids[SYNC_REQUEST];
      if (request === undefined || request === ids[SYNC_ANSWER]) continue;
      state.requests++;
      client
        .transact(OVN_NB.name, [
          mutate(
            OVN_NB,
            "NB_Global",
            [],
            [
              ["external_ids", "delete", [SYNC_ANSWER]],
              ["external_ids", "insert", { [SYNC_ANSWER]: request }],
            ],
          ),
        ])
        // The test has ended.
        .catch(() => undefined);
    }
  });
  return state;
}

t.test(
  "a database gets the rows of a backup with their uuids, and rows that are equal are not touched",
  { skip },
  async (t) => {
    const { backup, live, client } = await servers(t);
    await client.transact(OVN_NB.name, [
      insert(OVN_NB, "Logical_Switch_Port", LATER, { name: "later" }),
      mutate(OVN_NB, "Logical_Switch", NET, [["ports", "insert", [LATER]]]),
      mutate(OVN_NB, "Logical_Switch", NET, [["ports", "delete", [DB]]]),
      update(OVN_NB, "Logical_Switch_Port", WEB, { addresses: ["unknown"], up: false }),
      update(OVN_NB, "NB_Global", [], { nb_cfg: 9 }),
    ]);
    const touched: string[] = [];
    const watched = client.monitor(OVN_NB, {
      Logical_Switch: "all",
      Logical_Switch_Port: "all",
      Port_Group: "all",
      Address_Set: "all",
    });
    await watched.whenSynced();
    watched.subscribe((changes) => touched.push(...changes.map(({ table, uuid }) => `${table} ${uuid}`)));
    const state = answering(client);
    const counts = await restoreNorthbound({ backup: backup.remote, database: live.remote });
    t.same(counts, { inserted: 1, changed: 3, deleted: 1 });
    t.equal(state.requests, 1);
    const rows = async (table: "Logical_Switch_Port" | "Logical_Switch" | "Port_Group") =>
      selectedRows(OVN_NB, table, (await client.transact(OVN_NB.name, [select(OVN_NB, table, [])]))[0]);
    const ports = [...(await rows("Logical_Switch_Port"))].sort((a, b) => ((a.name ?? "") < (b.name ?? "") ? -1 : 1));
    t.match(ports, [
      { _uuid: DB, name: "db" },
      { _uuid: WEB, name: "web", addresses: ["0a:00:00:00:00:01 10.0.0.1"], up: false },
    ]);
    for (const table of ["Logical_Switch", "Port_Group"] as const)
      t.match(await rows(table), [{ ports: [WEB, DB].sort() }], table);
    const [global] = selectedRows(
      OVN_NB,
      "NB_Global",
      (await client.transact(OVN_NB.name, [select(OVN_NB, "NB_Global", [])]))[0],
    );
    t.match(
      global,
      { _uuid: GLOBAL, nb_cfg: 9, options: { mac_prefix: "0a:00:00" } },
      "counters that chassis have seen stay",
    );
    t.same(await restoreNorthbound({ backup: backup.remote, database: live.remote }), {
      inserted: 0,
      changed: 0,
      deleted: 0,
    });
  },
);

t.test("an empty database gets every row", { skip }, async (t) => {
  const { backup, live, client } = await servers(t);
  await client.transact(OVN_NB.name, [remove(OVN_NB, "Port_Group", []), remove(OVN_NB, "Logical_Switch", [])]);
  answering(client);
  t.same(await restoreNorthbound({ backup: backup.remote, database: live.remote }), {
    inserted: 4,
    changed: 0,
    deleted: 0,
  });
});

t.test(
  "without a controller it says that the database is restored and nothing has put it right",
  { skip },
  async (t) => {
    const { backup, live } = await servers(t);
    await t.rejects(restoreNorthbound({ backup: backup.remote, database: live.remote, controllerMs: 50 }), {
      code: "no-answer",
      message: /the database is restored, but no controller has put right within 0.05 s/,
    });
  },
);
