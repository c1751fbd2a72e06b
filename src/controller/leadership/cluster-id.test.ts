// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { OWNER_KEY, qualify, rowUuid } from "../../desired/identity.ts";
import type { KubeObject } from "../../kube/object.ts";
import { NAMESPACES } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB, type OvnNbTables } from "../../ovsdb/generated/ovn-nb.ts";
import { insert } from "../../ovsdb/operation.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";
import { clusterIdOf, countAnchors } from "./cluster-id.ts";

type Cluster = Awaited<ReturnType<typeof cluster>>;

const ANNOTATION = "weft.kubeovn.io/cluster-id";
const SYSTEM = { name: "kube-system" };

/** As in every cluster; without it a controller creates rows as versions without cluster ids. */
async function addKubeSystem({ kube }: Pick<Cluster, "kube">): Promise<string> {
  return (await kube.create(NAMESPACES, { metadata: SYSTEM })).metadata.uid ?? "";
}

/** Table/uuid of every row that has an owner. */
function rowsOf(server: FakeOvsdb): readonly string[] {
  const tables = Object.keys(OVN_NB.tables) as (keyof OvnNbTables)[];
  return tables.flatMap((table) => server.rows(OVN_NB, table).map(({ _uuid }) => `${table}/${_uuid}`)).sort();
}

async function servePod(of: Cluster, name: string): Promise<void> {
  await addPod(of.kube, name);
  await eventually(`${name} has an address`, () => addressOf(of.kube, name));
}

/** Leads until a pod is served and everything is written, then stops. */
async function leadOnce(t: Test, of: Cluster, pod: string): Promise<readonly string[]> {
  const { controller, stop } = candidate(t, of.kube, of.server);
  await servePod(of, pod);
  await eventually("all is written", () => (controller.engine.idle && controller.pendingWrites === 0) || undefined);
  await stop();
  return rowsOf(of.server);
}

const router = rowUuid("Logical_Router", "ovn-cluster");

t.test("in an empty database rows are created with the id of the cluster, which tools can read", async (t) => {
  const here = await cluster(t);
  const uid = await addKubeSystem(here);
  const rows = await leadOnce(t, here, "a");
  t.ok(rows.includes(`Logical_Router/${qualify(router, uid)}`));
  t.notOk(rows.includes(`Logical_Router/${router}`));
  t.equal(here.kube.object<KubeObject>(NAMESPACES, SYSTEM)?.metadata.annotations?.[ANNOTATION], uid);
});

t.test("two clusters create no row with the same uuid", async (t) => {
  const [here, there] = [await cluster(t), await cluster(t)];
  // The API server of the tests counts uids.
  await there.kube.create(NAMESPACES, { metadata: { name: "another" } });
  t.not(await addKubeSystem(here), await addKubeSystem(there));
  const rows = new Set(await leadOnce(t, here, "a"));
  const others = await leadOnce(t, there, "a");
  t.equal(others.length, rows.size);
  t.same(
    others.filter((row) => rows.has(row)),
    [],
  );
});

t.test("an upgrade of a cluster whose rows were created without an id keeps all of them", async (t) => {
  const here = await cluster(t);
  const before = await leadOnce(t, here, "a");
  t.ok(before.includes(`Logical_Router/${router}`), "as an older version makes them");
  await addKubeSystem(here);
  here.server.transactions.length = 0;
  const after = await leadOnce(t, here, "b");
  t.same(
    before.filter((row) => !after.includes(row)),
    [],
  );
  const deletes = here.server.transactions
    .flatMap(({ operations }) => operations)
    .filter((operation) => operation.op === "delete");
  t.same(deletes, []);
  const port = after.filter((row) => !before.includes(row));
  t.match(port, [/^Logical_Switch_Port\//], "what comes is the new pod's port, and it is made as the others were");
  t.equal(here.kube.object<KubeObject>(NAMESPACES, SYSTEM)?.metadata.annotations?.[ANNOTATION], undefined);
});

t.test("a new leader creates rows like its predecessor, with or without an id", async (t) => {
  for (const withId of [true, false]) {
    const here = await cluster(t);
    if (withId) await addKubeSystem(here);
    const first = candidate(t, here.kube, here.server);
    await servePod(here, "a");
    const standby = candidate(t, here.kube, here.server);
    await eventually("all is written", () => first.controller.engine.idle || undefined);
    await eventually("the standby has read everything", () => standby.election.synced || undefined);
    const before = rowsOf(here.server);
    await first.stop();
    await eventually("it leads", () => standby.controller.leading || undefined);
    await servePod(here, "b");
    const after = rowsOf(here.server);
    t.same(
      before.filter((row) => !after.includes(row)),
      [],
    );
    t.equal(after.length, before.length + 1, `${withId}`);
    await standby.stop();
  }
});

t.test("a standby that has compiled with an id other than the leader's exits before it writes", async (t) => {
  const here = await cluster(t);
  // An older version leads, in a database that was empty when the standby read it.
  const other = here.server.connect();
  await other.lock("weft_controller").whenHeld();
  const uid = await addKubeSystem(here);
  const failed = Promise.withResolvers<void>();
  const { election, controller } = candidate(t, here.kube, here.server, {}, failed.resolve);
  await eventually("the standby has read everything", () => election.synced || undefined);
  const ids = { external_ids: { [OWNER_KEY]: "vpc:ovn-cluster" } };
  await here.server.edit(OVN_NB, [insert(OVN_NB, "Logical_Router", router, { name: "ovn-cluster", ...ids })]);
  here.server.transactions.length = 0;
  await other.close();
  await failed.promise;
  t.same(
    here.server.transactions.flatMap(({ operations }) => operations).filter(({ op }) => op !== "assert"),
    [],
  );
  t.not(uid, "");
  t.equal(controller.engine.stats.transactions, 0);
});

t.test(
  "the majority of our routers and switches decides; those of others and of a restored copy are ignored",
  async (t) => {
    const kube = fakeKube();
    const uid = await addKubeSystem({ kube });
    const row = (table: string, uuid: string, owner?: string) => {
      return { table, uuid, columns: { external_ids: owner === undefined ? {} : { [OWNER_KEY]: owner } } };
    };
    const rows = [
      row("Logical_Router", router, "vpc:ovn-cluster"),
      row("Logical_Switch", rowUuid("Logical_Switch", "a"), "subnet:a"),
      row("Logical_Switch", qualify(rowUuid("Logical_Switch", "b"), uid), "subnet:b"),
      row("Logical_Switch", randomUUID(), "subnet:c"),
      row("Logical_Switch", qualify(rowUuid("Logical_Switch", "d"), randomUUID()), "subnet:d"),
      row("Logical_Switch", rowUuid("Logical_Switch", "e")),
      row("Logical_Switch", rowUuid("Logical_Switch", "f"), "subnet:g"),
      row("Port_Group", rowUuid("Port_Group", "h"), "subnet:h"),
    ];
    t.same(countAnchors(rows, uid), { plain: 2, own: 1 });
    t.equal(clusterIdOf({ plain: 2, own: 1 }, uid), "");
    t.equal(clusterIdOf({ plain: 1, own: 2 }, uid), uid);
    t.equal(clusterIdOf({ plain: 0, own: 0 }, uid), uid, "an empty database, or a restored one");
    t.equal(clusterIdOf({ plain: 0, own: 0 }, ""), "");
  },
);
