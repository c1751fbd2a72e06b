// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import type { KubeObject } from "../../kube/object.ts";
import { EVENTS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import type { OvsdbClient } from "../../ovsdb/client.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { openOvsdb } from "../../ovsdb/open.ts";
import { select } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";
import { findOvsTools, type OvsTools } from "../../ovsdb/testing/ovs-tools.ts";
import { TestFolder, type TestServer } from "../../ovsdb/testing/server.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

/** Three servers with a northbound database, two controllers, and an administrator's client of the leader. */
async function setUp(t: Test) {
  const folder = await TestFolder.make(tools as OvsTools);
  t.teardown(() => folder.close());
  const servers = await folder.cluster(OVN_NB, 3, 300);
  const { kube } = await cluster(t);
  const connect = (): OvsdbClient => {
    const remotes = servers.map((server) => server.remote);
    const client = openOvsdb({ remotes, database: OVN_NB.name, leaderOnly: true, maxBackoffMs: 200 });
    t.teardown(() => client.close());
    return client;
  };
  const admin = connect();
  const leader = async (): Promise<TestServer> => {
    await admin.whenConnected();
    const found = servers.find(({ remote }) => remote === admin.remote);
    if (found === undefined) throw new Error("no leader");
    return found;
  };
  const ports = async (): Promise<readonly string[]> => {
    await admin.whenConnected();
    const [result] = await admin.transact(OVN_NB.name, [
      select(OVN_NB, "Logical_Switch_Port", [], ["name", "external_ids"]),
    ]);
    return selectedRows(OVN_NB, "Logical_Switch_Port", result)
      .filter((row) => row.external_ids?.["pod"] !== undefined)
      .map((row) => row.name ?? "")
      .sort();
  };
  const controllers = [candidate(t, kube, { connect }), candidate(t, kube, { connect })];
  return { kube, servers, leader, ports, controllers };
}

const refusals = (kube: FakeKube): readonly KubeObject[] =>
  kube.objects<KubeObject & { reason?: string }>(EVENTS).filter(({ reason }) => reason === "NorthboundRefused");

t.test(
  "pods go on being served while the leaders of the database change, and nothing is made twice",
  { skip },
  async (t) => {
    const { kube, servers, leader, ports, controllers } = await setUp(t);
    await eventually("one leads", () => controllers.some(({ controller }) => controller.leading) || undefined, 20_000);
    const names: string[] = [];
    let adding = true;
    const adds = (async () => {
      while (adding) {
        const name = `pod-${names.length}`;
        names.push(name);
        await addPod(kube, name);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
    })();
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    await pause(200);
    const upheavals: readonly ((now: TestServer) => Promise<void>)[] = [
      async (now) => void (await now.control("cluster/failure-test", "transfer-leadership")),
      // Transactions are appended and sent, but no member answers: the leader gives up, and then the cluster continues with them in the log.
      async (now) => {
        const others = servers.filter((server) => server !== now);
        for (const other of others) other.freeze(true);
        await pause(1_000);
        for (const other of others) other.freeze(false);
      },
      async (now) => {
        await now.stop("SIGKILL");
        await pause(500);
        await now.start();
      },
      async (now) =>
        void (await now.control("cluster/failure-test", "transfer-leadership-after-sending-append-request")),
    ];
    for (const upheaval of upheavals) {
      await upheaval(await leader());
      const before = names.length;
      await eventually("pods are served again", () => addressOf(kube, `pod-${before}`), 30_000);
    }
    adding = false;
    await adds;
    for (const name of names) await eventually(`${name} has its address`, () => addressOf(kube, name), 30_000);
    t.same(await ports(), names.map((name) => `${name}.default`).sort());
    t.same(refusals(kube), []);
    t.comment(`${names.length} pods`);
  },
);
