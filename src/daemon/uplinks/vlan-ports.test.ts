// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ALL_VLANS } from "../../contract/uplinks.ts";
import { noKernel } from "../../netlink/testing/netns.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { KEY, type MovingNode, runDaemon } from "./testing/moving-node.ts";
import { addDeadEnd } from "./testing/vlan-links.ts";
import { VLAN, VLAN_PORT, vlanNode } from "./testing/vlan-node.ts";
import { runWithVlans } from "./uplink-run.ts";
import { vlanPortName } from "./vlan-ports.ts";

const skip = noKernel();
const ALL = [ALL_VLANS];

// Hundreds of processes of ip(8): on a busy machine they take time.
t.setTimeout(240_000);

const ports = (node: MovingNode) =>
  node.server.rows(VSWITCH, "Port").flatMap(({ name, tag }) => (name === VLAN_PORT ? [{ name, tag }] : []));

t.test(
  "a port of the bridge with the tag takes the place of a VLAN sub-interface, with all that it has, and gives it back",
  { skip },
  async (t) => {
    const { node, before, look, links } = await vlanNode(t);
    for (const kept of [ALL, [VLAN]]) {
      await runDaemon(node, true, undefined, KEY, kept);
      t.same(links(), [VLAN_PORT]);
      t.equal(look(VLAN_PORT), before);
      t.same(ports(node), [{ name: VLAN_PORT, tag: 100 }]);
      t.match(node.ip("link", "show", VLAN_PORT), /mtu 1400[\s\S]*02:00:00:00:77:11/);
      await runDaemon(node, true, undefined, KEY, []);
      t.same(links(), [VLAN], "no longer wanted");
      t.equal(look(VLAN), before);
      await runDaemon(node, true, undefined, KEY, kept);
      await runDaemon(node, false);
      t.same(links(), [VLAN], "the node is disconnected");
      t.equal(look(VLAN), before);
    }
    await runDaemon(node, true, undefined, KEY, ["eth1.101"]);
    t.same(links(), [VLAN], "another one was named");
  },
);

t.test("while it is not known what is wanted, each stays as it is", { skip }, async (t) => {
  const { node, before, look, links } = await vlanNode(t);
  const unknown = async () => {
    const daemon = await node.start();
    await runWithVlans(daemon, KEY, KEY);
    await daemon.end();
  };
  await runDaemon(node, true);
  await unknown();
  t.same(links(), [VLAN]);
  await runDaemon(node, true, undefined, KEY, ALL);
  await unknown();
  t.same(links(), [VLAN_PORT]);
  t.equal(look(VLAN_PORT), before);
});

t.test("an interface with the port's name keeps it, and the sub-interface everything", { skip }, async (t) => {
  const { node, before, look } = await vlanNode(t);
  addDeadEnd(node.ip, VLAN_PORT, "02:00:00:00:77:12", 1500);
  const daemon = await node.start();
  await runDaemon(node, true);
  const { outcome } = await runWithVlans(daemon, KEY, { ...KEY, keptVlans: ALL });
  t.match(outcome, { problem: { reason: "InterfaceInUse", message: /another interface br-net-vlan100/ } });
  t.equal(look(VLAN), before);
  await daemon.end();
});

t.test("a port's name is Kube-OVN's, and no longer than an interface's may be", async (t) => {
  t.equal(vlanPortName("br-net", 100), VLAN_PORT);
  const long = [vlanPortName("br-twelve-long", 4094), vlanPortName("br-twelve-lone", 4094)];
  t.match(long, [/^kv4094-[0-9a-f]{8}$/, /^kv4094-/]);
  t.equal(new Set(long).size, 2);
});
