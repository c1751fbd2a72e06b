// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, statSync } from "node:fs";
import t from "tap";
import { getTxChecksum, setTxChecksum } from "./ethtool.ts";
import { createVeth, getLink, listLinks } from "./links.ts";
import { netnsIdentity, openNetns } from "./netns.ts";
import { openNetlink } from "./socket.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";
import { throwsCode } from "./testing/codec-checks.ts";
import { newNetns, newNetnsHolder, noKernel, runIn } from "./testing/netns.ts";
import { inOwnNetns, type Netns, withNetns } from "./with-netns.ts";

const skip = noKernel();
const HERE = "/proc/thread-self/ns/net";

t.test("the identity of a namespace does not depend on its path", { skip }, async (t) => {
  const [one, other] = await Promise.all([newNetns(t), newNetns(t)]);
  const { dev, ino } = statSync(one, { bigint: true });
  t.equal(netnsIdentity(one), `${dev}:${ino}`);
  t.not(netnsIdentity(one), netnsIdentity(other));
  t.equal(netnsIdentity("/proc/self/ns/net"), netnsIdentity(HERE));
});

t.test("a file that is not a network namespace has no identity", { skip }, async (t) => {
  for (const path of ["/run/netns/is-not-there", "/etc/hostname/x", "/proc/self/ns/mnt", "/etc/hostname", "/"]) {
    t.equal(netnsIdentity(path), undefined, path);
    throwsCode(t, () => withNetns(path, () => {}), "no-netns");
    throwsCode(t, () => openNetlink(path), "no-netns");
  }
});

t.test("a namespace that is open outlives its process", { skip }, async (t) => {
  const { path, end } = await newNetnsHolder(t);
  using handle = openNetns(path);
  const socket = openNetlink(handle);
  await end();
  t.equal(netnsIdentity(path), undefined);
  t.same(
    listLinks(socket).map(({ name }) => name),
    ["lo"],
  );
  t.equal(
    withNetns(handle, (ns) => ns.identity),
    handle.identity,
  );
  socket.close();
});

t.test("the thread returns to its namespace, also after an exception", { skip }, async (t) => {
  const [one, other] = await Promise.all([newNetns(t), newNetns(t)]);
  const home = readlinkSync(HERE);
  const seen = withNetns(one, () => {
    const outer = readlinkSync(HERE);
    const inner = withNetns(other, () => readlinkSync(HERE));
    t.equal(readlinkSync(HERE), outer);
    return [outer, inner];
  });
  t.equal(new Set([home, ...seen]).size, 3);
  t.throws(() => withNetns(one, () => String(JSON.parse("{"))), SyntaxError);
  t.throws(() => withNetns(one, () => withNetns("/nowhere", () => {})));
  t.equal(readlinkSync(HERE), home);
  t.equal(
    inOwnNetns((ns) => ns.identity),
    netnsIdentity(HERE),
  );
});

t.test("a scope is closed after its end and while the thread is in another namespace", { skip }, async (t) => {
  const [one, other] = await Promise.all([newNetns(t), newNetns(t)]);
  const escaped = withNetns(one, (ns) => {
    t.equal(listLinks(ns.netlink).length, 1);
    withNetns(other, () => throwsCode(t, () => readSysctl(ns, ["core", "somaxconn"]), "closed"));
    t.ok(readSysctl(ns, ["core", "somaxconn"]));
    return ns;
  });
  throwsCode(t, () => readSysctl(escaped, ["core", "somaxconn"]), "closed");
  throwsCode(t, () => listLinks(escaped.netlink), "closed");
});

t.test("an asynchronous function is refused, by its type and when it runs", { skip }, async (t) => {
  const path = await newNetns(t);
  const home = readlinkSync(HERE);
  // @ts-expect-error
  throwsCode(t, () => withNetns(path, async () => {}), "invalid", /asynchronous/);
  // @ts-expect-error
  throwsCode(t, () => inOwnNetns(async () => {}), "invalid", /asynchronous/);
  // As the operand of an async function's return, a plain value is none.
  const operand = async (): Promise<number> => withNetns(path, () => 5);
  t.equal(await operand(), 5);
  t.equal(readlinkSync(HERE), home);
});

