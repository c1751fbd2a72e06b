// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import t, { type Test } from "tap";
import { noKernel } from "../../netlink/testing/netns.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { update } from "../../ovsdb/operation.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import type { OwnNode } from "../node-gateway/node.ts";
import { type MovingNode, movingNode } from "./testing/moving-node.ts";
import { Uplinks } from "./uplinks.ts";

const skip = noKernel() || (existsSync("/usr/bin/busybox") ? false : "needs busybox, for ping");

/** A daemon's uplinks on the node, with what it is told and what it says. */
async function start(t: Test, node: MovingNode, former?: string) {
  const parts = await node.start();
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
    /** The node's contract; undefined where it cannot be read. */
    tell(wanted: Readonly<Record<string, string>> | undefined) {
      const contract = wanted === undefined ? "malformed" : { uplinks: wanted };
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
  "an interface that does not exist, is renamed, or another's is told, and the node keeps its addresses",
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

t.test("in userspace the only default route stays where it is", { skip }, async (t) => {
  const node = await movingNode(t);
  const before = node.look("eth1");
  await node.server.edit(VSWITCH, [update(VSWITCH, "Bridge", [["name", "==", "br-int"]], { datapath_type: "netdev" })]);
  const daemon = await start(t, node);
  daemon.tell({ net: "eth1" });
  await daemon.said(/InterfaceInUse.*eth1 has the node's only default route/);
  t.equal(node.look("eth1"), before);
  t.same(
    node.server.rows(VSWITCH, "Bridge").map(({ name }) => name),
    ["br-int"],
  );
});
