// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { parseIp } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import { DEFAULT_NODE_PORTS } from "../../net/port-range.ts";
import { FakeKernel } from "../../node/testing/fake-kernel.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, update } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { NO_SERVICES } from "../services/served-services.ts";
import { FakeNftables, fakeVswitchd } from "../testing/fake-node.ts";
import { Gateway, type GatewayDependencies } from "./gateway.ts";
import { HOST_TABLE } from "./host-rules.ts";
import { NodeReader, type OwnNode } from "./node-reader.ts";
import type { RoutedSubnet } from "./subnet-reader.ts";

/** Facts that the test sets; `set` notifies as an informer does. */
class FakeFacts<P> {
  synced = true;
  readonly #facts = new Map<string, P>();
  #listener: (() => void) | undefined;
  get = (key: string): P | undefined => this.#facts.get(key);
  values = (): IterableIterator<P> => this.#facts.values();
  whenSynced = async (): Promise<void> => undefined;
  subscribe = (listener: () => void): (() => void) => {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  };
  set(key: string, fact: P): void {
    this.#facts.set(key, fact);
    this.#listener?.();
  }
}

const metadata = { name: "weft-1", uid: "n", resourceVersion: "1" };
const ANNOTATIONS = {
  "ovn.kubernetes.io/ip_address": "100.64.0.2",
  "ovn.kubernetes.io/mac_address": "02:00:00:00:00:02",
  "ovn.kubernetes.io/cidr": "100.64.0.0/16",
  "ovn.kubernetes.io/gateway": "100.64.0.1",
};
const nodeFact = (of: Parameters<NodeReader["read"]>[0]): OwnNode => new NodeReader({ warn: () => undefined }).read(of);
const node = (more: Record<string, string> = {}): OwnNode =>
  nodeFact({ metadata: { ...metadata, annotations: { ...ANNOTATIONS, ...more } } });
const subnet = (cidrBlock: string): RoutedSubnet => {
  const cidrs = [parseCidr(cidrBlock)].filter((cidr) => cidr !== undefined);
  return { name: "s", contract: { cidrs, natOutgoing: true, gatewayType: "distributed", mtu: 0 } };
};

async function setup(t: Test, options: { readonly tunnels?: false; readonly services?: boolean } = {}) {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, {
      bridges: [bridge],
      external_ids: { "system-id": "chassis-1", "ovn-encap-ip": "172.19.0.11" },
    }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int" }),
  ]);
  const client = server.connect();
  const nodes = new FakeFacts<OwnNode>();
  const subnets = new FakeFacts<RoutedSubnet>();
  const kernel = new FakeKernel();
  kernel.createLink({ name: "eth1", kind: "veth", mtu: 1500, up: true });
  const eth1 = { index: kernel.link("eth1")!.index, address: "172.19.0.11", prefix: 24 };
  if (options.tunnels !== false) kernel.setAddress(eth1);
  const switching = server.connect();
  const vswitchd = await fakeVswitchd(switching, kernel);
  const nft = new FakeNftables();
  const written: string[] = [];
  const nodeWarned: string[] = [];
  const repaired: string[] = [];
  const warned: string[] = [];
  const settings: Record<string, string> = {};
  const waiters = new Set<() => void>();
  const services = { ...NO_SERVICES, synced: options.services !== false };
  const deps: GatewayDependencies = {
    node: "weft-1",
    joinSubnet: "join",
    nodePorts: DEFAULT_NODE_PORTS,
    mtu: 0,
    view: new OvsView(client),
    kernel,
    nft,
    nodes,
    subnets,
    services,
    forgetUdpFlows: () => 0,
    report: {
      note(repairs) {
        repaired.push(...repairs);
        return 0;
      },
    },
    ovsSettings: () => settings,
    log: { info: () => undefined, warn: (fields, message) => void warned.push(`${message} ${JSON.stringify(fields)}`) },
    annotateChassis: async (chassis) => void written.push(chassis),
    setNetworkAvailable: async () => void written.push("available"),
    onPlanes: () => undefined,
    warnNode: (reason) => void nodeWarned.push(reason),
    onState: () => {
      for (const waiter of waiters) waiter();
    },
  };
  const gateway = new Gateway(deps);
  t.teardown(async () => {
    await gateway.stop();
    await Promise.all([client.close(), switching.close()]);
  });
  /** Resolves when the gateway's state matches; undefined is "ready". */
  const until = (wanted: RegExp | undefined): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        const reason = gateway.notReady;
        if (wanted === undefined ? reason !== undefined : reason === undefined || !wanted.test(reason)) return;
        waiters.delete(look);
        resolve();
      };
      waiters.add(look);
      look();
    });
  return {
    ...{ server, bridge, nodes, subnets, kernel, eth1, vswitchd, nft },
    /** The inputs of the host's table, one for each change. */
    scripts: (): readonly string[] => nft.scripts.filter((script) => script.startsWith(`table ${HOST_TABLE} {`)),
    ...{ written, nodeWarned, repaired, warned, settings, gateway, until, services },
  };
}