t.test("threads created while the thread is in a namespace do not start there", { skip }, async (t) => {
  const path = await newNetns(t);
  // In a process of its own, whose libuv has no threads yet.
  const script = `
    import { readFile } from "node:fs";
    import { readdirSync, readlinkSync } from "node:fs";
    import { withNetns } from "./src/netlink/with-netns.ts";
    const threads = () => readdirSync("/proc/self/task").map((id) => readlinkSync("/proc/self/task/" + id + "/ns/net"));
    const before = threads().length;
    withNetns(${JSON.stringify(path)}, () => {
      readFile("/etc/hostname", () => console.log(new Set(threads()).size, threads().length > before));
    });
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  t.equal(output.trim(), "1 true");
});

t.test("no descriptor is left open", { skip }, async (t) => {
  const path = await newNetns(t);
  const work = () => {
    openNetlink(path).close();
    withNetns(path, (ns) => listLinks(ns.netlink));
    netnsIdentity(path);
    netnsIdentity("/etc/hostname");
    inOwnNetns((ns) => ns.netlink);
  };
  work();
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 50; i++) work();
  t.equal(readdirSync("/proc/self/fd").length, before);
});

async function withVeth(t: { teardown(fn: () => void): unknown }, name: string, fn: (ns: Netns) => void) {
  const path = await newNetns(t);
  withNetns(path, (ns) => {
    createVeth(ns.netlink, { name, up: true, peer: { name: "far", up: true } });
    fn(ns);
  });
  return path;
}

t.test("sysctls are those of the namespace, and keys may contain dots", { skip }, async (t) => {
  const key = ["ipv6", "conf", "eth0.5", "accept_ra"];
  const path = await withVeth(t, "eth0.5", (ns) => {
    writeSysctl(ns, key, 0);
    writeSysctl(ns, key, "0");
    writeSysctl(ns, ["ipv6", "conf", "eth0.5", "disable_ipv6"], 1);
    t.equal(readSysctl(ns, key), "0");
    t.equal(readSysctl(ns, ["ipv6", "conf", "no-such", "accept_ra"]), undefined);
    throwsCode(t, () => writeSysctl(ns, ["ipv6", "conf", "no-such", "accept_ra"], 0), "not-found", /no-such/);
    throwsCode(t, () => writeSysctl(ns, key, "many"), "invalid");
    throwsCode(t, () => readSysctl(ns, ["ipv6", "..", "..", "kernel"]), "invalid");
    throwsCode(t, () => readSysctl(ns, ["ipv6/conf"]), "invalid");
  });
  t.equal(
    inOwnNetns((ns) => readSysctl(ns, key)),
    undefined,
  );
  t.equal(runIn(path, "cat", "/proc/sys/net/ipv6/conf/eth0.5/accept_ra").trim(), "0");
});

t.test("checksum offload is switched off and on", { skip }, async (t) => {
  const path = await withVeth(t, "eth0", (ns) => {
    t.equal(getTxChecksum(ns, "eth0"), true);
    setTxChecksum(ns, "eth0", false);
    setTxChecksum(ns, "eth0", false);
    t.equal(getTxChecksum(ns, "eth0"), false);
    t.equal(getTxChecksum(ns, "far"), true);
    setTxChecksum(ns, "far", false);
    setTxChecksum(ns, "far", true);
    t.equal(getTxChecksum(ns, "far"), true);
    throwsCode(t, () => setTxChecksum(ns, "eth7", false), "not-found", /ETHTOOL_STXCSUM/);
    throwsCode(t, () => setTxChecksum(ns, "a name too long for one", false), "invalid");
  });
  const socket = openNetlink(path);
  t.equal(getLink(socket, "eth0")?.name, "eth0");
  socket.close();
});
