// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { deleteAddress, ensureAddress, listAddresses } from "./addresses.ts";
import { deleteNeighbour, ensureNeighbour, listNeighbours } from "./neighbours.ts";
import { addRoute, deleteRoute, ensureRoute, listRoutes, ROUTE_PROTOCOL_STATIC } from "./routes.ts";
import { addRule, deleteRule, listRules } from "./rules.ts";
import { openNetlink } from "./socket.ts";
import { throwsCode } from "./testing/codec-checks.ts";
import { newNetns, noKernel, runIn, withEth0 } from "./testing/netns.ts";

const skip = noKernel();

t.test("addresses are added, updated and deleted", { skip }, async (t) => {
  const { path, socket, index } = await withEth0(t);
  const spec = { index, address: "10.16.0.5", prefix: 16, broadcast: "10.16.255.255" };
  ensureAddress(socket, spec);
  ensureAddress(socket, spec);
  const [only, ...others] = listAddresses(socket, { index, family: 4 });
  t.match(only, { ...spec, family: 4, scope: "global", permanent: true });
  t.same(others, []);
  t.match(
    runIn(path, "ip", "-4", "addr", "show", "eth0"),
    /inet 10\.16\.0\.5\/16 brd 10\.16\.255\.255 scope global eth0/,
  );
  t.equal(deleteAddress(socket, spec), true);
  t.equal(deleteAddress(socket, spec), false);
  t.same(listAddresses(socket, { index, family: 4 }), []);
  throwsCode(t, () => ensureAddress(socket, { ...spec, index: 4711 }), "not-found");
  t.same(listAddresses(socket, { index: 4711 }), []);
});

t.test("an IPv6 address without duplicate detection is usable at once", { skip }, async (t) => {
  const { socket, index } = await withEth0(t);
  ensureAddress(socket, { index, address: "fd00::5", prefix: 64, noDad: true });
  ensureAddress(socket, { index, address: "fd00::5", prefix: 64, noDad: true });
  ensureAddress(socket, { index, address: "fd00::6", prefix: 64 });
  const tentative = (address: string) =>
    listAddresses(socket, { index, family: 6 }).find((found) => found.address === address)?.tentative;
  t.equal(tentative("fd00::5"), false);
  t.equal(tentative("fd00::6"), true);
});

t.test("routes are added, replaced and deleted", { skip }, async (t) => {
  const { path, socket, index } = await withEth0(t);
  ensureAddress(socket, { index, address: "10.16.0.5", prefix: 16 });
  const route = { destination: "10.96.0.0/12", gateway: "10.16.0.1", device: index };
  addRoute(socket, route);
  throwsCode(t, () => addRoute(socket, route), "exists");
  ensureRoute(socket, { ...route, gateway: "10.16.0.2", mtu: 1300, source: "10.16.0.5" });
  const ours = () => listRoutes(socket, { family: 4, device: index, protocol: ROUTE_PROTOCOL_STATIC, table: 254 });
  t.equal(ours().length, 1);
  t.match(ours()[0], { ...route, gateway: "10.16.0.2", mtu: 1300, source: "10.16.0.5", scope: "global" });
  t.match(
    runIn(path, "ip", "route"),
    /10\.96\.0\.0\/12 via 10\.16\.0\.2 dev eth0 proto static src 10\.16\.0\.5 mtu 1300/,
  );
  t.equal(deleteRoute(socket, { destination: "10.96.0.0/12", gateway: "10.16.0.9" }), false);
  t.equal(deleteRoute(socket, { destination: "10.96.0.0/12" }), true);
  t.equal(deleteRoute(socket, { destination: "10.96.0.0/12" }), false);
  t.same(ours(), []);
});

t.test("IPv6 routes are replaced and deleted likewise", { skip }, async (t) => {
  const { socket, index } = await withEth0(t);
  ensureAddress(socket, { index, address: "fd00::5", prefix: 64, noDad: true });
  const ours = () => listRoutes(socket, { family: 6, table: 254, protocol: ROUTE_PROTOCOL_STATIC });
  for (const destination of ["::/0", "fd01::/64"]) {
    const route = { destination, gateway: "fd00::1", device: index };
    addRoute(socket, route);
    throwsCode(t, () => addRoute(socket, route), "exists");
    ensureRoute(socket, { ...route, gateway: "fd00::2" });
    ensureRoute(socket, { ...route, gateway: "fd00::2" });
    t.match(ours(), [{ destination, gateway: "fd00::2", metric: 1024 }]);
    t.equal(deleteRoute(socket, { destination, gateway: "fd00::1" }), false);
    t.equal(deleteRoute(socket, { destination }), true);
    t.same(ours(), []);
  }
});

