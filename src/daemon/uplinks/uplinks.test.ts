// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import t, { type Test } from "tap";
import { NetlinkError } from "../../netlink/error.ts";
import type { Link, LinkSpec } from "../../netlink/links.ts";
import { noKernel } from "../../netlink/testing/netns.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { VLAN_LINK_GROUP } from "../../node/marks.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, update } from "../../ovsdb/operation.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import type { OwnNode } from "../node-gateway/node-reader.ts";
import { type MovingNode, movingNode } from "./testing/moving-node.ts";
import { linksShown } from "./testing/vlan-links.ts";
import { Uplinks } from "./uplinks.ts";

const skip = noKernel() || (existsSync("/usr/bin/busybox") ? false : "needs busybox, for ping");

// Hundreds of processes of ip(8): on a busy machine they take time.
t.setTimeout(120_000);

/** A daemon's uplinks on the node, with its contract and its reports. */
async function start(t: Test, node: MovingNode, former?: string, broken: Partial<NodeKernel> = {}) {
  const { kernel, ...rest } = await node.start();
  const parts = { ...rest, kernel: { ...kernel, watch: kernel.watch.bind(kernel), ...broken } };
  const listeners = new Set<() => void>();
  const waiting = new Set<() => void>();
  let own: OwnNode | undefined;
  const uplinks = new Uplinks({
    ...{ ...parts, node: "n1", clock: SYSTEM_CLOCK, log: { info: () => undefined, warn: () => undefined } },
    nodes: {
      get: () => own,
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    report: { note: () => 0 },
    bootId: () => "boot",
    async annotate(text) {
      if (own !== undefined) own = { ...own, uplinks: text };
      for (const look of waiting) look();
    },
  });
  t.teardown(async () => {
    await uplinks.stop();
    await parts.end();
  });
  uplinks.start();
  return {
    /** The node's contract; undefined if it cannot be read. */
    tell(
      wanted: Readonly<Record<string, string>> | undefined,
      vlanUplinks: readonly string[] = [],
      exchangedUplinks: readonly string[] = [],
    ) {
      const contract = wanted === undefined ? "malformed" : { uplinks: wanted, vlanUplinks, exchangedUplinks };
      own = { uid: "u", uplinks: own === undefined ? former : own.uplinks, contract } as unknown as OwnNode;
      for (const listener of listeners) listener();
    },
    /** Resolves when the annotation is as expected. */
    said: (expected: RegExp | undefined): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          const text = own?.uplinks;
          if (expected === undefined ? text !== undefined : !expected.test(text ?? "")) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    text: () => own?.uplinks,
    stop: () => uplinks.stop(),
  };
}

/** Resolves when `ovn-bridge-mappings` of the node is as expected. */
async function mapped(node: MovingNode, expected: string): Promise<void> {
  const client = node.server.connect();
  const mirror = client.monitor(VSWITCH, { Open_vSwitch: ["external_ids"] });
  await new Promise<void>((resolve) => {
    const look = (): void => {
      const [root] = mirror.rows("Open_vSwitch");
      if (root?.external_ids["ovn-bridge-mappings"] === expected) resolve();
    };
    mirror.subscribe(look);
    look();
  });
  await client.close();
}

t.test(
  "a node is connected as its contract says, and disconnected when that says so and not before",
  { skip },
  async (t) => {
    const node = await movingNode(t);
    const before = node.look("eth1");
    const one = await start(t, node);
    one.tell({ net: "eth1" });
    await one.said(/"net":\{"interface":"eth1","mtu":1400\}/);
    t.equal(node.look("br-net"), before);
    await one.stop();
    const two = await start(t, node, one.text());
    two.tell(undefined);
    t.equal(node.look("br-net"), before, "without a contract what there is stays");
    two.tell({});
    await two.said(undefined);
    t.equal(node.look("eth1"), before);
  },
);

t.test(
  "an interface that is missing, renamed or another program's is reported, and the node keeps its addresses",
  { skip },
  async (t) => {
    const node = await movingNode(t);
    const before = node.look("eth1");
    const daemon = await start(t, node);
    daemon.tell({ net: "eth7" });
    await daemon.said(/InterfaceNotFound.*no interface eth7/);
    node.ip("link", "add", "bond", "type", "bridge");
    node.ip("link", "add", "eth2", "type", "veth", "peer", "name", "far2");
    node.ip("link", "set", "eth2", "master", "bond");
    daemon.tell({ net: "eth2" });
    await daemon.said(/InterfaceInUse.*eth2 is a port of bond: use bond instead/);
    daemon.tell({ net: "lo" });
    await daemon.said(/InterfaceNotUsable.*loopback/);
    daemon.tell({ net: "eth1", twice: "eth1" });
    await daemon.said(/"net":\{"interface":"eth1".*InterfaceInUse.*eth1 is a port of bridge br-net/);
    t.equal(node.look("br-net"), before);
    node.ip("link", "set", "eth1", "nomaster");
    node.ip("link", "set", "eth1", "down");
    node.ip("link", "set", "eth1", "name", "eth5");
    node.ip("link", "set", "eth5", "up");
    await daemon.said(/"net":\{"reason":"InterfaceNotFound","message":"there is no interface eth1"/);
    t.equal(node.look("eth5"), before, "it has everything under its new name");
    t.ok(node.answers());
  },
);

t.test("names are exchanged, and each has its own again, as the contract says", { skip }, async (t) => {
  const node = await movingNode(t);
  const before = node.look("eth1");
  const daemon = await start(t, node);
  const connected = /"net":\{"interface":"eth1","mtu":1400\}/;
  daemon.tell({ net: "eth1" }, [], ["net"]);
  await daemon.said(connected);
  t.equal(node.look("eth1"), before, "the bridge has the interface's name");
  daemon.tell({}, [], []);
  await daemon.said(undefined);
  t.equal(node.look("eth1"), before);
  t.throws(() => node.ip("link", "show", "br-net"));
  daemon.tell({ net: "eth1" });
  await daemon.said(connected);
  t.equal(node.look("br-net"), before);
  daemon.tell({ net: "eth1" }, [], ["net"]);
  await mapped(node, "other:br-other,net:eth1");
  t.equal(node.look("eth1"), before);
  await daemon.stop();
  const next = await start(t, node, daemon.text());
  next.tell(undefined);
  t.equal(node.look("eth1"), before, "without a contract what there is stays");
  next.tell({ net: "eth1" });
  await mapped(node, "other:br-other,net:br-net");
  t.equal(node.look("br-net"), before);
});

t.test("an interface whose new name is taken, or that cannot be renamed, keeps everything", { skip }, async (t) => {
  const node = await movingNode(t);
  const before = node.look("eth1");
  node.ip("link", "add", "br-net", "type", "bridge");
  const daemon = await start(t, node);
  daemon.tell({ net: "eth1" }, [], ["net"]);
  await daemon.said(/InterfaceInUse.*the node has another interface br-net: eth1 cannot get this name/);
  daemon.tell({ net: "eth7" }, [], ["net"]);
  await daemon.said(/InterfaceNotFound.*no interface eth7/);
  await daemon.stop();
  node.ip("link", "delete", "br-net");
  const old = await start(t, node, undefined, {
    setLink() {
      throw new NetlinkError("busy", "RTM_SETLINK", "");
    },
  });
  old.tell({ net: "eth1" }, [], ["net"]);
  await old.said(/eth1 cannot be renamed to br-net while it is up: this requires Linux 6\.2/);
  t.equal(node.look("eth1"), before);
  t.same(node.server.transactions, []);
});

t.test(
  "with the userspace datapath the interface of the only default route is not moved, nor one with a sub-interface",
  { skip },
  async (t) => {
    const node = await movingNode(t);
    const before = node.look("eth1");
    await node.server.edit(VSWITCH, [
      update(VSWITCH, "Bridge", [["name", "==", "br-int"]], { datapath_type: "netdev" }),
    ]);
    // The kernel of many machines has no VLAN sub-interfaces; these are the same here.
    node.ip("link", "add", "link", "eth1", "name", "upper", "type", "macvlan");
    const daemon = await start(t, node);
    daemon.tell({ net: "eth1" });
    await daemon.said(/InterfaceInUse.*interface upper is on eth1/);
    node.ip("link", "delete", "upper");
    await daemon.said(/InterfaceInUse.*eth1 has the node's only default route/);
    t.equal(node.look("eth1"), before);
    t.same(
      node.server.rows(VSWITCH, "Bridge").map(({ name }) => name),
      ["br-int"],
    );
  },
);

t.test("an interface with something that cannot be moved keeps everything", { skip }, async (t) => {
  const node = await movingNode(t);
  const before = node.look("eth1");
  const daemon = await start(t, node, undefined, {
    setRoute(spec) {
      throw new Error(`no route to ${spec.destination}`);
    },
  });
  daemon.tell({ net: "eth1" });
  await daemon.said(/"net":\{"reason":"Failed","message":"no route to/);
  t.equal(node.look("eth1"), before);
  t.ok(node.answers());
});

/** A kernel with VLAN sub-interfaces, which that of many machines does not have: their place is taken by veth pairs. `deleted`: resolves when one is deleted. */
async function withVlans(t: Test, node: MovingNode) {
  const { kernel, end } = await node.start();
  t.teardown(end);
  const deleted = Promise.withResolvers<void>();
  const shown = (link: Link): Link => ({ ...link, ...(link.group === VLAN_LINK_GROUP && { kind: "vlan" }) });
  const specs: LinkSpec[] = [];
  const vlans: Partial<NodeKernel> = {
    ...linksShown(kernel, shown),
    createLink(spec) {
      specs.push(spec);
      node.ip("link", "add", spec.name, "group", String(spec.group), "type", "veth", "peer", "name", "far-vlan");
      node.ip("link", "set", spec.name, "up");
    },
    deleteLink(index) {
      const isDeleted = kernel.deleteLink(index);
      deleted.resolve();
      return isDeleted;
    },
  };
  return { vlans, specs, deleted: deleted.promise };
}

t.test(
  "a VLAN sub-interface is created for its network, and deleted when it is no longer wanted",
  { skip },
  async (t) => {
    const node = await movingNode(t);
    const { vlans, specs, deleted } = await withVlans(t, node);
    const parent = Number(/^(\d+):/.exec(node.ip("-oneline", "link", "show", "eth1"))?.[1]);
    const daemon = await start(t, node, undefined, vlans);
    daemon.tell({ net: "eth1.100" });
    await daemon.said(/InterfaceNotFound.*no interface eth1\.100/);
    daemon.tell({ net: "eth7.100" }, ["net"]);
    await daemon.said(/InterfaceNotFound.*no interface eth7\.100/);
    daemon.tell({ net: "eth1.100" }, ["net"]);
    await daemon.said(/"net":\{"interface":"eth1\.100"/);
    t.match(specs, [{ name: "eth1.100", kind: "vlan", parent, vlan: 100, group: VLAN_LINK_GROUP, up: true }]);
    t.match(node.ip("link", "show", "eth1.100"), /master br-net/);
    daemon.tell({});
    await deleted;
    t.throws(() => node.ip("link", "show", "eth1.100"));
    t.throws(() => node.ip("link", "show", "br-net"), "the bridge is gone before it");
  },
);

t.test(
  "a VLAN sub-interface that a killed daemon has just created is used or deleted by the next",
  { skip },
  async (t) => {
    const node = await movingNode(t);
    for (const wanted of [{ net: "eth1.100" }, {}]) {
      const { vlans, specs, deleted } = await withVlans(t, node);
      if (Object.keys(wanted).length > 0)
        node.ip(
          "link",
          "add",
          "eth1.100",
          "group",
          String(VLAN_LINK_GROUP),
          "type",
          "veth",
          "peer",
          "name",
          "far-vlan",
        );
      const daemon = await start(t, node, undefined, vlans);
      daemon.tell(wanted, ["net"]);
      if (Object.keys(wanted).length > 0) await daemon.said(/"net":\{"interface":"eth1\.100"/);
      else await deleted;
      t.same(specs, [], "none is created");
      await daemon.stop();
    }
    t.throws(() => node.ip("link", "show", "eth1.100"));
  },
);

t.test("before br-int shows the node's datapath, nothing is done", { skip }, async (t) => {
  const node = await movingNode(t);
  const edit = (bridges: readonly string[]) => update(VSWITCH, "Open_vSwitch", [], { bridges });
  await node.server.edit(VSWITCH, [edit([])]);
  const daemon = await start(t, node);
  daemon.tell({ net: "eth1" });
  // Without br-int a pass ends at once.
  await setTimeout(20);
  const uuid = randomUUID();
  const integration = insert(VSWITCH, "Bridge", uuid, { name: "br-int", datapath_type: "netdev" });
  await node.server.edit(VSWITCH, [integration, edit([uuid])]);
  await daemon.said(/InterfaceInUse.*eth1 has the node's only default route/);
  t.same(node.server.transactions, []);
});
