// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ensureAddress } from "./addresses.ts";
import { announce } from "./announce.ts";
import { createLink, createVeth, deleteLink, setLink } from "./links.ts";
import { ensureNeighbour } from "./neighbours.ts";
import { ensureRoute } from "./routes.ts";
import { addRule } from "./rules.ts";
import { openNetlink } from "./socket.ts";
import { writeSysctl } from "./sysctl.ts";
import { throwsCode } from "./testing/codec-checks.ts";
import { newNetns, noKernel, runIn } from "./testing/netns.ts";
import { type NetlinkEvent, type NetlinkGroup, watch } from "./watch.ts";
import { withNetns } from "./with-netns.ts";

const skip = noKernel();

interface Teardown {
  teardown(fn: () => void): unknown;
}

/** Watches a namespace; `until` resolves with the first past or future event that matches. */
function recorder(t: Teardown, path: string, groups: readonly NetlinkGroup[]) {
  const socket = openNetlink(path);
  const events: NetlinkEvent[] = [];
  let check = () => {};
  const subscription = watch(socket, groups, (event) => {
    events.push(event);
    check();
  });
  t.teardown(() => {
    subscription.close();
    socket.close();
  });
  const until = (like: (event: NetlinkEvent) => boolean) =>
    new Promise<NetlinkEvent>((resolve) => {
      check = () => {
        const found = events.find(like);
        if (found !== undefined) resolve(found);
      };
      check();
    });
  return { socket, events, subscription, until };
}

t.test("changes of each kind are reported as they happen", { skip }, async (t) => {
  const path = await newNetns(t);
  const groups = ["link", "ipv4-address", "ipv6-address", "ipv4-route", "neighbour", "ipv4-rule"] as const;
  const { socket, until } = recorder(t, path, groups);
  const { link } = createVeth(socket, { name: "eth0", up: true, peer: { name: "far", up: true } });
  const { index } = link;
  ensureAddress(socket, { index, address: "10.16.0.5", prefix: 16 });
  ensureRoute(socket, { destination: "10.96.0.0/12", gateway: "10.16.0.1", device: index });
  ensureNeighbour(socket, { index, address: "10.16.0.1", mac: "02:00:00:00:00:01" });
  addRule(socket, { family: 4, priority: 100, table: 1000 });
  t.ok(await until((e) => e.type === "link" && e.change === "set" && e.link.name === "eth0" && e.link.carrier));
  t.ok(await until((e) => e.type === "address" && e.address.address === "10.16.0.5"));
  t.ok(await until((e) => e.type === "route" && e.route.destination === "10.96.0.0/12"));
  t.ok(await until((e) => e.type === "neighbour" && e.neighbour.mac === "02:00:00:00:00:01"));
  t.ok(await until((e) => e.type === "rule" && e.rule.priority === 100));
  deleteLink(socket, "eth0");
  t.ok(await until((e) => e.type === "link" && e.change === "removed" && e.link.name === "eth0"));
});

t.test("a changed sysctl is reported with its interface", { skip }, async (t) => {
  const path = await newNetns(t);
  const { socket, until } = recorder(t, path, ["ipv4-netconf", "ipv6-netconf"]);
  const { link } = createVeth(socket, { name: "a", peer: { name: "b" } });
  withNetns(path, (ns) => {
    writeSysctl(ns, ["ipv4", "conf", "a", "rp_filter"], "2");
    writeSysctl(ns, ["ipv4", "ip_forward"], "1");
    writeSysctl(ns, ["ipv6", "conf", "all", "forwarding"], "1");
  });
  const of = (family: 4 | 6, where: number | "all") => (e: NetlinkEvent) =>
    e.type === "netconf" && e.netconf.family === family && e.netconf.where === where;
  t.ok(await until(of(4, link.index)));
  t.ok(await until(of(4, "all")));
  t.ok(await until(of(6, "all")));
});

t.test("removing a port from a bridge is not reported as deletion of the port", { skip }, async (t) => {
  const path = await newNetns(t);
  const { socket, events, until } = recorder(t, path, ["link"]);
  const bridge = createLink(socket, { name: "br0", kind: "bridge" });
  // The kernel does not report a change of alias of an interface that is down.
  const { link } = createVeth(socket, { name: "a", up: true, peer: { name: "b" } });
  setLink(socket, link.index, { master: bridge.index });
  setLink(socket, link.index, { master: 0 });
  setLink(socket, link.index, { alias: "last" });
  await until((e) => e.type === "link" && e.link.alias === "last");
  t.ok(events.some((e) => e.type === "link" && e.link.master === bridge.index));
  t.same(
    events.filter((e) => e.type === "link" && e.change === "removed"),
    [],
  );
});

