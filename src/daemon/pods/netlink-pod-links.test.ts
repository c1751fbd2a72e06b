// SPDX-License-Identifier: Apache-2.0

import { execFileSync, spawnSync } from "node:child_process";
import t, { type Test } from "tap";
import { parseIp } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import { listLinks } from "../../netlink/links.ts";
import { type NetlinkSocket, openNetlink } from "../../netlink/socket.ts";
import { readSysctl } from "../../netlink/sysctl.ts";
import { withNetns } from "../../netlink/with-netns.ts";
import type { PodRoute } from "../cni/wanted-routes.ts";
import { NetlinkPodLinks } from "./netlink-pod-links.ts";
import type { PodLink } from "./pod-links.ts";

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });

/** Why namespaces cannot be created here, or false. */
function noNamespaces(): string | false {
  try {
    execFileSync("unshare", ["--net", "true"], { stdio: "ignore" });
    ip("-V");
    return false;
  } catch {
    return "needs root and ip(8) for network namespaces of its own";
  }
}

let count = 0;
/** Two namespaces: one for the node, the other for the pod. */
function namespaces(t: Test): {
  host: NetlinkSocket;
  links: NetlinkPodLinks;
  pod: string;
  exec: (...args: string[]) => string;
} {
  count += 1;
  const name = `weft-t${process.pid}-${count}`;
  ip("netns", "add", name);
  const host = openNetlink();
  t.teardown(() => {
    host.close();
    ip("netns", "del", name);
  });
  return {
    host,
    links: new NetlinkPodLinks(host),
    pod: `/run/netns/${name}`,
    exec: (...args) => ip("-n", name, ...args),
  };
}

function pod(netns: string, hostName: string): PodLink {
  const address = (text: string, cidr: string, gateway: string) => ({
    ip: parseIp(text)!,
    cidr: parseCidr(cidr)!,
    gateway: parseIp(gateway)!,
  });
  return {
    hostName,
    netns,
    ifName: "eth0",
    mac: "02:00:00:00:00:07",
    mtu: 1400,
    addresses: [
      address("10.16.0.7", "10.16.0.0/16", "10.16.0.1"),
      address("fd00:10:16::7", "fd00:10:16::/112", "fd00:10:16::1"),
    ],
    routes: [
      { destination: parseCidr("0.0.0.0/0")!, gateway: parseIp("10.16.0.1")!, onlink: false },
      { destination: parseCidr("::/0")!, gateway: parseIp("fd00:10:16::1")!, onlink: false },
      { destination: parseCidr("192.0.2.0/24")!, gateway: parseIp("169.254.1.1")!, onlink: true },
    ],
    alias: "weft: pod shop/web-0 uid=u-1 container=c1 if=eth0",
    txChecksumOff: true,
  };
}