const soon = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

t.test("the gateway reports what it waits for, and continues by itself", async (t) => {
  const { server, bridge, nodes, subnets, kernel, eth1, vswitchd, nft, scripts, written, gateway, until } = await setup(
    t,
    {
      tunnels: false,
    },
  );
  vswitchd.stop();
  gateway.start();
  await until(/no interface of this node has the tunnel address \(ovn-encap-ip 172\.19\.0\.11\)/);
  kernel.setAddress(eth1);
  await until(/the Node object of this node does not exist/);
  t.equal(gateway.mtu, 1400);
  nodes.set("weft-1", nodeFact({ metadata }));
  await until(/has not allocated an address in the join subnet to this node/);
  nodes.set("weft-1", node());
  await until(/has not created ovn0/);
  t.match(server.rows(VSWITCH, "Interface"), [{ name: "ovn0", external_ids: { "iface-id": "node-weft-1" } }]);
  t.same(scripts(), [], "no rules for an interface that does not exist");
  vswitchd.restart();
  await until(undefined);
  t.match(kernel.link("ovn0"), { mac: "02:00:00:00:00:02", mtu: 1400, up: true });
  t.equal(scripts().length, 1);
  while (written.length < 2) await new Promise(setImmediate);
  t.same(written, ["chassis-1", "available"]);
  subnets.set("ovn-default", subnet("10.16.0.0/16"));
  await soon(() => scripts().length === 2);
  t.match(kernel.routes({ protocol: 87 }), [{ destination: "10.16.0.0/16", gateway: "100.64.0.1" }]);
  nft.change("inet weft", "");
  await soon(() => scripts().length === 3);
  t.equal(nft.all.get("inet weft"), scripts()[1], "so are rules that another program has deleted");
  await server.edit(VSWITCH, [
    mutate(VSWITCH, "Bridge", bridge, [["ports", "delete", server.rows(VSWITCH, "Port").map(({ _uuid }) => _uuid)]]),
  ]);
  await soon(() => server.rows(VSWITCH, "Interface").length > 0);
  t.match(server.rows(VSWITCH, "Interface"), [{ name: "ovn0" }], "removed by hand, it is recreated");
});

t.test("changes by another program are distinguished from first set-up and new requirements", async (t) => {
  const { nodes, subnets, kernel, nft, scripts, repaired, gateway, until } = await setup(t);
  nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
  gateway.start();
  await until(undefined);
  subnets.set("ovn-default", subnet("10.16.0.0/16"));
  await soon(() => scripts().length === 2);
  t.same(repaired, []);
  // Until a pass has found nothing to do, its changes count as its own.
  await new Promise((resolve) => setTimeout(resolve, 200));
  kernel.deleteRoute({ destination: "10.16.0.0/16" });
  await soon(() => repaired.length === 1);
  nft.change("inet weft", "");
  await soon(() => repaired.length === 2);
  t.same(repaired, ["route 10.16.0.0/16 dev ovn0", "rules table inet weft of nftables"]);
});

