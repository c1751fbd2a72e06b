// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { run } from "../../../hack/host/run.ts";
import { OUTSIDE } from "../../../hack/lab/topology.ts";
import { type Exec, inNetns } from "../../../hack/traffic/probe.ts";
import type { World } from "./world.ts";

/** A host outside the cluster, a network namespace of its own, whose frames have a VLAN id in the network of `plugOutside`. */
export interface VlanHost {
  readonly tag: number;
  /** Addresses with prefix lengths. */
  readonly addresses: readonly string[];
}

/** The switch of the hosts: kernels without 802.1Q cannot add tags, so it is a bridge of a node's Open vSwitch that Weft does not know. */
const BRIDGE = "br-lab";

/** Connects hosts to the bridge of `plugOutside` until the test's end; returns how to run commands in each. */
export async function vlanHosts(t: Test, world: World, hosts: readonly VlanHost[]): Promise<readonly Exec[]> {
  const [node = ""] = world.lab.nodes;
  const [ext, own] = [world.lab.node(OUTSIDE), world.lab.node(node)];
  const [pod] = world.own("ovs", node);
  const vsctl = (...args: readonly string[]) =>
    world.lab.kubectl([
      ...["-n", "kube-system", "exec", pod?.metadata.name ?? "", "-c", "openvswitch", "--"],
      ...["ovs-vsctl", "--timeout=20", ...args],
    ]);
  const clear = async (): Promise<void> => {
    await vsctl("--if-exists", "del-br", BRIDGE);
    await ext.exec(["ip", "link", "del", "out-vlans"], { allowFailure: true });
    for (const { tag } of hosts) await run("ip", ["netns", "del", nameOf(tag)], { allowFailure: true });
  };
  await clear();
  t.teardown(clear);
  const ip = (...args: readonly string[]) => ext.exec(["ip", ...args]);
  await ip("link", "add", "out-vlans", "type", "veth", "peer", "name", "vlans", "netns", String(own.pid));
  await ip("link", "set", "out-vlans", "master", "br-out", "up");
  await ext.exec(["ethtool", "-K", "out-vlans", "tx", "off"]);
  await own.exec(["ip", "link", "set", "vlans", "up"]);
  await vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev");
  await vsctl("add-port", BRIDGE, "vlans");
  const execs: Exec[] = [];
  for (const { tag, addresses } of hosts) {
    const name = nameOf(tag);
    await run("ip", ["netns", "add", name]);
    const inside = inNetns(vlanNetns(tag));
    await own.exec(["ip", "link", "add", `vlan${tag}`, "type", "veth", "peer", "name", "tmp-eth0"]);
    await own.exec(["ethtool", "-K", `vlan${tag}`, "tx", "off"]);
    await run("nsenter", [`--net=${own.netns}`, "ip", "link", "set", "tmp-eth0", "netns", name]);
    for (const command of [
      ["ip", "link", "set", "lo", "up"],
      ["ip", "link", "set", "tmp-eth0", "name", "eth0"],
      ["ethtool", "-K", "eth0", "tx", "off"],
      ...addresses.map((address) => ["ip", "address", "add", address, "dev", "eth0", ...nodad(address)]),
      ["ip", "link", "set", "eth0", "up"],
    ])
      await inside(command);
    await own.exec(["ip", "link", "set", `vlan${tag}`, "up"]);
    await vsctl("add-port", BRIDGE, `vlan${tag}`, `tag=${tag}`);
    execs.push(inside);
  }
  return execs;
}

/** The network namespace of the host of a VLAN. */
export function vlanNetns(tag: number): string {
  return `/run/netns/${nameOf(tag)}`;
}

function nameOf(tag: number): string {
  return `weft-vlan-${tag}`;
}

function nodad(address: string): readonly string[] {
  return address.includes(":") ? ["nodad"] : [];
}