/** Whether the kernel has sch_netem, by tc(8). */
function hasNetem(netns: string): boolean {
  const inside = (...args: string[]): void =>
    void execFileSync("nsenter", [`--net=${netns}`, ...args], { stdio: "ignore" });
  inside("ip", "link", "set", "lo", "up");
  try {
    inside("tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "1%");
    return true;
  } catch {
    return false;
  }
}

t.test("pods' interfaces in real namespaces", { skip: noNamespaces() }, async (t) => {
  await t.test("emulation is set and removed, or reported as missing from the kernel", async (t) => {
    const { links, pod: netns, exec } = namespaces(t);
    exec("link", "add", "eth0", "type", "veth", "peer", "name", "far");
    exec("link", "set", "eth0", "up");
    const shown = (): string =>
      execFileSync("tc", ["-n", netns.split("/").at(-1) ?? "", "qdisc", "show", "dev", "eth0"]).toString();
    const has = hasNetem(netns);
    t.equal(await links.setNetem(netns, "eth0", { latency: 600, loss: 10 }), has ? "done" : "unsupported");
    if (has) t.match(shown(), /netem 5746: root .*delay 600ms loss 10%/);
    else t.notMatch(shown(), /netem/);
    const tbf = (handle: string): void => {
      const rate = ["tbf", "rate", "1mbit", "burst", "10k", "limit", "10k"];
      const inside = ["-n", netns.split("/").at(-1) ?? "", "qdisc"];
      // A kernel without netem has none to delete.
      spawnSync("tc", [...inside, "del", "dev", "eth0", "root"]);
      execFileSync("tc", [...inside, "add", "dev", "eth0", "root", "handle", handle, ...rate]);
    };
    tbf("5746:");
    t.equal(await links.setNetem(netns, "eth0", { loss: 1 }), has ? "done" : "unsupported", "a qdisc with our handle");
    tbf("1:");
    t.equal(await links.setNetem(netns, "eth0", undefined), "done");
    t.match(shown(), /tbf 1: root/, "another program's qdisc is not removed");
    t.equal(await links.setNetem(netns, "eth7", { loss: 1 }), "absent");
    t.equal(await links.setNetem("/run/netns/weft-none", "eth0", { loss: 1 }), "absent");
  });

  await t.test("a pair is created, configured, inspected and removed", async (t) => {
    const { host, links, pod: netns, exec } = namespaces(t);
    const wanted = pod(netns, `t${process.pid % 100000}a_h`);
    await links.createPair(wanted);
    t.teardown(() => links.removePair(wanted.hostName));
    await links.configure(wanted);
    links.announce(wanted);
    t.ok(await links.exists(wanted.hostName));
    t.match(
      (await links.hostEnds()).filter(({ name }) => name === wanted.hostName),
      [
        {
          isOurs: true,
          isUnfinished: false,
          isForeign: false,
          mark: { uid: "u-1", containerId: "c1", ifName: "eth0" },
        },
      ],
    );
    t.match(await links.inspect(netns, "eth0"), {
      mac: "02:00:00:00:00:07",
      mtu: 1400,
      up: true,
      addresses: ["10.16.0.7/16", "fd00:10:16::7/112"],
    });
    const routes = exec("route");
    t.match(routes, /default via 10\.16\.0\.1 dev eth0/);
    t.match(routes, /192\.0\.2\.0\/24 via 169\.254\.1\.1 dev eth0.*onlink/);
    t.match(exec("-6", "route"), /default via fd00:10:16::1 dev eth0/);
    t.notMatch(
      exec("-6", "addr", "show", "dev", "eth0"),
      /fd00:10:16::7.*tentative/,
      "duplicate address detection costs no time",
    );
    t.equal(listLinks(host).find(({ name }) => name === wanted.hostName)?.up, true);
    await links.configure(wanted);
    await links.removePair(wanted.hostName);
    t.equal(await links.inspect(netns, "eth0"), undefined);
    await links.removePair(wanted.hostName);
  });

  await t.test("a pair that starts down is configured, and is up when it is connected", async (t) => {
    const { host, links, pod: netns, exec } = namespaces(t);
    const wanted: PodLink = { ...pod(netns, `t${process.pid % 100000}g_h`), startsDown: true };
    const isUp = (): boolean | undefined => listLinks(host).find(({ name }) => name === wanted.hostName)?.up;
    await links.createPair(wanted);
    t.teardown(() => links.removePair(wanted.hostName));
    await links.configure(wanted);
    t.equal(isUp(), false);
    await links.connect(wanted.hostName);
    t.equal(isUp(), true);
    t.match(exec("route"), /default via 10\.16\.0\.1 dev eth0/);
    t.match(exec("-6", "route"), /default via fd00:10:16::1 dev eth0/);
    t.notMatch(
      exec("-6", "addr", "show", "dev", "eth0"),
      /fd00:10:16::7.*tentative/,
      "duplicate address detection costs no time",
    );
    await t.rejects(links.connect("weft-none"), /removed meanwhile/);
  });

  await t.test("a neighbour cannot become a pod's router by an advertisement", async (t) => {
    const { links, pod: netns, exec } = namespaces(t);
    const wanted = pod(netns, `t${process.pid % 100000}f_h`);
    await links.createPair(wanted);
    t.teardown(() => links.removePair(wanted.hostName));
    await links.configure(wanted);
    const accepts = (name: string): string | undefined =>
      withNetns(netns, (ns) => readSysctl(ns, ["ipv6", "conf", name, "accept_ra"]));
    t.equal(accepts("eth0"), "0");
    exec("link", "add", "x0", "type", "veth");
    t.equal(accepts("x0"), "1", "addresses that the pod itself adds are not considered");
  });

  await t.test("an interface of another program under that name is neither replaced nor removed", async (t) => {
    const { host, links, pod: netns } = namespaces(t);
    const name = `t${process.pid % 100000}f_h`;
    ip("link", "add", name, "type", "veth", "peer", "name", `t${process.pid % 100000}fp`);
    t.teardown(() => ip("link", "del", name));
    t.match(
      (await links.hostEnds()).find((end) => end.name === name),
      { isOurs: false, isForeign: false, mark: undefined },
      "it has no mark",
    );
    ip("link", "set", name, "alias", "of another program");
    await t.rejects(links.createPair(pod(netns, name)), /belongs to another program/);
    await links.removePair(name);
    await links.mark(name, "weft: pod a/b");
    t.match(
      listLinks(host).find((link) => link.name === name),
      { alias: "of another program", group: 0 },
    );
  });

  await t.test("an interface that was created but not marked yet is recognised", async (t) => {
    const { links } = namespaces(t);
    const name = `t${process.pid % 100000}u_h`;
    ip("link", "add", name, "group", "87", "type", "veth", "peer", "name", `t${process.pid % 100000}up`);
    t.teardown(() => links.removePair(name));
    t.match(
      (await links.hostEnds()).find((end) => end.name === name),
      { isOurs: true, isUnfinished: true, mark: undefined },
    );
  });

  await t.test("a host end that a killed daemon left is replaced", async (t) => {
    const { links, pod: netns } = namespaces(t);
    const wanted = pod(netns, `t${process.pid % 100000}b_h`);
    await links.createPair(wanted);
    t.teardown(() => links.removePair(wanted.hostName));
    await links.createPair({ ...wanted, mac: "02:00:00:00:00:08" });
    t.match(await links.inspect(netns, "eth0"), { mac: "02:00:00:00:00:08" });
  });

  await t.test("a secondary interface replaces the default route only if requested", async (t) => {
    const { links, pod: netns, exec } = namespaces(t);
    const first = pod(netns, `t${process.pid % 100000}d_h`);
    const address = { ip: parseIp("10.17.0.7")!, cidr: parseCidr("10.17.0.0/16")!, gateway: parseIp("10.17.0.1")! };
    const second = { ...first, hostName: `t${process.pid % 100000}e_h`, ifName: "net1", mac: "02:00:00:00:01:07" };
    const route = { destination: parseCidr("0.0.0.0/0")!, gateway: parseIp("10.17.0.1")!, onlink: false };
    for (const wanted of [first, { ...second, addresses: [address], routes: [] }]) {
      await links.createPair(wanted);
      t.teardown(() => links.removePair(wanted.hostName));
      await links.configure(wanted);
    }
    const defaults = (family: string): string[] =>
      exec(family, "route", "show", "default").trim().split("\n").filter(Boolean);
    t.match(defaults("-4"), [/via 10\.16\.0\.1 dev eth0/]);
    await links.configure({ ...second, addresses: [address], routes: [route] });
    t.match(defaults("-4"), [/via 10\.17\.0\.1 dev net1/], "a pod has one default route of a family");
    t.equal(defaults("-4").length, 1);
    t.match(defaults("-6"), [/via fd00:10:16::1 dev eth0/], "the other family's stays");
    t.match(await links.inspect(netns, "eth0"), { defaultsOfOthers: ["0.0.0.0/0"] });
    const six = { destination: parseCidr("::/0")!, gateway: parseIp("fd00:10:17::1")!, onlink: true };
    await links.configure({ ...second, addresses: [], routes: [six] });
    t.match(defaults("-6"), [/via fd00:10:17::1 dev net1/]);
    t.equal(defaults("-6").length, 1);
    await links.removeDefaultRoutes(netns, "net2", [6]);
    t.same([defaults("-4").length, defaults("-6").length], [1, 0]);
    await links.removeDefaultRoutes(netns, "net1", [4, 6]);
    t.equal(defaults("-4").length, 1, "its own stay");
    await links.removeDefaultRoutes(netns, "net2", [4, 6]);
    t.equal(defaults("-4").length, 0);
    await t.rejects(links.removeDefaultRoutes("/run/netns/absent-weft", "net1", [4]), { code: 8 });
  });

  await t.test("a missing namespace, and an existing interface name in it, are clear errors", async (t) => {
    const { links, pod: netns, exec } = namespaces(t);
    const wanted = pod(netns, `t${process.pid % 100000}c_h`);
    await t.rejects(links.createPair({ ...wanted, netns: "/run/netns/absent-weft" }), {
      code: 8,
      message: /absent-weft/,
    });
    await t.rejects(links.configure({ ...wanted, netns: "/run/netns/absent-weft" }), { code: 8 });
    t.equal(await links.inspect("/run/netns/absent-weft", "eth0"), undefined);
    exec("link", "add", "eth0", "type", "bridge");
    await t.rejects(links.createPair(wanted), { message: /already has an interface eth0/ });
    const own = { ...wanted, netns: "/proc/self/ns/net" };
    await t.rejects(links.createPair(own), { code: 8, message: /node's own/ });
    t.notOk(await links.exists(wanted.hostName), "nothing is left");
  });
});

t.test("routes of a running pod are changed in its namespace", { skip: noNamespaces() }, async (t) => {
  const { links, pod: netns, exec } = namespaces(t);
  const wanted = pod(netns, `t${process.pid % 100000}r_h`);
  const [v4, v6, extra] = wanted.routes as [PodRoute, PodRoute, PodRoute];
  const configured = { ...extra, isConfigured: true };
  await links.createPair(wanted);
  t.teardown(() => links.removePair(wanted.hostName));
  await links.configure({ ...wanted, routes: [v4, v6, configured] });
  t.match(exec("route"), /default via 10\.16\.0\.1 dev eth0 proto 87/);
  exec("route", "add", "198.51.100.0/24", "via", "10.16.0.5");
  const next = (route: PodRoute, gateway: string): PodRoute => ({ ...route, gateway: parseIp(gateway)! });
  const own = { destination: parseCidr("203.0.113.0/24")!, gateway: parseIp("10.16.0.9")!, onlink: false };
  const first = [next(v4, "10.16.0.254"), next(v6, "fd00:10:16::fe"), own];
  t.same(await links.setRoutes(netns, "eth0", first, [v4, v6]), [
    "0.0.0.0/0 via 10.16.0.254",
    "::/0 via fd00:10:16::fe",
    "203.0.113.0/24 via 10.16.0.9",
  ]);
  t.match(exec("route"), /default via 10\.16\.0\.254 dev eth0/);
  t.notMatch(exec("route"), /default via 10\.16\.0\.1 /);
  t.match(exec("-6", "route"), /default via fd00:10:16::fe dev eth0/);
  t.notMatch(exec("-6", "route"), /default via fd00:10:16::1 /);
  t.same(await links.setRoutes(netns, "eth0", first, []), [], "existing routes are not changed");
  t.same(await links.setRoutes(netns, "eth0", first.slice(0, 2), first), ["203.0.113.0/24 removed"]);
  t.match(exec("route"), /192\.0\.2\.0\/24 via 169\.254\.1\.1/, "the configuration's stays");
  t.match(exec("route"), /198\.51\.100\.0\/24 via 10\.16\.0\.5/, "and an administrator's");
  exec("route", "replace", "default", "via", "10.16.0.3");
  t.same(
    await links.setRoutes(netns, "eth0", [v4], []),
    ["::/0 removed"],
    "the interface that replaced the default route keeps it",
  );
  t.same(await links.setRoutes(netns, "eth0", [v4], [next(v4, "10.16.0.3")]), ["0.0.0.0/0 via 10.16.0.1"]);
  t.same(await links.setRoutes("/run/netns/none", "eth0", [v4], []), []);
  t.same(await links.setRoutes(netns, "none", [v4], []), []);
});

t.test("a default route that another interface has replaced stays there", { skip: noNamespaces() }, async (t) => {
  const { links, pod: netns, exec } = namespaces(t);
  const wanted = pod(netns, `t${process.pid % 100000}s_h`);
  const [v4] = wanted.routes as [PodRoute];
  await links.createPair(wanted);
  t.teardown(() => links.removePair(wanted.hostName));
  await links.configure({ ...wanted, routes: [] });
  exec("link", "add", "net1", "type", "bridge");
  exec("address", "add", "10.30.0.7/24", "dev", "net1");
  exec("link", "set", "net1", "up");
  exec("route", "add", "default", "via", "10.30.0.1");
  t.same(await links.setRoutes(netns, "eth0", [v4], []), []);
  t.match(exec("route"), /default via 10\.30\.0\.1 dev net1/);
});
