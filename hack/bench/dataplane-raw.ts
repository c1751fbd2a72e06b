// SPDX-License-Identifier: Apache-2.0

import { type RunResult, run } from "../host/run.ts";
import type { Lab } from "../lab/lab.ts";
import { commandLine, findProcesses } from "../lab/process.ts";
import { spaceMark } from "../lab/space.ts";
import { insideDaemon } from "./inside-daemon.ts";
import { processCpuMs } from "./process-cpu.ts";

/** The bridge of the raw path on each node. */
const BRIDGE = "br-raw";
/** The interface by which a pod is on the raw path as well. */
const LINK = "raw0";
/** The tunnel key of the raw path between nodes: no datapath of OVN has it (they are numbered from 1). */
const TUNNEL_KEY = 16_000_000;

/** A pod on a path of the bench. */
export interface PathEnd {
  readonly node: string;
  /** The path of the pod's network namespace. */
  readonly netns: string;
  readonly address: string;
}

/**
 * The raw path: in each node's Open vSwitch, beside OVN's, a bridge that only forwards by MAC address (action
 * NORMAL), with a second interface of each pod, and between the nodes a Geneve tunnel of its own. So it has the same
 * ovs-vswitchd, datapath and network namespaces, without OVN.
 */
export async function addRawPath(lab: Lab, ends: readonly PathEnd[]): Promise<() => Promise<void>> {
  const nodes = [...new Set(ends.map(({ node }) => node))];
  for (const node of nodes) {
    const type = await datapathType(lab, node);
    await vsctl(lab, node, "--may-exist", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, `datapath_type=${type}`);
    for (const other of nodes.filter((name) => name !== node)) {
      const remote = (await vsctl(lab, other, "get", "open", ".", "external_ids:ovn-encap-ip")).replaceAll('"', "");
      const port = `raw-${other}`;
      const options = ["type=geneve", `options:remote_ip=${remote}`, `options:key=${TUNNEL_KEY}`, "options:csum=true"];
      await vsctl(lab, node, "--may-exist", "add-port", BRIDGE, port, "--", "set", "interface", port, ...options);
    }
  }
  const ports = await Promise.all(ends.map((end, i) => addLink(lab, end, { port: `rawp${i}`, inside: LINK })));
  for (const [i, { node }] of ends.entries()) await vsctl(lab, node, "add-port", BRIDGE, ports[i]?.port ?? "");
  return async () => {
    for (const node of nodes) await vsctl(lab, node, "--if-exists", "del-br", BRIDGE);
    await removeLinks(lab, ports);
  };
}

/** A veth between a pod and its node. */
export interface AddedLink {
  readonly node: string;
  readonly port: string;
  /** In the pod. */
  readonly mac: string;
}

/** Gives a pod another interface, whose other end is `port` on the node. */
export async function addLink(
  lab: Lab,
  { node, netns, address }: PathEnd,
  { port, inside: name }: { readonly port: string; readonly inside: string },
): Promise<AddedLink> {
  const netnsOfNode = lab.node(node).netns;
  const pod = /\/proc\/(\d+)\//.exec(netns)?.[1] ?? "";
  const [outer, inner] = [
    ["mtu", "1400", "type", "veth"],
    ["name", name, "mtu", "1400", "netns", pod],
  ] as const;
  await inside(netnsOfNode, "ip", "link", "add", port, ...outer, "peer", ...inner);
  await inside(netnsOfNode, "ip", "link", "set", port, "up");
  await inside(netns, "ip", "address", "add", `${address}/24`, "dev", name);
  await inside(netns, "ip", "link", "set", name, "up");
  // As for pods: the userspace datapath forwards packets without completing their checksums.
  await inside(netns, "ethtool", "-K", name, "tx", "off");
  await inside(netnsOfNode, "ethtool", "-K", port, "tx", "off");
  // Not from /sys, which shows the network namespace in which it was mounted.
  const { stdout } = await inside(netns, "ip", "-oneline", "link", "show", "dev", name);
  return { node, port, mac: /link\/ether (\S+)/.exec(stdout)?.[1] ?? "" };
}

/** Removes the interfaces. */
export async function removeLinks(lab: Lab, links: readonly AddedLink[]): Promise<void> {
  for (const { node, port } of links) await inside(lab.node(node).netns, "ip", "link", "delete", port);
}

/** CPU that a node's ovs-vswitchd has used so far, ms. */
export function vswitchdCpuMs(lab: Lab, node: string): number {
  return processCpuMs(vswitchd(lab, node));
}

/** `netdev`, or `system`. */
export async function datapathType(lab: Lab, node: string): Promise<string> {
  return (await vsctl(lab, node, "get", "bridge", "br-int", "datapath_type")).replaceAll('"', "");
}

function vswitchd(lab: Lab, node: string): number {
  for (const { pid } of findProcesses(spaceMark(lab.paths, node))) {
    const [program = ""] = commandLine(pid);
    if (program.endsWith("ovs-vswitchd") && !program.includes(":")) return pid;
  }
  throw new Error(`ovs-vswitchd does not run on ${node}`);
}

/** Runs ovs-vsctl for a node's Open vSwitch. */
export async function vsctl(lab: Lab, node: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run("nsenter", [...insideDaemon(lab, node).command, "ovs-vsctl", "--timeout=20", ...args]);
  return stdout.trim();
}

/** Runs a command in a network namespace. */
export function inside(netns: string, ...command: readonly string[]): Promise<RunResult> {
  return run("nsenter", [`--net=${netns}`, ...command]);
}
