// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { FakeNftables } from "../daemon/testing/fake-node.ts";
import { openNetlink } from "../netlink/socket.ts";
import { newNetns, noKernel, runIn } from "../netlink/testing/netns.ts";
import { type Netns, withNetns } from "../netlink/with-netns.ts";
import { NodeEngine } from "./engine.ts";
import { NetlinkKernel } from "./kernel.ts";
import type { NodeState } from "./state.ts";
import { NO_OVS } from "./testing/no-ovs.ts";

const skip = noKernel();

/** Without a link-local address, which the kernel would add at any time. */
function quietUp(ip: (...args: string[]) => string, link: string): void {
  ip("link", "set", link, "addrgenmode", "none");
  ip("link", "set", link, "up");
}

/** A namespace with an uplink, and the engine on it; results are checked with iproute2. */
async function setup(t: Test) {
  const path = await newNetns(t);
  const host = openNetlink(path);
  t.teardown(() => host.close());
  const kernel = new NetlinkKernel(host, (work: (ns: Netns) => void) => withNetns(path, work));
  const engine = new NodeEngine({ kernel, nft: new FakeNftables(), ovs: NO_OVS, uuid: randomUUID });
  const ip = (...args: string[]): string => runIn(path, "ip", ...args);
  const tc = (...args: string[]): string => runIn(path, "tc", ...args);
  ip("link", "set", "lo", "up");
  ip("link", "add", "eth0", "type", "veth", "peer", "name", "far");
  ip("address", "add", "172.18.0.11/24", "dev", "eth0");
  quietUp(ip, "eth0");
  const pass = async (state: NodeState) => {
    const result = await engine.pass(state);
    t.same(result.failures, []);
    return result;
  };
  return { kernel, engine, ip, tc, pass };
}

t.test("rules are added, kept, and removed by their mark, as iproute2 shows them", { skip }, async (t) => {
  const { ip, pass } = await setup(t);
  ip("rule", "add", "priority", "300", "from", "198.18.0.0/16", "lookup", "7");
  ip("rule", "add", "priority", "301", "fwmark", "0x4000/0x4000", "lookup", "7");
  const others = ip("rule");
  const rules = [
    { family: 4, priority: 300, table: 87, source: "10.16.0.0/16" },
    { family: 4, priority: 302, table: 1087, mark: 0x87, inputInterface: "eth0", invert: true },
    { family: 4, priority: 303, action: "unreachable", destination: "192.0.2.0/24", ipProtocol: 17 },
    { family: 6, priority: 300, table: 254, suppressPrefixLength: 0, outputInterface: "eth0" },
    { family: 6, priority: 304, table: 1000, source: "fd00::/64", mark: 0, mask: 0x0100_0000 },
  ] as const;
  t.equal((await pass({ rules })).repairs.length, 5);
  t.match(ip("rule"), /300:\tfrom 10\.16\.0\.0\/16 lookup 87 proto 87/);
  t.match(ip("rule"), /302:\tnot from all fwmark 0x87 iif eth0 lookup 1087 proto 87/);
  t.same((await pass({ rules })).repairs, []);
  ip("rule", "delete", "priority", "302");
  t.same((await pass({ rules })).repairs, ["rule IPv4 priority 302 not fwmark 135/4294967295 iif eth0 table 1087"]);
  t.same((await pass({ rules: rules.slice(1) })).repairs, [
    "rule IPv4 priority 300 from 10.16.0.0/16 table 87 (no longer wanted)",
  ]);
  const same = { family: 4, priority: 301, table: 7, mark: 0x4000, mask: 0x4000 } as const;
  await pass({ rules: [same] });
  t.match(ip("rule", "show", "priority", "301"), /0x4000 lookup 7 *\n.*0x4000 lookup 7 proto 87/, "two equal ones");
  await pass({ rules: [] });
  t.equal(ip("rule"), others);
  t.notMatch(ip("-6", "rule"), "proto 87");
});

