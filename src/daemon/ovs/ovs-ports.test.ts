// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, remove, update } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { OvsPorts } from "./ovs-ports.ts";
import { OvsView } from "./ovs-view.ts";
import type { PortSpec } from "./ports.ts";

const here = new AbortController().signal;

async function setup(t: Test, datapath = "netdev") {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, {
      bridges: [bridge],
      external_ids: { "system-id": "chassis-1", "ovn-encap-ip": "172.19.0.11", "ovn-encap-type": "geneve" },
    }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int", datapath_type: datapath }),
  ]);
  const client = server.connect();
  t.teardown(() => client.close());
  const view = new OvsView(client);
  await view.mirror.whenSynced();
  /** A change by another client; resolves when our client has received it. */
  const edit = async (...operations: Operation[]): Promise<void> => {
    const received = new Promise<void>((resolve) => {
      const stop = view.mirror.subscribe(() => {
        stop();
        resolve();
      });
    });
    await server.edit(VSWITCH, operations);
    await received;
  };
  return { server, bridge, client, view, ports: new OvsPorts(view), edit };
}

function spec(name: string, ids: Record<string, string> = {}): PortSpec {
  return {
    portUuid: randomUUID(),
    interfaceUuid: randomUUID(),
    name,
    externalIds: {
      "iface-id": "web-0.shop",
      vendor: "kube-ovn",
      pod_name: "web-0",
      pod_namespace: "shop",
      container_id: "c1",
      if_name: "eth0",
      ...ids,
    },
  };
}

function installed(uuid: string): Operation {
  return mutate(VSWITCH, "Interface", uuid, [["external_ids", "insert", { "ovn-installed": "true" }]]);
}

t.test("a port is added in one transaction and is found by container and name", async (t) => {
  const { server, ports } = await setup(t);
  const before = server.transactions.length;
  const port = spec("c1_h");
  await ports.attach(port, here);
  t.equal(server.transactions.length, before + 1);
  t.match(ports.byName("c1_h"), {
    portUuid: port.portUuid,
    interfaceUuid: port.interfaceUuid,
    installed: false,
    error: "",
  });
  t.equal(ports.ofContainer("c1", "eth0").length, 1);
  t.equal(ports.ofContainer("c1", "net1").length, 0);
  t.ok(ports.userspace);
  await ports.detach([port.portUuid]);
  t.same(server.rows(VSWITCH, "Interface"), [], "removed from the bridge, deleted from the database");
  await ports.detach([port.portUuid]);
});

t.test("a stale port of the same logical port or name is removed in the same transaction", async (t) => {
  const { server, ports } = await setup(t);
  await ports.attach(spec("c1_h"), here);
  await ports.attach(spec("other_h", { "iface-id": "web-1.shop" }), here);
  const before = server.transactions.length;
  await ports.attach(spec("c2_h", { container_id: "c2" }), here);
  t.equal(server.transactions.length, before + 1);
  t.same(
    ports
      .all()
      .map(({ name }) => name)
      .sort(),
    ["c2_h", "other_h"],
  );
  await ports.attach(spec("c2_h", { container_id: "c2", "iface-id": "renamed.shop" }), here);
  t.same(
    ports
      .all()
      .map(({ name }) => name)
      .sort(),
    ["c2_h", "other_h"],
  );
});

t.test("a name is free when ovs-vswitchd has processed the database's state", async (t) => {
  const { server, ports, view, edit } = await setup(t);
  const root = view.root()?._uuid ?? "";
  await ports.vacate("c1_h", here);
  t.match(server.rows(VSWITCH, "Open_vSwitch"), [{ next_cfg: 0 }], "nothing is requested if there is no such port");
  await ports.attach(spec("c1_h"), here);
  let free = false;
  const vacated = ports.vacate("c1_h", here).then(() => {
    free = true;
  });
  await edit(update(VSWITCH, "Open_vSwitch", root, { external_ids: {} }));
  t.match(server.rows(VSWITCH, "Open_vSwitch"), [{ next_cfg: 1 }]);
  t.equal(ports.byName("c1_h"), undefined);
  t.notOk(free, "the database alone is not sufficient");
  await edit(update(VSWITCH, "Open_vSwitch", root, { cur_cfg: 1 }));
  await vacated;
  await ports.attach(spec("c1_h"), here);
  const giveUp = new AbortController();
  const waiting = ports.vacate("c1_h", giveUp.signal);
  await edit(update(VSWITCH, "Open_vSwitch", root, { external_ids: { a: "b" } }));
  giveUp.abort(new Error("enough"));
  await t.rejects(waiting, { message: "enough" });
});

