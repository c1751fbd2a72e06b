// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { OvsView } from "../daemon/ovs/ovs-view.ts";
import { VSWITCH } from "../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, update } from "../ovsdb/operation.ts";
import { fakeOvsdb } from "../ovsdb/testing/fake.ts";
import type { Results } from "./driver.ts";
import { ovsDriver } from "./ovs.ts";
import type { OvsPortState, OvsState } from "./state.ts";

async function setup(t: Test) {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge], external_ids: { "ovn-remote": "x", other: "y" } }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int" }),
  ]);
  const client = server.connect();
  const view = new OvsView(client);
  await view.mirror.whenSynced();
  t.teardown(() => client.close());
  /** A change by another program; resolves when the mirror has it. */
  const edit = async (...operations: Operation[]): Promise<void> => {
    const heard = Promise.withResolvers<void>();
    const stop = view.mirror.subscribe(() => heard.resolve());
    await server.edit(VSWITCH, operations);
    await heard.promise;
    stop();
  };
  const driver = ovsDriver(view, randomUUID);
  const pass = async (ovs: OvsState): Promise<readonly string[]> => {
    const results: Results = { repairs: [], missing: new Set(), blocked: [], failures: [] };
    await (await driver.plan({ ovs }, results)).apply("remove");
    await (await driver.plan({ ovs }, results)).apply("set");
    t.same(results.failures, []);
    return results.repairs;
  };
  const row = (name: string) => server.rows(VSWITCH, "Interface").find((face) => face.name === name);
  return { server, bridge, edit, view, pass, row };
}

const OVN0: OvsPortState = {
  name: "ovn0",
  bridge: "br-int",
  mac: "02:00:00:00:00:02",
  mtu: 1400,
  externalIds: { "iface-id": "node-weft-1", vendor: "kube-ovn", ip: "100.64.0.2" },
};

t.test("a port is created once, kept, and corrected where it differs", async (t) => {
  const { view, edit, pass, row, bridge } = await setup(t);
  const wanted = { ports: [OVN0] };
  t.same(await pass(wanted), ["port ovn0 of Open vSwitch"]);
  const columns = { type: "internal", mac: "02:00:00:00:00:02", mtu_request: 1400 };
  t.match(row("ovn0"), { ...columns, external_ids: { ...OVN0.externalIds, "weft-owner": "node" } });
  t.same(await pass(wanted), []);
  const { _uuid } = row("ovn0")!;
  await edit(mutate(VSWITCH, "Interface", _uuid, [["external_ids", "insert", { "ovn-installed": "true" }]]));
  t.same(await pass({ ports: [{ ...OVN0, mac: "02:00:00:00:00:03", mtu: 1300 }] }), ["port ovn0 of Open vSwitch"]);
  await edit(mutate(VSWITCH, "Interface", _uuid, [["external_ids", "delete", ["iface-id"]]]));
  t.same(await pass(wanted), ["port ovn0 of Open vSwitch"]);
  t.match(row("ovn0"), { ...columns, external_ids: { "iface-id": "node-weft-1", "ovn-installed": "true" } });
  t.equal(view.podPorts().length, 0, "ovn0 is not a pod's");
  await edit(mutate(VSWITCH, "Bridge", bridge, [["ports", "delete", [view.portOf(_uuid)!]]]));
  t.same(await pass(wanted), ["port ovn0 of Open vSwitch"], "removed, it is recreated");
});

t.test("a port that an earlier version created without its mark is adopted unchanged", async (t) => {
  const { edit, pass, row, bridge } = await setup(t);
  const [port, face] = [randomUUID(), randomUUID()];
  await edit(
    insert(VSWITCH, "Interface", face, {
      ...{ name: "ovn0", type: "internal", mac: OVN0.mac, mtu_request: 1400 },
      external_ids: OVN0.externalIds,
    }),
    insert(VSWITCH, "Port", port, { name: "ovn0", interfaces: [face] }),
    mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [port]]]),
  );
  await pass({ ports: [OVN0] });
  t.match(row("ovn0"), { _uuid: face, external_ids: { "weft-owner": "node" } });
});

t.test("settings are restored in one transaction, and the other keys stay", async (t) => {
  const { server, pass } = await setup(t);
  let transactions = 0;
  server.onTransact = () => {
    transactions += 1;
    return undefined;
  };
  t.same(await pass({ settings: { "ovn-remote": "tcp:10.0.0.1:6642", "ovn-encap-ip": "172.19.0.11" } }), [
    "settings external_ids:ovn-remote of Open_vSwitch",
    "settings external_ids:ovn-encap-ip of Open_vSwitch",
  ]);
  t.equal(transactions, 1);
  t.same(server.rows(VSWITCH, "Open_vSwitch")[0]?.external_ids, {
    ...{ "ovn-remote": "tcp:10.0.0.1:6642", "ovn-encap-ip": "172.19.0.11", other: "y" },
  });
});

t.test("bridges and ports that Weft created and that are not wanted are removed, all others stay", async (t) => {
  const { server, edit, pass, bridge } = await setup(t);
  const names = () =>
    server
      .rows(VSWITCH, "Bridge")
      .map(({ name }) => name)
      .sort();
  const foreign = randomUUID();
  await edit(
    insert(VSWITCH, "Bridge", foreign, { name: "br-phy" }),
    mutate(VSWITCH, "Open_vSwitch", [], [["bridges", "insert", [foreign]]]),
  );
  const [port, face] = [randomUUID(), randomUUID()];
  await edit(
    insert(VSWITCH, "Interface", face, { name: "tap0", external_ids: { vendor: "kube-ovn", pod_name: "web-0" } }),
    insert(VSWITCH, "Port", port, { name: "tap0", interfaces: [face] }),
    mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [port]]]),
  );
  const brNet = { name: "br-net1", datapathType: "netdev", externalIds: { vendor: "kube-ovn" } };
  t.same(await pass({ bridges: [brNet], ports: [OVN0] }), [
    "bridge br-net1 of Open vSwitch",
    "port ovn0 of Open vSwitch",
  ]);
  t.same(await pass({ bridges: [brNet], ports: [OVN0] }), []);
  await edit(update(VSWITCH, "Bridge", [["name", "==", "br-net1"]], { datapath_type: "system" }));
  t.same(await pass({ bridges: [brNet] }), ["bridge br-net1 of Open vSwitch"]);
  t.same(names(), ["br-int", "br-net1", "br-phy"]);
  t.same(
    await pass({ bridges: [{ ...brNet, name: "br-phy" }, brNet] }),
    [],
    "another program's bridge stays unchanged",
  );
  t.same(await pass({ bridges: [], ports: [] }), [
    "port ovn0 of Open vSwitch (no longer wanted)",
    "bridge br-net1 of Open vSwitch (no longer wanted)",
  ]);
  t.same(names(), ["br-int", "br-phy"]);
  t.same(
    server.rows(VSWITCH, "Interface").map(({ name }) => name),
    ["tap0"],
  );
});
