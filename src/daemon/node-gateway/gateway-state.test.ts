// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import t from "tap";
import { parseIp } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import { DEFAULT_NODE_PORTS } from "../../net/port-range.ts";
import { openNetlink } from "../../netlink/socket.ts";
import { type Netns, withNetns } from "../../netlink/with-netns.ts";
import { NodeEngine } from "../../node/engine.ts";
import { NetlinkKernel } from "../../node/kernel.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { FakeNftables } from "../testing/fake-node.ts";
import type { GatewayPlan } from "./gateway-plan.ts";
import { gatewayState } from "./gateway-state.ts";
import { encapLink } from "./tunnel-mtu.ts";

const run = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });

function noNamespaces(): string | false {
  try {
    execFileSync("unshare", ["--net", "true"], { stdio: "ignore" });
    run("-V");
    return false;
  } catch {
    return "needs root and ip(8) for a network namespace of its own";
  }
}

const ROUTE_4 = "route 10.16.0.0/16 dev ovn0";

const PLAN: GatewayPlan = {
  mac: "02:00:00:00:00:02",
  mtu: 1400,
  addresses: [
    { ip: parseIp("100.64.0.2")!, cidr: parseCidr("100.64.0.0/16")! },
    { ip: parseIp("fd00:100:64::2")!, cidr: parseCidr("fd00:100:64::/112")! },
  ],
  routes: [
    { destination: parseCidr("10.16.0.0/16")!, gateway: parseIp("100.64.0.1")! },
    { destination: parseCidr("fd00:10:16::/112")!, gateway: parseIp("fd00:100:64::1")! },
  ],
  rules: {
    cluster: [],
    natOutgoing: [],
    natRules: [],
    natSources: [],
    egress: false,
    centralized: [],
    sources: [],
    nodePorts: DEFAULT_NODE_PORTS,
  },
  egress: [],
  foreign: [],
};