t.test("a gateway outside all connected networks needs `onLink`", { skip }, async (t) => {
  const { socket, index } = await withEth0(t);
  ensureAddress(socket, { index, address: "10.16.0.5", prefix: 32 });
  const route = { destination: "0.0.0.0/0", gateway: "169.254.1.1", device: index };
  throwsCode(t, () => ensureRoute(socket, route), "unreachable", /RTM_NEWROUTE: Nexthop has invalid gateway/);
  ensureRoute(socket, { ...route, onlink: true });
  ensureRoute(socket, { ...route, onlink: true });
  t.match(listRoutes(socket, { family: 4, table: 254 }), [{ ...route, onlink: true }]);
});

t.test("routes may be in any table, have several next hops, or be unreachable", { skip }, async (t) => {
  const { socket, index } = await withEth0(t);
  ensureAddress(socket, { index, address: "fd00::5", prefix: 64, noDad: true });
  ensureAddress(socket, { index, address: "10.16.0.5", prefix: 16 });
  const nextHops = [
    { gateway: "10.16.0.1", device: index, weight: 2 },
    { gateway: "10.16.0.2", device: index, weight: 1 },
  ];
  ensureRoute(socket, { destination: "10.1.0.0/16", nextHops });
  ensureRoute(socket, { destination: "fd01::/64", gateway: "fd00::1", device: index, table: 1000, metric: 50 });
  ensureRoute(socket, { destination: "10.2.0.0/16", type: "blackhole" });
  ensureRoute(socket, { destination: "10.3.0.0/16", gateway: "fd00::1", device: index });
  t.match(listRoutes(socket, { table: 1000 }), [{ destination: "fd01::/64", table: 1000, metric: 50, family: 6 }]);
  const main = new Map(listRoutes(socket, { family: 4, table: 254 }).map((route) => [route.destination, route]));
  t.match(main.get("10.1.0.0/16"), { nextHops });
  t.match(main.get("10.2.0.0/16"), { type: "blackhole" });
  t.match(main.get("10.3.0.0/16"), { gateway: "fd00::1" });
  t.same(listRoutes(socket, { table: 4711 }), []);
});

t.test("a dump longer than a datagram is complete", { skip }, async (t) => {
  const { socket, index } = await withEth0(t);
  const destinations = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  for (const destination of destinations) addRoute(socket, { destination, device: index, table: 1000 });
  const listed = listRoutes(socket, { family: 4, table: 1000 }).map(({ destination }) => destination);
  t.same(listed.sort(), destinations.sort());
});

t.test("permanent and proxy neighbours are set", { skip }, async (t) => {
  const { path, socket, index } = await withEth0(t);
  const entry = { index, address: "10.16.0.1", mac: "02:00:00:00:00:01" };
  ensureNeighbour(socket, entry);
  ensureNeighbour(socket, { ...entry, mac: "02:00:00:00:00:02" });
  ensureNeighbour(socket, { index, address: "fd00::1", mac: "02:00:00:00:00:03", state: "stale" });
  ensureNeighbour(socket, { index, address: "10.16.0.9", proxy: true });
  const expected = [{ ...entry, mac: "02:00:00:00:00:02", state: "permanent" }];
  t.match(listNeighbours(socket, { index, family: 4 }), expected);
  t.match(
    listNeighbours(socket, { index, family: 6 }).find(({ address }) => address === "fd00::1"),
    { mac: "02:00:00:00:00:03", state: "stale" },
  );
  t.match(listNeighbours(socket, { index, proxy: true }), [{ address: "10.16.0.9", proxy: true }]);
  t.match(runIn(path, "ip", "neigh"), /10\.16\.0\.1 dev eth0 lladdr 02:00:00:00:00:02 PERMANENT/);
  t.equal(deleteNeighbour(socket, { index, address: "10.16.0.9", proxy: true }), true);
  t.equal(deleteNeighbour(socket, entry), true);
  t.equal(deleteNeighbour(socket, entry), false);
});

t.test("rules are added once, and deleted", { skip }, async (t) => {
  const { path, socket } = await withEth0(t);
  const rule = { family: 4, priority: 100, table: 1000, source: "10.16.0.0/16", mark: 0x4000, mask: 0xff00 } as const;
  const before = listRules(socket).length;
  addRule(socket, rule);
  throwsCode(t, () => addRule(socket, rule), "exists");
  addRule(socket, { family: 6, priority: 101, action: "prohibit", source: "fd00::/64" });
  t.equal(listRules(socket).length, before + 2);
  t.match(
    listRules(socket, { family: 4 }).find(({ priority }) => priority === 100),
    rule,
  );
  t.match(runIn(path, "ip", "rule"), /100:\s+from 10\.16\.0\.0\/16 fwmark 0x4000\/0xff00 lookup 1000/);
  t.equal(deleteRule(socket, rule), true);
  t.equal(deleteRule(socket, rule), false);
});

t.test("a closed socket throws `closed`", { skip }, async (t) => {
  const path = await newNetns(t);
  const socket = openNetlink(path);
  socket.close();
  socket.close();
  throwsCode(t, () => listRules(socket), "closed");
  throwsCode(t, () => socket.subscribe(["link"], () => {}), "closed");
});
