// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { MIRROR_TABLE } from "../../node/marks.ts";
import { FakeKernel } from "../../node/testing/fake-kernel.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, update } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { OvsPorts } from "../ovs/ovs-ports.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { FakeNftables, FakePods, fakeVswitchd } from "../testing/fake-node.ts";
import { PodMirror } from "./pod-mirror.ts";

const soon = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

async function setup(t: Test, { all = false, onDemand = false } = {}) {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge] }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int", datapath_type: "netdev" }),
  ]);
  const [kernel, nft, pods] = [new FakeKernel(), new FakeNftables(), new FakePods()];
  /** The changes of the node, in order. */
  const done: string[] = [];
  kernel.onChange = (change) => void done.push(change);
  const apply = nft.apply.bind(nft);
  nft.apply = async (script) => {
    await apply(script);
    done.push("rules");
  };
  const vswitchd = await fakeVswitchd(server.connect(), kernel);
  const view = new OvsView(server.connect());
  await view.mirror.whenSynced();
  const ports = new OvsPorts(view);
  const repaired: string[] = [];
  const report = {
    note: (repairs: readonly string[]) => {
      repaired.push(...repairs);
      return 0;
    },
  };
  const log = { info: () => undefined, warn: () => undefined };
  const mirror = new PodMirror({ view, kernel, nft, pods, all, onDemand, report, clock: SYSTEM_CLOCK, log });
  mirror.start();
  t.teardown(async () => {
    await mirror.stop();
    await server.close();
  });
  const ask = (name: string, value: string, provider = "ovn"): void =>
    pods.set("shop", name, `u-${name}`, { [`${provider}.kubernetes.io/mirror`]: value });
  const attach = async (name: string, provider = ""): Promise<string> => {
    const externalIds = {
      ...{ "iface-id": `${name}.shop${provider}`, vendor: "kube-ovn", pod_name: name, pod_namespace: "shop" },
      ...{ pod_uid: `u-${name}`, container_id: `${name}${provider}`, if_name: provider === "" ? "eth0" : "net1" },
    };
    const portUuid = randomUUID();
    const spec = { portUuid, interfaceUuid: randomUUID(), name: `${name}${provider.length}_h`, externalIds };
    await ports.attach(spec, new AbortController().signal);
    return portUuid;
  };
  const row = () => server.rows(VSWITCH, "Mirror").find(({ name }) => name === "m0");
  const selects = async (wanted: readonly string[]): Promise<void> => {
    const isEqual = (has: readonly string[] = []): boolean => [...has].sort().join() === [...wanted].sort().join();
    await soon(() => row() !== undefined && isEqual(row()?.select_src_port) && isEqual(row()?.select_dst_port));
  };
  return { server, bridge, kernel, nft, pods, ports, done, repaired, vswitchd, ask, attach, row, selects };
}

t.test("the row selects the ports of pods with the annotation, and no others", async (t) => {
  const { server, pods, ports, ask, attach, row, selects } = await setup(t);
  await selects([]);
  const out = server.rows(VSWITCH, "Port").find(({ name }) => name === "mirror0");
  t.equal(row()?.output_port, out?._uuid);
  const one = await attach("one");
  const lan = await attach("one", ".lan.shop.ovn");
  const two = await attach("two");
  ask("one", "true");
  await selects([one]);
  ask("two", "true");
  await selects([one, two]);
  ask("one", "yes");
  await selects([two]);
  ask("one", "true", "lan.shop.ovn");
  await selects([lan, two]);
  await ports.detach([two]);
  await selects([lan]);
  // A pod of the same name without the annotation.
  pods.set("shop", "one", "u-other", { "lan.shop.ovn.kubernetes.io/mirror": "true" });
  await selects([]);
});

t.test("every port is selected if the option is set", async (t) => {
  const { row, ask, attach } = await setup(t, { all: true });
  await attach("one");
  ask("one", "true");
  await soon(() => row()?.select_all === true);
  t.same(row()?.select_src_port, []);
});

t.test(
  "the interface is up only after rules keep its packets from the node, also after it was recreated",
  async (t) => {
    const { kernel, nft, done, vswitchd } = await setup(t);
    const isUp = (): boolean => kernel.link("mirror0")?.up === true;
    await soon(isUp);
    const first = kernel.link("mirror0")!.index;
    t.match(nft.all.get(MIRROR_TABLE), /hook ingress device "mirror0".*policy drop/);
    t.ok(done.indexOf("rules") < done.indexOf(`setLink ${first}`), done.join(", "));
    vswitchd.stop();
    kernel.deleteLink(first);
    done.length = 0;
    vswitchd.restart();
    await soon(isUp);
    const second = kernel.link("mirror0")!.index;
    t.not(second, first);
    const [rules, up] = [done.indexOf("rules"), done.lastIndexOf(`setLink ${second}`)];
    t.ok(rules >= 0 && rules < up, done.join(", "));
  },
);

t.test("it stays down while the rules cannot be set", async (t) => {
  const { kernel, nft, row } = await setup(t);
  nft.broken = true;
  await soon(() => kernel.link("mirror0") !== undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(kernel.link("mirror0")?.up, false);
  t.equal(row(), undefined);
});

t.test("changes by another program are restored and reported; its own rows stay", async (t) => {
  const { server, bridge, ask, attach, selects, row, repaired } = await setup(t);
  const one = await attach("one");
  ask("one", "true");
  await selects([one]);
  // Until a pass has found nothing to do, a change does not count as another program's.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const span = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Mirror", span, { name: "span", select_all: true }),
    mutate(VSWITCH, "Bridge", bridge, [["mirrors", "insert", [span]]]),
  ]);
  await server.edit(VSWITCH, [update(VSWITCH, "Mirror", String(row()?._uuid), { select_all: true })]);
  await soon(() => row()?.select_all === false && repaired.length === 1);
  await server.edit(VSWITCH, [mutate(VSWITCH, "Bridge", bridge, [["mirrors", "delete", [String(row()?._uuid)]]])]);
  await soon(() => row()?.select_src_port.join() === one);
  t.ok(server.rows(VSWITCH, "Mirror").some(({ name }) => name === "span"));
  await soon(() => repaired.length === 2);
  t.same(repaired, ["mirror m0 of Open vSwitch", "mirror m0 of Open vSwitch"]);
});

t.test("on demand, interface and row exist while a pod has the annotation", async (t) => {
  const { server, kernel, nft, ask, attach, selects, row } = await setup(t, { onDemand: true });
  const one = await attach("one");
  await new Promise((resolve) => setTimeout(resolve, 50));
  const there = (): readonly boolean[] => [
    row() !== undefined,
    kernel.link("mirror0") !== undefined,
    nft.all.has(MIRROR_TABLE),
    server.rows(VSWITCH, "Interface").some(({ name }) => name === "mirror0"),
  ];
  t.same(there(), [false, false, false, false]);
  ask("one", "true");
  await selects([one]);
  t.same(there(), [true, true, true, true]);
  ask("one", "false");
  await soon(() => there().every((one) => !one));
  ask("one", "true");
  await selects([one]);
});

t.test("on demand, a removal that Open vSwitch's database refuses is retried", async (t) => {
  const { server, kernel, ask, attach, selects, row } = await setup(t, { onDemand: true });
  ask("one", "true");
  await selects([await attach("one")]);
  let refused = 0;
  server.onTransact = () => (refused++ === 0 ? { error: "resources exhausted" } : undefined);
  ask("one", "false");
  await soon(() => row() === undefined && kernel.link("mirror0") === undefined);
  t.ok(refused > 1);
});