t.test("ovn0 in a real namespace", { skip: noNamespaces() }, async (t) => {
  const name = `weft-g${process.pid}`;
  run("netns", "add", name);
  const path = `/run/netns/${name}`;
  const host = openNetlink(path);
  t.teardown(() => {
    host.close();
    run("netns", "del", name);
  });
  const ip = (...args: string[]): string => run("-n", name, ...args);
  const kernel = new NetlinkKernel(host, (work: (ns: Netns) => void) => withNetns(path, work));
  const client = fakeOvsdb(VSWITCH).connect();
  t.teardown(() => client.close());
  const ovs = new OvsView(client);
  const engine = new NodeEngine({ kernel, nft: new FakeNftables(), ovs, uuid: randomUUID });
  const node = { name: "weft-1", userspace: false, ovsSettings: {} };
  /** Without tables: a namespace that is entered for each call has no nft of its own. */
  const pass = (plan = PLAN) => engine.pass({ ...gatewayState(plan, node), tables: [] });
  const apply = async (plan = PLAN): Promise<readonly string[]> => {
    const { repairs, failures } = await pass(plan);
    t.same(failures, []);
    return repairs;
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 100 && (await apply()).length > 0; turn++) await new Promise(setImmediate);
  };

  t.same((await pass()).missing, ["ovn0"], "it waits for the interface");
  ip("link", "add", "ovn0", "type", "bridge");
  ip("link", "add", "eth1", "type", "bridge");
  ip("addr", "add", "172.19.0.11/24", "dev", "eth1");
  ip("link", "set", "eth1", "up", "mtu", "1450");
  t.match(encapLink(kernel, { type: "geneve", ip: "172.19.0.11" }), { mtu: 1450 });
  t.equal(encapLink(kernel, { type: "geneve", ip: "172.19.0.12" }), undefined);

  await t.test("the first pass sets everything, the second nothing", async (t) => {
    t.ok((await apply()).length >= 6);
    t.match(ip("addr", "show", "ovn0"), /mtu 1400/);
    t.match(ip("addr", "show", "ovn0"), /inet 100\.64\.0\.2\/16/);
    t.match(ip("addr", "show", "ovn0"), /inet6 fd00:100:64::2\/112 scope global nodad/);
    t.match(ip("route"), /10\.16\.0\.0\/16 via 100\.64\.0\.1 dev ovn0/);
    t.match(ip("-6", "route"), /fd00:10:16::\/112 via fd00:100:64::1 dev ovn0/);
    t.same(await apply(), []);
  });

  await t.test("objects that another program removes are restored", async (t) => {
    ip("addr", "del", "100.64.0.2/16", "dev", "ovn0");
    t.same(
      await apply(),
      ["address 100.64.0.2/16", "route 10.16.0.0/16 dev ovn0"],
      "the kernel deleted the route too, and creates its own with the address",
    );
    ip("-6", "route", "del", "fd00:10:16::/112");
    t.same(await apply(), ["route fd00:10:16::/112 dev ovn0"]);
    ip("link", "set", "ovn0", "down");
    t.ok((await apply()).includes("link ovn0 (was down)"));
    ip("link", "set", "ovn0", "address", "02:00:00:00:00:99");
    t.same(await apply(), ["link ovn0 (was 02:00:00:00:00:99)"]);
    t.same(await apply(), []);
  });

  await t.test("so are the routes that the kernel creates only once for an address", async (t) => {
    const before = ip("route") + ip("-6", "route") + ip("route", "show", "table", "local", "type", "local");
    ip("route", "del", "100.64.0.0/16");
    t.same(await apply(), ["route 100.64.0.0/16 dev ovn0"]);
    t.same(await apply(), []);
    const more = [...PLAN.routes, { destination: parseCidr("10.17.0.0/16")!, gateway: parseIp("100.64.0.1")! }];
    t.same(
      await apply({ ...PLAN, routes: more }),
      ["route 10.17.0.0/16 dev ovn0"],
      "a new subnet's route can be added",
    );
    await apply();
    ip("-6", "route", "del", "fd00:100:64::/112", "dev", "ovn0");
    t.same(await apply(), ["route fd00:100:64::/112 dev ovn0"]);
    ip("route", "del", "local", "100.64.0.2", "dev", "ovn0", "table", "local");
    t.same(await apply(), ["route local 100.64.0.2/32 dev ovn0"]);
    ip("-6", "route", "del", "local", "fd00:100:64::2", "dev", "ovn0", "table", "local");
    t.equal((await apply())[0], "route local fd00:100:64::2/128 dev ovn0");
    await settle();
    t.same(await apply(), []);
    t.notMatch(ip("-6", "route", "show", "table", "local", "dev", "ovn0"), /fd00:100:64::2 .*metric 1024/);
    t.equal(ip("route") + ip("-6", "route") + ip("route", "show", "table", "local", "type", "local"), before);
    ip("route", "replace", "100.64.0.0/16", "dev", "ovn0", "scope", "link");
    t.same(await apply(), ["route 100.64.0.0/16 dev ovn0"], "with its source");
  });

  await t.test("so is the link-local address, from which the kernel solicits neighbours", async (t) => {
    ip("-6", "address", "flush", "dev", "ovn0");
    t.ok((await apply()).includes("address fe80::ff:fe00:2/64"));
    t.match(ip("address", "show", "ovn0"), /inet6 fe80::ff:fe00:2\/64 scope link/);
    await settle();
    t.same(await apply(), []);
  });

  await t.test("and its routes, without which replies do not reach it", async (t) => {
    const before = ip("-6", "route") + ip("-6", "route", "show", "table", "local", "type", "local", "dev", "ovn0");
    ip("-6", "route", "del", "fe80::/64", "dev", "ovn0");
    t.same(await apply(), ["route fe80::/64 dev ovn0"]);
    ip("-6", "route", "del", "local", "fe80::ff:fe00:2", "dev", "ovn0", "table", "local");
    t.equal((await apply())[0], "route local fe80::ff:fe00:2/128 dev ovn0");
    await settle();
    t.same(await apply(), []);
    t.equal(ip("-6", "route") + ip("-6", "route", "show", "table", "local", "type", "local", "dev", "ovn0"), before);
  });

  await t.test("a route has its source address, also after another program removes it", async (t) => {
    const source = parseIp("172.19.0.11")!;
    const [first, ...others] = PLAN.routes;
    const plan = { ...PLAN, routes: [{ ...first!, source }, ...others] };
    t.same(await apply(plan), [ROUTE_4]);
    t.match(ip("route"), /10\.16\.0\.0\/16 via 100\.64\.0\.1 dev ovn0 proto 87 src 172\.19\.0\.11/);
    t.same(await apply(plan), []);
    ip("route", "replace", "10.16.0.0/16", "via", "100.64.0.1", "dev", "ovn0", "proto", "87");
    t.same(await apply(plan), [ROUTE_4]);
    t.same(await apply(), [ROUTE_4]);
    t.notMatch(ip("route"), /10\.16\.0\.0.* src/);
  });

  await t.test("objects that are no longer wanted are removed, an administrator's stay", async (t) => {
    ip("route", "add", "192.0.2.0/24", "via", "100.64.0.9", "dev", "ovn0");
    ip("addr", "add", "100.64.0.77/16", "dev", "ovn0");
    const plan = { ...PLAN, routes: PLAN.routes.slice(1) };
    t.same(await apply(plan), ["address 100.64.0.77/16 (not wanted)", "route 10.16.0.0/16 (no longer wanted)"]);
    t.match(ip("route"), /192\.0\.2\.0\/24 via 100\.64\.0\.9/);
    t.notMatch(ip("route"), /10\.16\.0\.0/);
    const moved = [{ destination: parseCidr("fd00:10:16::/112")!, gateway: parseIp("fd00:100:64::9")! }];
    t.same(await apply({ ...PLAN, routes: moved }), ["route fd00:10:16::/112 dev ovn0"]);
    t.match(ip("-6", "route"), /fd00:10:16::\/112 via fd00:100:64::9/);
  });
});
