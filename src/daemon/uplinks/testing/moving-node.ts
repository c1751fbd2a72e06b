// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import type { Test } from "tap";
import { openNetlink } from "../../../netlink/socket.ts";
import { newNetns, runIn } from "../../../netlink/testing/netns.ts";
import { type Netns, withNetns } from "../../../netlink/with-netns.ts";
import { NetlinkKernel } from "../../../node/kernel.ts";
import { VSWITCH } from "../../../ovsdb/generated/vswitch.ts";
import { insert } from "../../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../../ovsdb/testing/fake.ts";
import { OvsView } from "../../ovs/ovs-view.ts";
import { FakeNftables } from "../../testing/fake-node.ts";
import { uplinkKey } from "../uplink-names.ts";
import type { UplinkParts } from "../uplink-node.ts";
import { runWithVlans } from "../uplink-run.ts";
import { kernelSwitch } from "./kernel-switch.ts";
import { withVlanLinks } from "./vlan-links.ts";

/** The uplink of {@link movingNode}, and the same with exchanged names. */
export const KEY = uplinkKey("net", "eth1", false);
export const EXCHANGED_KEY = uplinkKey("net", "eth1", true);
/** How long the emulated switch, and the kernel with an IPv6 address, may take, ms. */
const PATIENCE_MS = 20_000;

/** The daemon is killed here. */
class Killed extends Error {}

