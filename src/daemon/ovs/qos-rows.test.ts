// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { type FoundQos, planQosRows, qosRows, type WantedQos } from "./qos-rows.ts";

const PORT = { portUuid: randomUUID(), ifaceId: "a.shop", pod: "shop/a" };

const htb = (mbit: number): WantedQos => {
  const rows = qosRows(PORT, { ingress: { rate: mbit * 1_000, burst: mbit * 800 } });
  if (rows === undefined) throw new Error("no rows");
  return rows;
};

/** A database with the port and rows of another program, and a function that applies the wanted state. */
async function setup(t: { teardown(fn: () => unknown): void }) {
  const server = fakeOvsdb(VSWITCH);
  t.teardown(() => server.close());
  const bridge = randomUUID();
  const iface = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge] }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int", ports: [PORT.portUuid] }),
    insert(VSWITCH, "Port", PORT.portUuid, { name: "a_h", interfaces: [iface] }),
    insert(VSWITCH, "Interface", iface, { name: "a_h" }),
    insert(VSWITCH, "QoS", randomUUID(), { type: "linux-htb", external_ids: { "iface-id": "foreign" } }),
    insert(VSWITCH, "Queue", randomUUID(), { external_ids: { "iface-id": "foreign" } }),
  ]);
  const found = (): FoundQos => ({
    qos: server.rows(VSWITCH, "QoS"),
    queues: server.rows(VSWITCH, "Queue"),
    ofPorts: new Map(server.rows(VSWITCH, "Port").flatMap(({ _uuid, qos }) => (qos ? [[_uuid, qos] as const] : []))),
  });
  const plan = (wanted: readonly WantedQos[], bind: boolean) => planQosRows(wanted, found(), bind, randomUUID);
  const apply = async (wanted: readonly WantedQos[], bind: boolean): Promise<void> => {
    await server.edit(VSWITCH, plan(wanted, bind));
    t_ok(plan(wanted, bind).length === 0);
  };
  const ours = () => ({
    qos: server.rows(VSWITCH, "QoS").filter(({ external_ids: ids }) => ids["pod"] === "shop/a"),
    queues: server.rows(VSWITCH, "Queue").filter(({ external_ids: ids }) => ids["pod"] === "shop/a"),
    port: server.rows(VSWITCH, "Port")[0]?.qos,
    all: server.rows(VSWITCH, "QoS").length + server.rows(VSWITCH, "Queue").length,
  });
  return { plan, apply, ours };
}

function t_ok(settled: boolean): void {
  if (!settled) throw new Error("a second pass finds something to do");
}

t.test("a rate is an htb with one queue, found by the pod's name as Kube-OVN's tests do", async (t) => {
  const { apply, ours } = await setup(t);
  await apply([htb(300)], true);
  const { qos, queues, port } = ours();
  t.match(queues, [{ other_config: { "max-rate": "300000000", burst: "240000000" } }]);
  t.match(qos, [{ type: "linux-htb", queues: { 0: queues[0]?._uuid }, external_ids: { "iface-id": "a.shop" } }]);
  t.equal(port, qos[0]?._uuid);
});

t.test("emulation is a netem with the units of Open vSwitch, and a rate goes before it", async (t) => {
  const netem = { latency: 600, jitter: 400, limit: 2_000, loss: 10 };
  t.match(qosRows(PORT, { netem }), {
    type: "linux-netem",
    settings: { latency: "600000", jitter: "400000", limit: "2000", loss: "10" },
  });
  t.match(qosRows(PORT, { netem, ingress: { rate: 1, burst: 1 } }), { type: "linux-htb" });
  t.equal(qosRows(PORT, { egress: { rate: 1, burst: 1 } }), undefined);
});

t.test("a changed rate changes the queue alone", async (t) => {
  const { plan, apply, ours } = await setup(t);
  await apply([htb(10)], true);
  const before = ours();
  t.match(plan([htb(20)], true), [{ op: "update", table: "Queue" }]);
  t.equal(plan([htb(20)], true).length, 1);
  await apply([htb(20)], true);
  t.strictSame(ours().qos, before.qos);
});

t.test(
  "from a rate to emulation, back, and to nothing: none of Weft's rows remains, and other programs' rows do",
  async (t) => {
    const { apply, ours } = await setup(t);
    const emulated = qosRows(PORT, { netem: { latency: 5 } });
    for (const bind of [true, false]) {
      for (const wanted of [[htb(10)], emulated ? [emulated] : [], [htb(5)], []]) await apply(wanted, bind);
      t.match(ours(), { qos: [], queues: [], port: undefined, all: 2 });
    }
  },
);

t.test("without binding the port has no QoS, and a bound one of Weft is removed", async (t) => {
  const { apply, ours } = await setup(t);
  await apply([htb(10)], true);
  await apply([htb(10)], false);
  t.equal(ours().port, undefined);
  t.equal(ours().qos.length, 1);
});
