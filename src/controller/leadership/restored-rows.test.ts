// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { loadBalancerGroupName } from "../../api/names.ts";
import { OWNER_KEY } from "../../desired/identity.ts";
import type { SweptRow } from "../../reconcile/orphaned-rows.ts";
import type { Plan } from "../../reconcile/transaction-plan.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { RestoredRows } from "./restored-rows.ts";

function setup() {
  const clock = new ManualClock();
  const rows = new Map<string, SweptRow>();
  const swept: string[] = [];
  /** What happens to the database while a sweep is committed. */
  const meanwhile: (() => void)[] = [];
  const tools = {
    ...{ clock, over: () => false, allowed: true },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    engine: {
      ...{ uncompiled: new Set(), stats: { transactions: 0, operations: 0 } },
      whenIdle: async () => undefined,
      desired: { row: () => undefined, members: () => undefined, fragment: () => undefined },
    },
    northbound: {
      rows: () => rows.values(),
      view: { isRoot: () => true },
      commit: async ({ deletes }: Plan) => {
        meanwhile.shift()?.();
        for (const { uuid } of deletes) {
          swept.push(uuid);
          rows.delete(uuid);
        }
        return { kind: "committed" };
      },
    },
  };
  const strays = new RestoredRows(tools as never);
  const insert = (uuid: string): void => {
    const row = { uuid, external_ids: { [OWNER_KEY]: "pod/default/web" } };
    rows.set(uuid, { table: "Port_Group", uuid, columns: row });
    strays.note([{ table: "Port_Group", uuid, old: undefined, new: row }]);
  };
  /** A row of a table without external_ids, which is recognised as ours by its name. */
  const insertGroup = (uuid: string, name: string, ours: boolean): void => {
    const row = { uuid, name };
    rows.set(uuid, { table: "Load_Balancer_Group", uuid, columns: row, ours });
    strays.note([{ table: "Load_Balancer_Group", uuid, old: undefined, new: row }]);
  };
  return { clock, rows, swept, meanwhile, insert, insertGroup };
}

t.test("rows that another client inserts while the former ones are swept are swept as well", async (t) => {
  const { clock, rows, swept, meanwhile, insert } = setup();
  meanwhile.push(() => insert("second"));
  insert("first");
  for (let turn = 0; turn < 4; turn++) {
    await clock.advance(1_000);
  }
  t.same(swept, ["first", "second"]);
  t.equal(rows.size, 0);
});

t.test("a sweep that throws is retried", async (t) => {
  const { clock, swept, meanwhile, insert } = setup();
  meanwhile.push(() => {
    throw new Error("by chance");
  });
  insert("first");
  for (let turn = 0; turn < 4; turn++) {
    await clock.advance(1_000);
  }
  t.same(swept, ["first"]);
});

t.test("a row that only its name marks as ours is swept too, and no other", async (t) => {
  const { clock, swept, insertGroup } = setup();
  insertGroup("ours", loadBalancerGroupName("ovn-cluster"), true);
  insertGroup("another's", "clusterLBGroup", false);
  for (let turn = 0; turn < 4; turn++) await clock.advance(1_000);
  t.same(swept, ["ours"]);
});