t.test("another program's route to pods is kept and reported, and the node keeps working", async (t) => {
  const { nodes, subnets, kernel, eth1, warned, gateway, until } = await setup(t);
  nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
  kernel.addRoute({ destination: "10.16.0.0/16", gateway: "172.19.0.1", device: eth1.index });
  subnets.set("ovn-default", subnet("10.16.0.0/16"));
  subnets.set("other", subnet("10.17.0.0/16"));
  gateway.start();
  await until(undefined);
  t.match(kernel.routes({ device: eth1.index }), [{}, {}, { destination: "10.16.0.0/16", gateway: "172.19.0.1" }]);
  t.match(kernel.routes({ protocol: 87 }), [{ destination: "10.17.0.0/16" }]);
  t.match(warned, [/left alone.*route 10\.16\.0\.0\/16 dev ovn0: another program's route/]);
});

t.test("settings of Open vSwitch that another program changes are restored, others stay", async (t) => {
  const { server, settings, nodes, repaired, gateway, until } = await setup(t);
  Object.assign(settings, { "ovn-encap-ip": "172.19.0.11", "ovn-remote": "tcp:10.0.0.1:6642" });
  nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
  gateway.start();
  await until(undefined);
  const ids = () => server.rows(VSWITCH, "Open_vSwitch")[0]?.external_ids ?? {};
  t.equal(ids()["ovn-remote"], "tcp:10.0.0.1:6642");
  await server.edit(VSWITCH, [
    mutate(
      VSWITCH,
      "Open_vSwitch",
      [],
      [
        ["external_ids", "delete", ["ovn-remote", "ovn-encap-ip"]],
        ["external_ids", "insert", { "ovn-remote": "tcp:192.0.2.1:6642", "ovn-bridge-mappings": "x:br-x" }],
      ],
    ),
  ]);
  await soon(() => ids()["ovn-remote"] === "tcp:10.0.0.1:6642");
  t.match(ids(), { "ovn-encap-ip": "172.19.0.11", "ovn-bridge-mappings": "x:br-x", "system-id": "chassis-1" });
  t.ok(repaired.includes("settings external_ids:ovn-encap-ip of Open_vSwitch"));
  await until(undefined);
});

t.test(
  "additional networks of the node get their tunnel addresses, by event, and unusable ones are reported once",
  async (t) => {
    const { server, settings, nodes, kernel, eth1, repaired, nodeWarned, gateway, until } = await setup(t);
    Object.assign(settings, { "ovn-encap-ip": "172.19.0.11" });
    const chassis = { "ovn.kubernetes.io/chassis": "chassis-1" };
    const networks = (all: object) =>
      node({ ...chassis, "weft.kubeovn.io/node-contract": JSON.stringify({ version: 1, networks: all }) });
    nodes.set("weft-1", node(chassis));
    gateway.start();
    await until(undefined);
    const ids = () => server.rows(VSWITCH, "Open_vSwitch")[0]?.external_ids ?? {};
    t.notOk("ovn-encap-ip-default" in ids(), "a node without networks is not changed");
    nodes.set("weft-1", networks({ storage: "192.168.10.11" }));
    await soon(() => nodeWarned.length === 1);
    t.strictSame([nodeWarned, gateway.plane("storage")], [["NodeNetworkNotUsable"], undefined]);
    kernel.createLink({ name: "eth2", kind: "veth", mtu: 9000, up: true });
    kernel.setAddress({ index: kernel.link("eth2")!.index, address: "192.168.10.11", prefix: 24 });
    await soon(() => ids()["ovn-encap-ip"] === "172.19.0.11,192.168.10.11");
    t.match(ids(), { "ovn-encap-ip-default": "172.19.0.11", "weft-encap-base": "172.19.0.11" });
    t.strictSame([gateway.plane("storage"), gateway.mtu], [{ ip: "192.168.10.11", mtu: 8900 }, 1400]);
    kernel.setLink(kernel.link("eth2")!.index, { mtu: 4000 });
    await soon(() => gateway.plane("storage")?.mtu === 3900);
    t.strictSame([repaired, nodeWarned.length], [[], 1], "new requirements are not restores");
    nodes.set("weft-1", networks({}));
    await soon(() => ids()["ovn-encap-ip"] === "172.19.0.11");
    t.equal(gateway.plane("storage"), undefined);
    t.equal(kernel.addresses({ index: eth1.index }).length, 1);
  },
);

t.test("a node that is a next hop of VPCs announces its addresses again and again, others do not", async (t) => {
  const { server, nodes, repaired, gateway, until } = await setup(t);
  const annotations = { ...ANNOTATIONS, "ovn.kubernetes.io/chassis": "chassis-1" };
  const labelled = (value: string) =>
    nodeFact({ metadata: { ...metadata, annotations, labels: { "ovn.kubernetes.io/node-ext-gw": value } } });
  nodes.set("weft-1", nodeFact({ metadata: { ...metadata, annotations } }));
  gateway.start();
  await until(undefined);
  const seconds = () => server.rows(VSWITCH, "Open_vSwitch")[0]?.external_ids["garp-max-timeout-sec"];
  t.equal(seconds(), undefined);
  nodes.set("weft-1", labelled("true"));
  await soon(() => seconds() === "2");
  nodes.set("weft-1", labelled("false"));
  await soon(() => seconds() === "0");
  t.same(repaired, [], "new requirements are not restores");
});

t.test("a device that another program deletes is recreated, but not while ovs-vswitchd is down", async (t) => {
  const { server, nodes, kernel, vswitchd, repaired, gateway, until } = await setup(t);
  nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
  gateway.start();
  await until(undefined);
  const row = () => server.rows(VSWITCH, "Interface")[0]?._uuid;
  const root = () => server.rows(VSWITCH, "Open_vSwitch")[0];
  const reconfigure = () =>
    server.edit(VSWITCH, [update(VSWITCH, "Open_vSwitch", [], { cur_cfg: root()?.next_cfg ?? 0 })]);
  const first = row();
  vswitchd.stop();
  kernel.deleteLink(kernel.link("ovn0")!.index);
  await until(/has not created ovn0/);
  await soon(() => (root()?.next_cfg ?? 0) === 1);
  t.equal(row(), first, "the daemon asks whether it runs");
  await reconfigure();
  await soon(() => row() === undefined);
  t.same(repaired, ["device ovn0"]);
  t.equal(row(), undefined, "the port is added again when ovs-vswitchd has released the device");
  await reconfigure();
  await soon(() => row() !== undefined);
  t.not(row(), first);
  vswitchd.restart();
  await until(undefined);
});

t.test("so is ovn-services, where nodes serve Services", async (t) => {
  const { server, nodes, kernel, vswitchd, repaired, gateway, until } = await setup(t);
  const contract = {
    version: 1,
    serviceMac: "02:00:00:00:80:02",
    servicePort: "node-weft-1/services",
    serviceSources: ["100.64.128.2"],
    serviceGateways: ["100.64.128.1"],
    serviceRanges: ["10.96.0.0/12"],
  };
  const chassis = { "ovn.kubernetes.io/chassis": "chassis-1" };
  nodes.set("weft-1", node({ ...chassis, "weft.kubeovn.io/node-contract": JSON.stringify(contract) }));
  gateway.start();
  await until(undefined);
  const row = (name: string) => server.rows(VSWITCH, "Interface").find((each) => each.name === name)?._uuid;
  const root = () => server.rows(VSWITCH, "Open_vSwitch")[0];
  const reconfigure = () =>
    server.edit(VSWITCH, [update(VSWITCH, "Open_vSwitch", [], { cur_cfg: root()?.next_cfg ?? 0 })]);
  const [first, other] = [row("ovn-services"), row("ovn0")];
  vswitchd.stop();
  kernel.deleteLink(kernel.link("ovn-services")!.index);
  await until(/has not created ovn-services/);
  await soon(() => (root()?.next_cfg ?? 0) === 1);
  await reconfigure();
  await soon(() => row("ovn-services") === undefined);
  t.same(repaired, ["device ovn-services"]);
  await reconfigure();
  await soon(() => row("ovn-services") !== undefined);
  t.not(row("ovn-services"), first);
  t.equal(row("ovn0"), other, "the other port stays");
  vswitchd.restart();
  await until(undefined);
});

t.test(
  "the tunnels are known once the database, the Node, the subnets, the Services and br-int are, in any order",
  async (t) => {
    const inputs = ["database", "Node", "subnets", "Services", "br-int"] as const;
    for (const last of inputs) {
      const { server, nodes, subnets, gateway, until, services } = await setup(t, { services: last !== "Services" });
      if (last === "database") {
        server.stop();
        server.cut();
      }
      if (last === "br-int") await server.edit(VSWITCH, [update(VSWITCH, "Open_vSwitch", [], { bridges: [] })]);
      nodes.synced = last !== "Node";
      subnets.synced = last !== "subnets";
      let known = false;
      void gateway.whenTunnelsKnown(new AbortController().signal).then(() => {
        known = true;
      });
      gateway.start();
      await until(
        {
          database: /not connected/,
          Node: /this node has not been listed/,
          subnets: /subnets have not been listed/,
          Services: /Services have not been listed/,
          "br-int": /has not created br-int/,
        }[last],
      );
      t.notOk(known, `without ${last}`);
      nodes.synced = true;
      subnets.synced = true;
      services.synced = true;
      server.start();
      if (last === "br-int") {
        const created = randomUUID();
        await server.edit(VSWITCH, [
          update(VSWITCH, "Open_vSwitch", [], { bridges: [created] }),
          insert(VSWITCH, "Bridge", created, { name: "br-int" }),
        ]);
      }
      nodes.set("weft-1", node());
      await gateway.whenTunnelsKnown(new AbortController().signal);
      t.equal(gateway.mtu, 1400, `with ${last}`);
    }
  },
);

t.test("that no interface has the tunnel address is known as well: waiting would not help", async (t) => {
  const { nodes, gateway } = await setup(t, { tunnels: false });
  nodes.set("weft-1", node());
  gateway.start();
  await gateway.whenTunnelsKnown(new AbortController().signal);
  t.equal(gateway.mtu, 0);
});

t.test("a lost database is reported and does not end the daemon", async (t) => {
  const { server, nodes, gateway, until } = await setup(t);
  nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
  gateway.start();
  await until(undefined);
  server.stop();
  server.cut();
  await until(/not connected to Open vSwitch's database/);
  await server.edit(VSWITCH, [update(VSWITCH, "Bridge", [], { datapath_type: "netdev" })]);
  server.start();
  await until(undefined);
});

t.test(
  "devices that a restart of Open vSwitch has recreated are a first set-up, not a change by another program",
  async (t) => {
    const { server, nodes, kernel, repaired, gateway, until } = await setup(t);
    nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
    gateway.start();
    await until(undefined);
    // A second pass, which finds nothing to do, settles the state.
    kernel.setLink(kernel.link("ovn0")!.index, { up: true });
    await new Promise((resolve) => setTimeout(resolve, 200));
    server.stop();
    server.cut();
    await until(/not connected to Open vSwitch's database/);
    kernel.deleteLink(kernel.link("ovn0")!.index);
    kernel.createLink({ name: "ovn0", kind: "openvswitch" });
    server.start();
    await until(undefined);
    t.match(kernel.addresses({ index: kernel.link("ovn0")!.index }), [{ address: "100.64.0.2" }]);
    t.same(repaired, []);
    // A device of the userspace datapath outlives ovs-vswitchd, which sets some of it again (TUNSETPERSIST,
    // TUNSETOFFLOAD).
    await new Promise((resolve) => setTimeout(resolve, 200));
    server.stop();
    server.cut();
    await until(/not connected to Open vSwitch's database/);
    kernel.setLink(kernel.link("ovn0")!.index, { mtu: 1500 });
    server.start();
    await until(undefined);
    t.equal(kernel.link("ovn0")?.mtu, 1400);
    t.same(repaired, []);
  },
);

t.test("a route that is wanted, unwanted for a moment, and wanted again is not another program's change", async (t) => {
  const { nodes, subnets, kernel, repaired, gateway, until } = await setup(t);
  const routes = () => kernel.routes({ protocol: 87 }).map(({ destination }) => destination);
  const none = { name: "s", contract: { cidrs: [], natOutgoing: true, gatewayType: "distributed", mtu: 0 } } as const;
  nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
  subnets.set("s", subnet("10.16.0.0/16"));
  gateway.start();
  await until(undefined);
  await soon(() => routes().length === 1);
  // A second pass, which finds nothing to do, settles the state.
  kernel.setLink(kernel.link("ovn0")!.index, { up: true });
  await new Promise((resolve) => setTimeout(resolve, 200));
  kernel.onChange = (operation) => {
    // Within the pass, so that no pass between them finds nothing to do.
    if (operation === "deleteRoute 10.16.0.0/16") subnets.set("s", subnet("10.16.0.0/16"));
  };
  subnets.set("s", none);
  await soon(() => routes().length === 0);
  await soon(() => routes().length === 1);
  t.same(repaired, []);
});

t.test(
  "an external router's link appears and disappears: its route follows, and in between packets are rejected",
  async (t) => {
    const { nodes, subnets, kernel, warned, gateway, until } = await setup(t);
    kernel.createLink({ name: "eth0", kind: "veth", up: true });
    const eth0 = { index: kernel.link("eth0")!.index, address: "172.18.0.11", prefix: 24 };
    const table = () => kernel.routes({ table: 1000 }).map(({ type, gateway }) => `${type} ${gateway ?? ""}`.trim());
    nodes.set("weft-1", node({ "ovn.kubernetes.io/chassis": "chassis-1" }));
    const gateways = [parseIp("172.18.0.9")!];
    const cidrs = [parseCidr("10.63.0.0/24")!];
    const contract = { cidrs, natOutgoing: false, gatewayType: "distributed", mtu: 0 } as const;
    subnets.set("out", { name: "out", contract: { ...contract, egress: { gateways, table: 1000, priority: 1500 } } });
    gateway.start();
    await until(undefined);
    await soon(() => kernel.rules().length === 1);
    t.match(kernel.rules(), [{ priority: 1500, table: 1000, source: "10.63.0.0/24", protocol: 87 }]);
    t.same(table(), ["unreachable"]);
    t.match(warned, [/no network of this node has these addresses of externalEgressGateway.*172\.18\.0\.9/]);
    kernel.setAddress(eth0);
    await soon(() => table().includes("unicast 172.18.0.9"));
    kernel.deleteAddress(eth0);
    await soon(() => table().length === 1);
    t.same(table(), ["unreachable"]);
    subnets.set("out", { name: "out", contract });
    await soon(() => kernel.rules().length === 0 && table().length === 0);
  },
);