t.test("a watch outlives its socket, and a closed watch reports nothing", { skip }, async (t) => {
  const path = await newNetns(t);
  const { socket, events, subscription, until } = recorder(t, path, ["link"]);
  socket.close();
  const other = openNetlink(path);
  t.teardown(() => other.close());
  createVeth(other, { name: "a", peer: { name: "b" } });
  t.ok(await until((e) => e.type === "link" && e.link.name === "a"));
  subscription.close();
  subscription.close();
  const heard = events.length;
  const second = recorder(t, path, ["link"]);
  deleteLink(other, "a");
  await second.until((e) => e.type === "link" && e.change === "removed");
  t.equal(events.length, heard);
});

t.test("a slow listener is notified that changes were lost", { skip }, async (t) => {
  const path = await newNetns(t);
  const { socket, until, events } = recorder(t, path, ["link"]);
  const { link } = createVeth(socket, { name: "a", up: true, peer: { name: "b" } });
  // All of them before the event loop turns once: more than fits into the buffer of 4 MiB.
  for (let i = 0; i < 6000; i++) setLink(socket, link.index, { alias: `${i}` });
  t.ok(await until((e) => e.type === "overrun"));
  setLink(socket, link.index, { alias: "last" });
  t.ok(await until((e) => e.type === "link" && e.link.alias === "last"));
  t.equal(events.filter((e) => e.type === "failed").length, 0);
});

t.test("neighbours learn an announced address with its new MAC", { skip }, async (t) => {
  const [one, other] = await Promise.all([newNetns(t), newNetns(t)]);
  const far = recorder(t, other, ["neighbour"]);
  const mac = "02:00:00:00:00:05";
  const near = openNetlink(one);
  t.teardown(() => near.close());
  const { link, peer } = createVeth(near, {
    name: "eth0",
    mac,
    up: true,
    peer: { name: "eth0", up: true, netns: other },
  });
  const addresses = ["10.16.0.5", "fd00::5"];
  ensureAddress(far.socket, { index: peer, address: "10.16.0.1", prefix: 16 });
  ensureAddress(far.socket, { index: peer, address: "fd00::1", prefix: 64, noDad: true });
  for (const address of addresses) {
    ensureNeighbour(far.socket, { index: peer, address, mac: "02:00:00:00:00:99", state: "stale" });
  }
  withNetns(one, (ns) => announce(ns, { index: link.index, mac }, addresses));
  for (const address of addresses) {
    const known = (e: NetlinkEvent) =>
      e.type === "neighbour" && e.neighbour.address === address && e.neighbour.mac === mac;
    t.ok(await far.until(known), address);
  }
  setLink(far.socket, peer, { up: false });
  withNetns(one, (ns) => throwsCode(t, () => announce(ns, { index: link.index, mac }, addresses), "down", /carrier/));
  setLink(near, link.index, { up: false });
  withNetns(one, (ns) => {
    throwsCode(t, () => announce(ns, { index: link.index, mac }, addresses), "down");
    announce(ns, { index: link.index, mac }, []);
  });
});

t.test("a change of an nftables table is reported with its name, whichever program made it", { skip }, async (t) => {
  const path = await newNetns(t);
  const { events, until } = recorder(t, path, ["nftables"]);
  const tables = () => events.flatMap((e) => (e.type === "nftables" ? [`${e.family} ${e.table}`] : []));
  runIn(path, "nft", "add table inet ours { chain a { type filter hook forward priority 0; }; }; add table ip others");
  await until((e) => e.type === "nftables" && e.table === "others");
  t.same(new Set(tables()), new Set(["inet ours", "ip others"]));
  for (const change of ["add rule inet ours a accept", "flush chain inet ours a", "delete table inet ours"]) {
    events.length = 0;
    runIn(path, "nft", change);
    await until((e) => e.type === "nftables");
    t.same(new Set(tables()), new Set(["inet ours"]), change);
  }
});