t.test("other programs' ports are not Weft's", async (t) => {
  const { ports, bridge, edit } = await setup(t);
  const [port, face] = [randomUUID(), randomUUID()];
  await edit(
    insert(VSWITCH, "Interface", face, { name: "ovn-abc-0", type: "geneve" }),
    insert(VSWITCH, "Port", port, { name: "ovn-abc-0", interfaces: [face] }),
    mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [port]]]),
  );
  t.same(ports.all(), []);
  t.equal(ports.byName("ovn-abc-0"), undefined);
});

t.test("the wait for the flows ends by event", async (t) => {
  const { ports, edit } = await setup(t);
  const port = spec("c1_h");
  await ports.attach(port, here);
  const waiting = ports.whenInstalled(port.interfaceUuid, here);
  await edit(update(VSWITCH, "Interface", port.interfaceUuid, { mac: "02:00:00:00:00:01" }));
  await edit(installed(port.interfaceUuid));
  await waiting;
  await ports.whenInstalled(port.interfaceUuid, here);
  t.ok(ports.byName("c1_h")?.installed);
});

t.test("the wait fails with the interface's error, its removal, or its signal", async (t) => {
  const { ports, edit } = await setup(t);
  const port = spec("c1_h");
  await ports.attach(port, here);
  const broken = ports.whenInstalled(port.interfaceUuid, here);
  await edit(
    update(VSWITCH, "Interface", port.interfaceUuid, { error: "could not open network device c1_h (No such device)" }),
  );
  await t.rejects(broken, { code: 11, message: /No such device/ });
  await edit(update(VSWITCH, "Interface", port.interfaceUuid, { error: undefined }));
  const removed = ports.whenInstalled(port.interfaceUuid, here);
  await ports.detach([port.portUuid]);
  await t.rejects(removed, { message: /was removed/ });
  const again = spec("c1_h");
  await ports.attach(again, here);
  const caller = new AbortController();
  const stopped = ports.whenInstalled(again.interfaceUuid, caller.signal);
  caller.abort(new Error("enough"));
  await t.rejects(stopped, /enough/);
});

t.test("without Open vSwitch or br-int the error names what is missing", async (t) => {
  const { server, ports, view, edit, bridge } = await setup(t);
  await edit(mutate(VSWITCH, "Open_vSwitch", [], [["bridges", "delete", [bridge]]]));
  await t.rejects(ports.attach(spec("c1_h"), here), { code: 11, message: /bridge br-int does not exist/ });
  server.stop();
  server.cut();
  if (view.synced) await new Promise<void>((resolve) => view.mirror.onSyncedChange(() => resolve()));
  await t.rejects(ports.attach(spec("c1_h"), here), { code: 11, message: /not connected/ });
  const caller = new AbortController();
  const connected = ports.whenConnected(caller.signal);
  caller.abort(new Error("enough"));
  await t.rejects(connected, /enough/);
  await t.rejects(ports.detach([]), { code: 11 }, "no port is known, which differs from no port");
});

t.test("a refused transaction is an error and changes nothing", async (t) => {
  const { server, ports } = await setup(t);
  server.onTransact = () => ({ error: "constraint violation", details: "no" });
  await t.rejects(ports.attach(spec("c1_h"), here), { code: 999, message: /failed to change br-int .*no/ });
  t.same(server.rows(VSWITCH, "Port"), []);
});

t.test("the node's identity in OVN is read from Open_vSwitch", async (t) => {
  const { view, edit } = await setup(t, "");
  t.equal(view.systemId(), "chassis-1");
  t.same(view.encap(), { type: "geneve", ip: "172.19.0.11" });
  await edit(remove(VSWITCH, "Open_vSwitch", []));
  t.same([view.systemId(), view.encap()], [undefined, undefined]);
});
