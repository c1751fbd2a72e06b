// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DaemonMetrics } from "../metrics.ts";
import { FakeLinks, FakePods, FakePorts } from "../testing/fake-node.ts";
import { type AddDependencies, addPod } from "./add.ts";
import { Journal } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { readPodRequest } from "./request.ts";
import { Stopwatch } from "./stopwatch.ts";
import { cniVerbs } from "./verbs.ts";

/** The controller's annotations for one interface. */
function annotations(provider: string, ip: string, more: Record<string, string> = {}): Record<string, string> {
  const net = ip.split(".").slice(0, 2).join(".");
  const keys = {
    allocated: "true",
    routed: "true",
    ip_address: ip,
    mac_address: "02:00:00:00:00:07",
    cidr: ip === "" ? "" : `${net}.0.0/16`,
    gateway: ip === "" ? "" : `${net}.0.1`,
    logical_switch: "some",
    pod_nic_type: "veth-pair",
    ...more,
  };
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${provider}.kubernetes.io/${key}`, value]));
}

const OWN = annotations("ovn", "10.16.0.7");
const LAN = annotations("lan.shop.ovn", "10.17.0.7");
/** The other plugin chooses the interface's MAC. */
const WIFI = annotations("wifi.shop", "10.18.0.7", { mac_address: "" });

const POD = {
  pod_name: "web-0",
  pod_namespace: "shop",
  pod_uid: "u-1",
  container_id: "0123456789abcdef",
  net_ns: "/run/netns/x",
};
const ETH0 = { ...POD, cni_type: "kube-ovn", provider: "ovn", network_name: "kube-ovn", if_name: "eth0" };
const NET1 = { ...ETH0, provider: "lan.shop.ovn", network_name: "lan", if_name: "net1" };
/** As macvlan's IPAM. */
const IPAM = { ...ETH0, cni_type: "macvlan", provider: "wifi.shop", network_name: "wifi", if_name: "net2" };

const here = new AbortController().signal;

function setup(...all: Record<string, string>[]) {
  const parts = { pods: new FakePods(), ports: new FakePorts(), links: new FakeLinks(), lanes: new Lanes() };
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const deps: AddDependencies = {
    ...parts,
    mtuOf: () => 1400,
    encapOf: () => undefined,
    whenTunnelsKnown: async () => undefined,
    notReady: () => undefined,
    renewFlows: async () => undefined,
    explain: async () => undefined,
    stopping: here,
    deadlines: { allocatedMs: 100, knownMs: 50, installedMs: 100 },
    onOrphaned: () => undefined,
  };
  const journal = new Journal(new DaemonMetrics("weft-1", { processMetrics: false }), log, 10);
  parts.pods.set("shop", "web-0", "u-1", Object.assign({}, ...all));
  const names = (): string[] => [...parts.ports.ports.values()].map(({ externalIds }) => externalIds["iface-id"] ?? "");
  const add = (body: object) => addPod(deps, readPodRequest(body, "add"), new Stopwatch(), here);
  return { ...parts, journal, names, add, verbs: cniVerbs({ ...deps, lanes: parts.lanes, journal }) };
}

t.test("a secondary interface has its own port, and no default route", async (t) => {
  const { verbs, add, links, ports, names } = setup(OWN, LAN);
  await verbs.add(ETH0, here);
  t.same(await add(NET1), {
    ips: [{ protocol: "IPv4", ip: "10.17.0.7", cidr: "10.17.0.0/16" }],
    mac_address: "02:00:00:00:00:07",
    routes: [],
    mtu: 1400,
    nicname: "net1",
  });
  t.same(names(), ["web-0.shop", "web-0.shop.lan.shop.ovn"]);
  t.match([...ports.ports.values()][1], { name: "01234567_net1_h", externalIds: { network_name: "lan" } });
  t.same([...links.pairs.keys()], ["0123456789ab_h", "01234567_net1_h"]);
  t.match(links.pairs.get("0123456789ab_h")?.routes, [{ destination: { text: "0.0.0.0/0" } }]);
});

t.test("a second interface that requests the default route gets it, and CHECK of the first succeeds", async (t) => {
  const mine = { "lan.shop.ovn.kubernetes.io/default_route": "true" };
  const { verbs, add, links } = setup(OWN, LAN, mine);
  await verbs.add(ETH0, here);
  t.match(await add(NET1), { ips: [{ gateway: "10.17.0.1" }], routes: [{ dst: "0.0.0.0/0", gw: "10.17.0.1" }] });
  t.same(links.pairs.get("0123456789ab_h")?.routes, []);
  const prev_result = {
    cniVersion: "1.0.0",
    interfaces: [{ name: "eth0", sandbox: "/run/netns/x" }],
    ips: [{ address: "10.16.0.7/16", gateway: "10.16.0.1", interface: 0 }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.16.0.1" }],
  };
  await verbs.check({ ...ETH0, prev_result }, here);
  await verbs.del(NET1, here);
  await t.rejects(verbs.check({ ...ETH0, prev_result }, here), /no route to 0\.0\.0\.0\/0/);
});

t.test("the pod's primary interface has no default route if its annotation says so", async (t) => {
  const { add, links } = setup(OWN, { "ovn.kubernetes.io/default_route": "false" });
  t.match(await add(ETH0), { ips: [{ ip: "10.16.0.7", gateway: undefined }], routes: [] });
  t.same(links.pairs.get("0123456789ab_h")?.routes, []);
});

t.test("a second interface has the routes of its annotation and its configuration", async (t) => {
  const routes = { "lan.shop.ovn.kubernetes.io/routes": '[{"dst":"192.0.2.0/24","gw":"10.17.0.9"}]' };
  const { add } = setup(OWN, LAN, routes);
  t.match(await add({ ...NET1, routes: [{ dst: "198.51.100.0/24" }] }), {
    routes: [
      { dst: "192.0.2.0/24", gw: "10.17.0.9" },
      { dst: "198.51.100.0/24", gw: "10.17.0.1" },
    ],
  });
});

t.test("an interface with only a MAC is complete", async (t) => {
  const { add, verbs, ports, links } = setup(OWN, annotations("mac.shop.ovn", ""));
  const body = { ...NET1, provider: "mac.shop.ovn" };
  t.match(await add(body), { ips: [], routes: [], mac_address: "02:00:00:00:00:07", nicname: "net1" });
  t.match(links.pairs.get("01234567_net1_h"), { mac: "02:00:00:00:00:07", addresses: [] });
  t.notOk("ip" in ([...ports.ports.values()][0]?.externalIds ?? {}));
  const interfaces = [{ name: "net1", mac: "02:00:00:00:00:07", sandbox: "/run/netns/x" }];
  await verbs.check({ ...body, prev_result: { cniVersion: "1.0.0", interfaces, ips: [] } }, here);
});

t.test("each interface of a network that the pod uses twice has its own port", async (t) => {
  const second = annotations("lan.shop.ovn.net2", "10.17.0.8");
  const { add, verbs, names } = setup(OWN, LAN, second);
  await add(NET1);
  t.match(await add({ ...NET1, if_name: "net2" }), { ips: [{ ip: "10.17.0.8" }] });
  t.same(names(), ["web-0.shop.lan.shop.ovn", "web-0.shop.lan.shop.ovn.net2"]);
  await verbs.check({ ...NET1, if_name: "net2", prev_result: { cniVersion: "1.0.0" } }, here);
  await verbs.gc({ ...NET1, valid_attachments: [{ containerID: POD.container_id, ifname: "net1" }] }, here);
  t.same(names(), ["web-0.shop.lan.shop.ovn"]);
});

t.test("DEL of one network leaves the interfaces of others, also one of the same name", async (t) => {
  const { verbs, names, links } = setup(OWN, LAN);
  await verbs.add(ETH0, here);
  await verbs.add(NET1, here);
  await verbs.del({ ...NET1, if_name: "eth0" }, here);
  await verbs.del({ ...ETH0, if_name: "net1" }, here);
  await verbs.del({ ...IPAM, if_name: "net1" }, here);
  t.same(names(), ["web-0.shop", "web-0.shop.lan.shop.ovn"]);
  t.equal(links.pairs.size, 2);
  await verbs.del({ ...NET1, pod_name: "", pod_namespace: "", pod_uid: "", net_ns: "" }, here);
  t.same(names(), ["web-0.shop"]);
  t.same([...links.pairs.keys()], ["0123456789ab_h"]);
});

t.test("GC of one network leaves the interfaces of others, also one with the same provider", async (t) => {
  const { verbs, names } = setup(OWN, LAN);
  await verbs.add(ETH0, here);
  await verbs.add(NET1, here);
  const none = { valid_attachments: [] };
  for (const other of [
    { ...IPAM, ...none },
    { ...NET1, ...none, provider: "wan.shop.ovn" },
    { ...NET1, ...none, network_name: "another-of-that-provider" },
    { ...NET1, ...none, cni_type: "macvlan" },
  ]) {
    await verbs.gc(other, here);
    t.equal(names().length, 2);
  }
  await verbs.gc({ ...NET1, ...none }, here);
  t.same(names(), ["web-0.shop"]);
  await verbs.gc({ ...ETH0, ...none }, here);
  t.same(names(), []);
});

t.test("as another plugin's IPAM, ADD returns only addresses and routes, and creates nothing", async (t) => {
  const routes = { "wifi.shop.kubernetes.io/routes": '[{"dst":"192.0.2.0/24"}]' };
  const { add, ports, links } = setup(OWN, WIFI, routes);
  t.match(await add(IPAM), {
    ips: [{ ip: "10.18.0.7", cidr: "10.18.0.0/16", gateway: undefined }],
    routes: [{ dst: "192.0.2.0/24", gw: "10.18.0.1" }],
    mtu: 0,
  });
  t.same([ports.ports.size, links.pairs.size], [0, 0]);
});

t.test("as another plugin's IPAM, ADD removes a default route that the plugin would not replace", async (t) => {
  const { add, links } = setup(OWN, WIFI, { "wifi.shop.kubernetes.io/default_route": "true" });
  await add(ETH0);
  t.match(await add(IPAM), { ips: [{ gateway: "10.18.0.1" }], routes: [{ dst: "0.0.0.0/0", gw: "10.18.0.1" }] });
  t.same(links.pairs.get("0123456789ab_h")?.routes, []);
});

t.test("as another plugin's IPAM, CHECK compares the addresses, and DEL and GC do nothing", async (t) => {
  const { verbs, pods } = setup(OWN, WIFI);
  await verbs.add(IPAM, here);
  const result = (address: string) => ({ cniVersion: "1.0.0", ips: [{ address, interface: 0 }] });
  await verbs.check({ ...IPAM, prev_result: result("10.18.0.7/16") }, here);
  await t.rejects(verbs.check({ ...IPAM, prev_result: result("10.18.0.9/16") }, here), {
    code: 999,
    message: /web-0 from provider wifi\.shop: .*with 10\.18\.0\.9\/16, not 10\.18\.0\.7\/16/,
  });
  pods.set("shop", "web-0", "u-1", OWN);
  await t.rejects(verbs.check({ ...IPAM, prev_result: result("10.18.0.7/16") }, here), /the pod has none/);
  pods.remove("shop", "web-0");
  await t.rejects(verbs.check({ ...IPAM, prev_result: result("10.18.0.7/16") }, here), { code: 3 });
  await verbs.del(IPAM, here);
  await verbs.gc({ ...IPAM, valid_attachments: [] }, here);
});

t.test("CHECK of an interface names an address that was allocated to the pod later", async (t) => {
  const { verbs, pods } = setup(OWN, LAN);
  await verbs.add(NET1, here);
  pods.set("shop", "web-0", "u-1", { ...OWN, ...annotations("lan.shop.ovn", "10.17.0.99") });
  await t.rejects(
    verbs.check({ ...NET1, prev_result: { cniVersion: "1.0.0" } }, here),
    /net1 has no address 10\.17\.0\.99/,
  );
});

t.test("two networks of one provider do not replace each other's interface", async (t) => {
  const { add, names } = setup(OWN, LAN);
  await add(ETH0);
  const forgotten = { ...NET1, provider: "" };
  await t.rejects(add(forgotten), {
    code: 7,
    message: /web-0\.shop is already its eth0/,
    details: /<name>\.<namespace>\.ovn/,
  });
  await add(NET1);
  await t.rejects(add({ ...NET1, if_name: "net3" }), { code: 7, message: /is already its net1/ });
  await t.rejects(add({ ...NET1, if_name: "eth0" }), { code: 7, message: /eth0 is already the interface of/ });
  t.same(names(), ["web-0.shop", "web-0.shop.lan.shop.ovn"]);
});

t.test("an invalid provider is refused with what to do, and DEL and GC accept it", async (t) => {
  const { verbs } = setup(OWN);
  for (const [body, message, details] of [
    [{ ...NET1, provider: "lan.shop" }, /"lan\.shop" must end in \.ovn/, /"lan\.shop\.ovn"/],
    [{ ...NET1, provider: "Lan/shop" }, /cannot begin an annotation's name/, ""],
    [{ ...IPAM, provider: "wifi.shop.ovn" }, /plugin macvlan makes another kind/, /<name>\.<namespace>/],
    [{ ...IPAM, provider: "" }, /provider is missing/, /"ipam": \{"type": "kube-ovn"/],
  ] as const) {
    const want = { code: 7, message, details };
    t.throws(() => verbs.add(body, here), want);
    t.throws(() => verbs.check(body, here), want);
    await t.rejects(verbs.status(body, here), want);
    await verbs.del(body, here);
    await verbs.gc({ ...body, valid_attachments: [] }, here);
  }
});

t.test("ADD waits for a provider without annotations, and the error says what is required", async (t) => {
  const { add, pods, journal, verbs } = setup(OWN, WIFI);
  await t.rejects(add(NET1), {
    code: 11,
    message: /got no address for provider lan\.shop\.ovn from the controller/,
    details: /lan\.shop\.ovn\.kubernetes\.io\/allocated is missing.*spec\.provider.*providers ovn, wifi\.shop/,
  });
  const adding = verbs.add(NET1, here);
  pods.set("shop", "web-0", "u-1", { ...OWN, ...LAN });
  t.match(await adding, { ips: [{ ip: "10.17.0.7" }] });
  t.match(journal.entries("add").at(-1), { ifName: "net1", provider: "lan.shop.ovn" });
});