t.test(
  "routes of another table, also rejecting ones, are added, kept and removed, and other programs' there stay",
  { skip },
  async (t) => {
    const { ip, pass } = await setup(t);
    ip("-6", "address", "add", "fd00:172::11/64", "dev", "eth0", "nodad");
    ip("link", "set", "far", "up");
    ip("route", "add", "198.51.100.0/24", "via", "172.18.0.2", "table", "1000");
    const routes = [
      { link: "eth0", destination: "0.0.0.0/0", gateway: "172.18.0.9", table: 1000 },
      { type: "unreachable", destination: "0.0.0.0/0", table: 1000, metric: 0x7fff_ffff },
      { link: "eth0", destination: "::/0", gateway: "fd00:172::9", table: 1000 },
      { type: "unreachable", destination: "::/0", table: 1000, metric: 0x7fff_ffff },
    ] as const;
    t.equal((await pass({ routes })).repairs.length, 4);
    t.match(ip("route", "show", "table", "1000"), /default via 172\.18\.0\.9 dev eth0 proto 87/);
    t.match(ip("route", "show", "table", "1000"), /unreachable default proto 87 metric 2147483647/);
    t.match(ip("-6", "route", "show", "table", "1000"), /unreachable default dev lo proto 87 metric 2147483647/);
    t.same((await pass({ routes })).repairs, []);
    ip("-6", "route", "delete", "default", "via", "fd00:172::9", "table", "1000");
    t.same((await pass({ routes })).repairs, ["route ::/0 dev eth0"]);
    ip("link", "set", "eth0", "down");
    t.match(ip("route", "show", "table", "1000"), /^unreachable default/, "the remaining one rejects");
    t.same((await pass({ routes: [routes[1], routes[3]] })).repairs, [], "and stays as it is");
    quietUp(ip, "eth0");
    await pass({ routes: [] });
    t.equal(ip("-6", "route", "show", "table", "1000"), "");
    t.notMatch(ip("route", "show", "table", "1000"), "proto 87");
  },
);

t.test("qdiscs are set, changed and removed by their handle, and another program's stays", { skip }, async (t) => {
  const { ip, tc, pass } = await setup(t);
  const tbf = { link: "eth0", kind: "tbf", rate: 100e6, burst: 125_000, limit: 500_000 } as const;
  t.same((await pass({ qdiscs: [tbf] })).repairs, ["qdisc tbf of eth0"]);
  t.match(tc("qdisc", "show", "dev", "eth0"), /qdisc tbf 5746: root .*rate 100Mbit/);
  t.same((await pass({ qdiscs: [tbf] })).repairs, []);
  t.same((await pass({ qdiscs: [{ ...tbf, rate: 200e6 + 3 }] })).repairs, ["qdisc tbf of eth0"]);
  t.same((await pass({ qdiscs: [{ ...tbf, rate: 200e6 + 3 }] })).repairs, [], "whole bytes");
  tc("qdisc", "delete", "dev", "eth0", "root");
  t.same((await pass({ qdiscs: [tbf] })).repairs, ["qdisc tbf of eth0"]);
  ip("link", "set", "far", "up");
  tc("qdisc", "add", "dev", "far", "root", "handle", "1:", "tbf", "rate", "1mbit", "burst", "10kb", "limit", "20kb");
  const others = tc("qdisc", "show", "dev", "far");
  t.match((await pass({ qdiscs: [tbf, { ...tbf, link: "far" }] })).blocked, [
    /qdisc tbf of far: another program's tbf/,
  ]);
  t.same((await pass({ qdiscs: [] })).repairs, ["qdisc of eth0 (no longer wanted)"]);
  t.match(tc("qdisc", "show", "dev", "eth0"), "noqueue");
  t.equal(tc("qdisc", "show", "dev", "far"), others);
});

