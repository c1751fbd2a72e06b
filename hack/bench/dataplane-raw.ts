// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { run } from "../host/run.ts";
import type { Lab } from "../lab/lab.ts";
import { findProcesses } from "../lab/process.ts";
import { spaceMark } from "../lab/space.ts";
import { insideDaemon } from "./controller-process.ts";
import { processCpuMs } from "./process-cpu.ts";

/** The bridge of the raw path on each node. */
const BRIDGE = "br-raw";
/** The interface by which a pod is on the raw path as well. */
const LINK = "raw0";
/** The tunnel key of the raw path between nodes: no datapath of OVN has it (they are numbered from 1). */
const TUNNEL_KEY = 16_000_000;

/** A pod on the raw path. */
export interface RawEnd {
  readonly node: string;
  /** The path of the pod's network namespace. */
  readonly netns: string;
  readonly address: string;
}

/**
 * The raw path: in each node's Open vSwitch, beside OVN's, a bridge that only forwards by MAC address (action NORMAL), with a second interface of each pod, and
 * between the nodes a Geneve tunnel of its own. So it has the same ovs-vswitchd, datapath and network namespaces, and nothing of OVN.
 */
export async function addRawPath(lab: Lab, ends: readonly RawEnd[]): Promise<() => Promise<void>> {
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
  for (const [i, { node, netns, address }] of ends.entries()) {
    const port = `rawp${i}`;
    const netnsOfNode = lab.node(node).netns;
    const pod = /\/proc\/(\d+)\//.exec(netns)?.[1] ?? "";
    await inside(
      netnsOfNode,
      "ip",
      "link",
      "add",
      port,
      "mtu",
      "1400",
      "type",
      "veth",
      "peer",
      "name",
      LINK,
      "mtu",
      "1400",
      "netns",
      pod,
    );
    await inside(netnsOfNode, "ip", "link", "set", port, "up");
    await inside(netns, "ip", "address", "add", `${address}/24`, "dev", LINK);
    await inside(netns, "ip", "link", "set", LINK, "up");
    // As for pods: the userspace datapath sends packets on as they come, without their checksums otherwise.
    await inside(netns, "ethtool", "-K", LINK, "tx", "off");
    await inside(netnsOfNode, "ethtool", "-K", port, "tx", "off");
    await vsctl(lab, node, "add-port", BRIDGE, port);
  }
  return async () => {
    for (const node of nodes) await vsctl(lab, node, "--if-exists", "del-br", BRIDGE);
    for (const [i, { node }] of ends.entries()) await inside(lab.node(node).netns, "ip", "link", "delete", `rawp${i}`);
  };
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
    const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
    if (program.endsWith("ovs-vswitchd") && !program.includes(":")) return pid;
  }
  throw new Error(`ovs-vswitchd does not run on ${node}`);
}

async function vsctl(lab: Lab, node: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run("nsenter", [...insideDaemon(lab, node).command, "ovs-vsctl", "--timeout=20", ...args]);
  return stdout.trim();
}

async function inside(netns: string, ...command: readonly string[]): Promise<void> {
  await run("nsenter", [`--net=${netns}`, ...command]);
}