/** A node whose only way out is by eth1, and a host at the other end. */
export async function movingNode(t: Test) {
  const [path, outside] = [await newNetns(t), await newNetns(t)];
  const ip = (...args: string[]): string => runIn(path, "ip", ...args);
  const far = (...args: string[]): string => runIn(outside, "ip", ...args);
  const batch = (netns: string, lines: string): void => void runIn(netns, "sh", "-ec", lines.replaceAll(/^ip/gm, "ip"));
  batch(path, "ip link set lo up\nip link add eth1 address 02:00:00:00:77:11 mtu 1400 type veth peer name far");
  runIn(path, "ip", "link", "set", "far", "netns", outside.split("/")[2] ?? "");
  batch(
    outside,
    [
      "ip link set lo up",
      "ip address add 192.0.2.1/24 dev far",
      "ip address add 2001:db8:1::1/64 dev far nodad",
      "ip link set far mtu 1400 up",
    ].join("\n"),
  );
  runIn(path, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0");
  // As many machines have it, br-net too.
  runIn(path, "sysctl", "-qw", "net.ipv4.conf.default.rp_filter=1", "net.ipv4.conf.eth1.rp_filter=1");
  batch(
    path,
    [
      "ip link set eth1 up",
      "ip address add 192.0.2.11/24 brd 192.0.2.255 dev eth1",
      "ip address add 192.0.2.12/24 dev eth1",
      "ip address add 203.0.113.5/32 dev eth1",
      "ip address add 2001:db8:1::11/64 dev eth1 nodad",
      "ip route add default via 192.0.2.1 dev eth1",
      "ip route add 198.51.100.0/24 via 192.0.2.1 src 192.0.2.12 metric 50 mtu 1300",
      "ip route add 198.51.101.0/24 dev eth1 src 203.0.113.5",
      "ip route add default via 192.0.2.1 dev eth1 table 100",
      "ip route add 198.51.102.0/24 nexthop via 192.0.2.1 weight 2 nexthop via 192.0.2.9",
      // As in clouds: a gateway beside an address of its own, and a server for the machine's settings.
      "ip address add 198.18.0.5/32 dev eth1",
      "ip route add 198.18.0.1 dev eth1 scope link",
      "ip route add 198.17.0.0/24 via 198.18.0.1 dev eth1",
      "ip route add 169.254.169.254 via 192.0.2.1 dev eth1",
      // As NetworkManager does it.
      "ip address add 198.18.1.5/24 dev eth1 noprefixroute",
      "ip route add 198.18.1.0/24 dev eth1 proto kernel scope link src 198.18.1.5 metric 100",
      "ip route add 198.17.1.0/24 via 198.18.1.1",
      "ip -6 route add default via 2001:db8:1::1 dev eth1",
      "ip -6 route add 2001:db8:9::/64 via 2001:db8:1::1 dev eth1 metric 77",
      "ip neighbour add 192.0.2.9 lladdr 02:00:00:00:99:09 dev eth1 nud permanent",
    ].join("\n"),
  );
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  const ids = { "ovn-bridge-mappings": "other:br-other", "system-id": "c1" };
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge], external_ids: ids }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int", datapath_type: "system" }),
  ]);
  t.teardown(() => server.close());
  await kernelSwitch(server.connect(), ip);
  const host = openNetlink(path);
  t.teardown(() => host.close());
  const kernel = withVlanLinks(new NetlinkKernel(host, (work: (ns: Netns) => void) => withNetns(path, work)), ip);
  /** A daemon that has just started. */
  const start = async (): Promise<UplinkParts & { end(): Promise<void> }> => {
    const client = server.connect();
    const view = new OvsView(client);
    await view.mirror.whenSynced();
    const parts = { view, kernel, nft: new FakeNftables(), boot: "boot", uuid: () => randomUUID() };
    return { ...parts, end: async () => client.close() };
  };
  /** What there is for the node's own traffic, with a word for whatever device has it. */
  const look = (device: string): string =>
    runIn(
      path,
      "sh",
      "-c",
      [
        `ip -4 -oneline address show dev ${device}`,
        `ip -6 -oneline address show dev ${device} scope global`,
        `ip route show table all dev ${device}`,
        "ip route show 198.51.102.0/24",
        `ip -6 route show table all dev ${device}`,
        `ip neighbour show dev ${device} nud permanent`,
      ].join("; "),
    )
      // The kernel numbers the labels of further addresses when it renames an interface (net/ipv4/devinet.c, inetdev_changename).
      .replaceAll(new RegExp(`\\b${device}\\b(:\\d+)?`, "g"), "DEVICE")
      .replaceAll(/^\d+: /gm, "")
      .split("\n")
      // The kernel's own, of addresses; and what is of the link alone.
      .filter((line) => !/^((local |anycast )?fe80|multicast|anycast|ff00|broadcast)|^$/.test(line))
      .map((line) => line.trim())
      .sort()
      .join("\n");
  /** Whether the node answers at its addresses. */
  const answers = (): boolean => {
    const pings = ["192.0.2.11", "192.0.2.12", "2001:db8:1::11"].map((to) => `busybox ping -c 1 -W 1 -q ${to}`);
    return !runIn(outside, "sh", "-c", `${pings.join(" & ")} & wait`).includes(" 0 packets received");
  };
  const sysctl = (key: string): string => runIn(path, "sysctl", "-n", key).trim();
  return { server, ip, far, outside, start, look, answers, sysctl };
}

/** See {@link movingNode}. */
export type MovingNode = Awaited<ReturnType<typeof movingNode>>;

/** Goes on until nothing is left to do, as a daemon does with each event; killed before the step of that number. */
export async function runDaemon(
  node: MovingNode,
  isWanted: boolean,
  killAt = Number.POSITIVE_INFINITY,
  key = KEY,
  keptVlans: readonly string[] = [],
): Promise<readonly string[]> {
  const daemon = await node.start();
  const steps: string[] = [];
  const before = (step: string): void => {
    if (steps.length === killAt) throw new Killed();
    steps.push(step);
  };
  try {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const changed = Promise.withResolvers<void>();
      const stop = daemon.view.mirror.subscribe(() => changed.resolve());
      const { outcome } = await runWithVlans(daemon, key, isWanted ? { ...key, keptVlans } : undefined, before);
      if ("wait" in outcome && Date.now() < until)
        await Promise.race([changed.promise, new Promise((r) => setTimeout(r, 20))]);
      stop();
      if ("wait" in outcome && Date.now() < until) continue;
      if (!("done" in outcome) && !("gone" in outcome)) throw new Error(JSON.stringify(outcome));
      return steps;
    }
  } catch (error) {
    if (error instanceof Killed) return steps;
    throw error;
  } finally {
    await daemon.end();
  }
}