t.test(
  "links are created with a mark, kept and removed by it, and another program's link of that name stays",
  { skip },
  async (t) => {
    const { ip, pass } = await setup(t);
    const wanted = { name: "weft-shape", make: "ifb", mtu: 1400 };
    t.same((await pass({ links: [wanted] })).repairs, ["link weft-shape"]);
    t.match(
      ip("-details", "link", "show", "weft-shape"),
      /UP[\s\S]*mtu 1400[\s\S]*alias weft: node|mtu 1400[\s\S]*weft: node/,
    );
    t.same((await pass({ links: [wanted] })).repairs, []);
    ip("link", "set", "weft-shape", "down");
    t.same((await pass({ links: [wanted] })).repairs, ["link weft-shape (was down)"]);
    t.same((await pass({ links: [{ ...wanted, make: "bridge" }] })).repairs, [
      "link weft-shape (no longer wanted)",
      "link weft-shape",
    ]);
    t.same((await pass({ links: [] })).repairs, ["link weft-shape (no longer wanted)"]);
    ip("link", "add", "weft-shape", "type", "bridge");
    const others = ip("link", "show", "weft-shape");
    t.same((await pass({ links: [{ ...wanted, make: "bridge" }] })).repairs, []);
    await pass({ links: [] });
    t.equal(ip("link", "show", "weft-shape"), others);
  },
);

t.test("the node's own links, addresses, routes and rules stay unchanged, whatever is wanted", { skip }, async (t) => {
  const { ip, pass } = await setup(t);
  ip("link", "add", "foo_h", "type", "veth", "peer", "name", "foo_p");
  ip("address", "add", "198.18.7.1/24", "dev", "foo_h");
  ip("-6", "address", "add", "fd00:198::1/64", "dev", "foo_h", "nodad");
  quietUp(ip, "foo_h");
  ip("link", "set", "foo_p", "up");
  ip("route", "add", "default", "via", "172.18.0.1");
  ip("route", "add", "10.16.0.0/16", "via", "172.18.0.1");
  ip("-6", "route", "add", "fd00:10:16::/112", "via", "fd00:198::9");
  ip("route", "add", "10.17.0.0/16", "via", "172.18.0.1", "table", "100");
  ip("link", "add", "ovn0", "type", "bridge");
  const look = () =>
    [
      ip("-brief", "address", "show", "dev", "foo_h", "scope", "global"),
      ip("-brief", "address", "show", "dev", "eth0"),
      ...["eth0", "foo_h"].flatMap((dev) => [
        ip("route", "show", "dev", dev, "table", "all"),
        ip("-6", "route", "show", "dev", dev),
      ]),
      ip("rule"),
    ].join("\n");
  const before = look();
  const state: NodeState = {
    links: [{ name: "ovn0", mac: "02:00:00:00:00:02", mtu: 1400 }],
    addresses: [
      { link: "ovn0", address: "100.64.0.2", prefix: 16 },
      { link: "ovn0", address: "fd00:100:64::2", prefix: 112 },
    ],
    routes: [
      { link: "ovn0", destination: "10.16.0.0/16", gateway: "100.64.0.1" },
      { link: "ovn0", destination: "10.18.0.0/16", gateway: "100.64.0.1" },
      { link: "ovn0", destination: "10.17.0.0/16", gateway: "100.64.0.1", table: 87 },
      { link: "ovn0", destination: "fd00:10:16::/112", gateway: "fd00:100:64::1" },
    ],
    rules: [],
    qdiscs: [],
  };
  const { blocked } = await pass(state);
  t.match(blocked, [/^route 10\.16\.0\.0\/16 dev ovn0: another program's route/, /^route fd00:10:16::\/112 dev ovn0/]);
  t.match(ip("route", "show", "table", "87"), "10.17.0.0/16 via 100.64.0.1 dev ovn0");
  t.equal(look(), before);
  ip("route", "delete", "10.16.0.0/16");
  t.match((await pass(state)).repairs, ["route 10.16.0.0/16 dev ovn0"], "it is set as soon as the conflict is gone");
  ip("route", "add", "10.16.0.0/16", "via", "172.18.0.1", "metric", "5");
  await pass({ links: [], sysctls: [], addresses: [], routes: [], rules: [], qdiscs: [] });
  t.equal(ip("route", "show", "proto", "87", "table", "all"), "");
  t.equal(look().replace(" metric 5", ""), before);
});
