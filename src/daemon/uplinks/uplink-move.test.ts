// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import t from "tap";
import { noKernel } from "../../netlink/testing/netns.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { EXCHANGED_KEY, movingNode, runDaemon } from "./testing/moving-node.ts";

const skip = noKernel() || (existsSync("/usr/bin/busybox") ? false : "needs busybox, for ping");

// Hundreds of processes of ip(8): on a busy machine they take time.
t.setTimeout(120_000);

t.test("an interface moves into a bridge and back with all its addresses and routes", { skip }, async (t) => {
  const node = await movingNode(t);
  const before = node.look("eth1");
  t.match(before, /default via 192\.0\.2\.1/);
  t.ok(node.answers());
  await runDaemon(node, true);
  t.equal(node.look("br-net"), before, "the bridge has what the interface had");
  t.notMatch(node.ip("address", "show", "dev", "eth1"), /192\.0\.2|2001:db8/, "and the interface nothing");
  t.match(node.ip("link", "show", "br-net"), /mtu 1400[\s\S]*02:00:00:00:77:11/);
  t.equal(node.sysctl("net.ipv4.conf.br-net.rp_filter"), "1");
  const [root] = node.server.rows(VSWITCH, "Open_vSwitch");
  t.match(root?.external_ids, {
    ...{ "ovn-bridge-mappings": "other:br-other,net:br-net", "ovn-chassis-mac-mappings": /^net:0a:/ },
  });
  t.same(await runDaemon(node, true), [], "then there is nothing to do");
  await runDaemon(node, false);
  t.equal(node.look("eth1"), before);
  t.throws(() => node.ip("link", "show", "br-net"), "the bridge is gone");
  t.same(node.server.rows(VSWITCH, "Open_vSwitch")[0]?.external_ids["ovn-bridge-mappings"], "other:br-other");
});

t.test("a daemon killed halfway continues after its restart, and the node answers meanwhile", { skip }, async (t) => {
  // Every step: test/e2e/release/uplink-crash-points.test.ts
  const node = await movingNode(t);
  const before = node.look("eth1");
  for (const killAt of [5, 10, 18]) {
    await runDaemon(node, true, killAt);
    t.ok(node.answers());
    await runDaemon(node, true);
    t.equal(node.look("br-net"), before);
    await runDaemon(node, false, killAt);
    t.ok(node.answers());
    await runDaemon(node, false);
    t.equal(node.look("eth1"), before);
  }
});

t.test(
  "an interface exchanges its name with the bridge and gets it back, with everything that it has",
  { skip },
  async (t) => {
    const node = await movingNode(t);
    node.ip("link", "set", "eth1", "alias", "to the rack");
    const before = node.look("eth1");
    const run = (isWanted: boolean, killAt?: number) => runDaemon(node, isWanted, killAt, EXCHANGED_KEY);
    const steps = await run(true);
    t.equal(steps[0], "interface eth1 renamed to br-net");
    t.equal(node.look("eth1"), before, "the bridge has the name and what the interface had");
    t.match(node.ip("link", "show", "br-net"), /mtu 1400 .*master eth1[\s\S]*02:00:00:00:77:11/);
    t.match(node.ip("link", "show", "br-net"), /alias weft-uplink: eth1 to the rack/);
    t.ok(node.answers());
    const [root] = node.server.rows(VSWITCH, "Open_vSwitch");
    t.equal(root?.external_ids["ovn-bridge-mappings"], "other:br-other,net:eth1");
    const bridge = node.server.rows(VSWITCH, "Bridge").find(({ name }) => name === "eth1");
    t.equal(bridge?.external_ids["exchange-link-name"], "true");
    t.same(await run(true), [], "then there is nothing to do");
    const back = await run(false);
    t.equal(back.at(-1), "interface br-net renamed to eth1 (no longer wanted)");
    t.equal(node.look("eth1"), before);
    t.match(node.ip("link", "show", "eth1"), /alias to the rack/);
    t.throws(() => node.ip("link", "show", "br-net"));
    for (const killAt of [1, 5, 18]) {
      await run(true, killAt);
      t.ok(node.answers());
      await run(false);
      t.equal(node.look("eth1"), before, `killed before step ${killAt}, and no longer wanted`);
    }
  },
);
