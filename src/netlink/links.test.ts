// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { createLink, createVeth, deleteLink, deleteLinkAsync, getLink, listLinks, setLink } from "./links.ts";
import { openNetlink } from "./socket.ts";
import { throwsCode } from "./testing/codec-checks.ts";
import { newNetns, noKernel, runIn } from "./testing/netns.ts";

const skip = noKernel();
const MAC = "02:00:00:00:00:05";

async function twoNamespaces(t: { teardown(fn: () => void): unknown }) {
  const [hostPath, podPath] = await Promise.all([newNetns(t), newNetns(t)]);
  const host = openNetlink(hostPath);
  const pod = openNetlink(podPath);
  t.teardown(() => {
    host.close();
    pod.close();
  });
  return { hostPath, podPath, host, pod };
}

t.test("a veth pair is created with each end in its namespace, with its name and MAC", { skip }, async (t) => {
  const { hostPath, podPath, host, pod } = await twoNamespaces(t);
  const { link, peer } = createVeth(host, {
    name: "h0",
    mtu: 1400,
    up: true,
    alias: "of a pod",
    peer: { name: "eth0", mac: MAC, mtu: 1350, up: true, netns: podPath },
  });
  t.match(link, { name: "h0", kind: "veth", mtu: 1400, up: true, alias: "of a pod", peerNetnsId: Number });
  const eth0 = getLink(pod, "eth0");
  t.match(eth0, { index: peer, name: "eth0", kind: "veth", mac: MAC, mtu: 1350, up: true, peer: link.index });
  t.equal(getLink(host, "eth0"), undefined);
  t.same(
    listLinks(host).map(({ name }) => name),
    ["lo", "h0"],
  );
  t.match(getLink(host, link.index), { name: "h0", carrier: true, alias: "of a pod" });
  t.match(runIn(hostPath, "ip", "link", "show", "h0"), /mtu 1400[\s\S]*alias of a pod/);
  t.match(runIn(podPath, "ip", "link", "show", "eth0"), /UP.*mtu 1350[\s\S]*02:00:00:00:00:05/);
});

t.test("both ends may be in one namespace", { skip }, async (t) => {
  const { host } = await twoNamespaces(t);
  const { link, peer } = createVeth(host, { name: "a", peer: { name: "b", up: true } });
  t.match(getLink(host, "b"), { index: peer, peer: link.index, up: true });
  t.equal(getLink(host, "b")?.peerNetnsId, undefined);
});

t.test("a failed creation of a pair leaves neither end", { skip }, async (t) => {
  const { podPath, host, pod } = await twoNamespaces(t);
  createVeth(pod, { name: "eth0", peer: { name: "other" } });
  const create = (peer: object) => () =>
    createVeth(host, { name: "h0", peer: { name: "eth0", netns: podPath, ...peer } });
  throwsCode(t, create({}), "exists", /RTM_NEWLINK/);
  throwsCode(t, create({ netns: "/run/netns/is-not-there" }), "no-netns");
  throwsCode(t, create({ netns: "/etc/hostname" }), "no-netns", /not a network namespace/);
  throwsCode(t, create({ name: "no such name" }), "invalid");
  throwsCode(t, create({ name: "eth1", mtu: 10 }), "invalid");
  t.same(
    listLinks(host).map(({ name }) => name),
    ["lo"],
  );
  t.same(
    listLinks(pod)
      .map(({ name }) => name)
      .sort(),
    ["eth0", "lo", "other"],
  );
});

t.test("an interface is renamed, changed and moved", { skip }, async (t) => {
  const { podPath, host, pod } = await twoNamespaces(t);
  const { link, peer } = createVeth(host, { name: "a", peer: { name: "b" } });
  setLink(host, link.index, { name: "c", mac: MAC, mtu: 1300, alias: "x", up: true, promiscuous: true });
  const changed = { name: "c", mac: MAC, mtu: 1300, alias: "x", up: true, promiscuous: true };
  t.match(getLink(host, link.index), changed);
  setLink(host, link.index, { alias: "", promiscuous: false, up: false });
  t.match(getLink(host, "c"), { promiscuous: false, up: false });
  t.equal(getLink(host, "c")?.alias, undefined);
  setLink(host, peer, { netns: podPath, name: "eth0" });
  t.equal(getLink(host, "b"), undefined);
  t.equal(getLink(pod, "eth0")?.kind, "veth");
  throwsCode(t, () => setLink(host, link.index, { name: "lo" }), "exists");
  throwsCode(t, () => setLink(host, 4711, { up: true }), "not-found");
  throwsCode(t, () => setLink(host, link.index, { mtu: 1 }), "invalid", /mtu/i);
});

t.test("ports are added to a bridge and removed from it", { skip }, async (t) => {
  const { host } = await twoNamespaces(t);
  const bridge = createLink(host, { name: "br0", kind: "bridge", mtu: 1400, up: true, alias: "foreign" });
  t.match(bridge, { name: "br0", kind: "bridge", mtu: 1400, up: true, alias: "foreign" });
  const { link } = createVeth(host, { name: "a", peer: { name: "b" } });
  setLink(host, link.index, { master: bridge.index });
  t.equal(getLink(host, "a")?.master, bridge.index);
  setLink(host, link.index, { master: 0 });
  t.equal(getLink(host, "a")?.master, undefined);
  throwsCode(t, () => createLink(host, { name: "x", kind: "nothing" }), "unsupported");
});

t.test("deleting an end deletes both, and returns whether it existed", { skip }, async (t) => {
  const { podPath, host, pod } = await twoNamespaces(t);
  createVeth(host, { name: "h0", peer: { name: "eth0", netns: podPath } });
  t.equal(deleteLink(host, "h0"), true);
  t.equal(getLink(pod, "eth0"), undefined);
  t.equal(deleteLink(host, "h0"), false);
  t.equal(deleteLink(host, 4711), false);
});

t.test("many links are deleted without blocking the event loop", { skip }, async (t) => {
  const { podPath, host, pod } = await twoNamespaces(t);
  const names = Array.from({ length: 10 }, (_, i) => `h${i}`);
  for (const name of names) createVeth(host, { name, peer: { name, netns: podPath } });
  const deleted = Promise.all([...names, "none"].map((name) => deleteLinkAsync(host, name)));
  let turns = 0;
  let running = true;
  void deleted.finally(() => {
    running = false;
  });
  while (running) {
    // The same socket continues to work.
    if (getLink(host, "lo") === undefined) t.fail("lo is gone");
    turns++;
    await new Promise(setImmediate);
  }
  t.same(await deleted, [...names.map(() => true), false]);
  t.ok(turns > 10, `${turns} turns of the event loop`);
  t.same(
    listLinks(pod).map(({ name }) => name),
    ["lo"],
  );
});
