// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { SYNC_ANSWER, SYNC_REQUEST } from "../../contract/northbound-sync.ts";
import { OWNER_KEY } from "../../desired/identity.ts";
import { SUBNETS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert, mutate, type Operation, remove } from "../../ovsdb/operation.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { ownerOf } from "../../reconcile/owner.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

/** Rows of two tables without references to others, which would have to be rewritten. */
const RESTORED = ["Port_Group", "Address_Set"] as const;

/** Acts as `ovsdb-client restore` for some tables: rows are unchanged, except for their uuids. */
function restore(server: FakeOvsdb): Promise<unknown> {
  let serial = 0;
  const next = (): string => `aaaaaaaa-0000-4000-8000-${String(++serial).padStart(12, "0")}`;
  const operations = RESTORED.flatMap((table): readonly Operation[] =>
    server.rows(OVN_NB, table).flatMap(({ _uuid, name }) => {
      const row = server.rows(OVN_NB, table).find((one) => one._uuid === _uuid);
      const ids = row !== undefined && "external_ids" in row ? { external_ids: row.external_ids } : {};
      return [remove(OVN_NB, table, _uuid), insert(OVN_NB, table, next(), { name, ...ids })];
    }),
  );
  return server.edit(OVN_NB, operations);
}

t.test(
  "a database that is restored from a backup while a controller leads is corrected by that controller",
  async (t) => {
    const { kube, server } = await cluster(t);
    let settled = 0;
    const { controller } = candidate(t, kube, server, { settled: () => void settled++ });
    const rows = (): readonly string[] =>
      RESTORED.flatMap((table) =>
        server.rows(OVN_NB, table).map(({ _uuid, name }) => `${table} ${name} ${_uuid}`),
      ).sort();
    await eventually("it leads", () => (controller.leading && kube.object(SUBNETS, { name: "join" })) || undefined);
    // Once when all is read, and once when all is written and swept.
    await eventually("it has swept", () => settled === 2 || undefined);
    const before = rows();
    t.ok(server.rows(OVN_NB, "Port_Group").some((row) => ownerOf(row as never) !== undefined));
    await restore(server);
    t.notSame(rows(), before);
    await eventually(
      "all rows have their identities again",
      () => JSON.stringify(rows()) === JSON.stringify(before) || undefined,
    );
    t.same(rows(), before);

    // What `weftctl central restore` does: rows keep their uuids, those that are newer go, those that have gone come back.
    const owner = { [OWNER_KEY]: "pod/default/gone" };
    await server.edit(OVN_NB, [
      insert(OVN_NB, "NB_Global", undefined, {}),
      ...server.rows(OVN_NB, "Port_Group").map(({ _uuid }) => remove(OVN_NB, "Port_Group", _uuid)),
      insert(OVN_NB, "Address_Set", "aaaaaaaa-0000-4000-8000-aaaaaaaaaaaa", { name: "gone", external_ids: owner }),
    ]);
    t.notSame(rows(), before);
    await server.edit(OVN_NB, [
      mutate(OVN_NB, "NB_Global", [], [["external_ids", "insert", { [SYNC_REQUEST]: "one" }]]),
    ]);
    const answer = (): string | undefined => server.rows(OVN_NB, "NB_Global")[0]?.external_ids[SYNC_ANSWER];
    await eventually("it says that it has finished", answer);
    t.equal(answer(), "one");
    t.same(rows(), before, "by then everything is put right");
  },
);
