// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../host/run.ts";
import type { Lab } from "../lab/lab.ts";
import { addLink, type PathEnd, removeLinks, vsctl } from "./dataplane-raw.ts";
import { insideDaemon } from "./inside-daemon.ts";

const SWITCH = "weft-dataplane-bench";

/**
 * Bare OVN: a logical switch with one port for each pod, without load balancers, ACLs or a router. Its cost is the
 * minimum of OVN's pipeline; the rows have no owner, so the controller ignores them.
 */
export async function addBareOvn(lab: Lab, ends: readonly PathEnd[]): Promise<() => Promise<void>> {
  await nbctl(lab, "--may-exist", "ls-add", SWITCH);
  const links = await Promise.all(ends.map((end, i) => addLink(lab, end, { port: `barep${i}`, inside: "bare0" })));
  for (const [i, { node, port, mac }] of links.entries()) {
    const name = `${SWITCH}-${i}`;
    await nbctl(lab, "lsp-add", SWITCH, name, "--", "lsp-set-addresses", name, `${mac} ${ends[i]?.address}`);
    await vsctl(lab, node, "add-port", "br-int", port, "--", "set", "interface", port, `external_ids:iface-id=${name}`);
  }
  await nbctl(lab, "--wait=hv", "sync");
  return async () => {
    for (const { node, port } of links) await vsctl(lab, node, "--if-exists", "del-port", port);
    await removeLinks(lab, links);
    await nbctl(lab, "--if-exists", "ls-del", SWITCH);
  };
}

/** Runs ovn-nbctl for the lab's northbound database. */
export async function nbctl(lab: Lab, ...args: readonly string[]): Promise<void> {
  const socket = "ovn/ovnnb_db.sock";
  const central = lab.nodes.find((node) => existsSync(join(lab.node(node).paths.run, socket))) ?? "";
  const { command } = insideDaemon(lab, central);
  await run("nsenter", [...command, "ovn-nbctl", `--db=unix:/run/${socket}`, "--timeout=60", ...args]);
}

/** The address of the bridge, by which its pods reach ClusterIPs. */
const BRIDGE_ADDRESS = "10.253.0.1";

/**
 * The bridge plugin: another interface for each pod by CNI ADD of the plugin `bridge`, all of one node. Packets to `clusterIp` go by the bridge too, so that
 * the node's kube-proxy translates them (and, as they are not from pods' range, masquerades them).
 */
export async function addBridgePlugin(
  lab: Lab,
  ends: readonly PathEnd[],
  clusterIp: string,
): Promise<() => Promise<void>> {
  const cni = (verb: "ADD" | "DEL", { node, netns, address }: PathEnd, i: number) => {
    const addresses = [{ address: `${address}/24`, gateway: BRIDGE_ADDRESS }];
    const ipam = { type: "static", addresses, routes: [{ dst: `${clusterIp}/32`, gw: BRIDGE_ADDRESS }] };
    const config = { cniVersion: "1.0.0", name: "bench", type: "bridge", bridge: "br-bench", isGateway: true, ipam };
    const variables = [`CNI_COMMAND=${verb}`, `CNI_CONTAINERID=bench-${i}`, `CNI_NETNS=${netns}`, "CNI_IFNAME=plain0"];
    const command = ["env", ...variables, "CNI_PATH=/usr/lib/cni", "/usr/lib/cni/bridge"];
    return run("nsenter", [`--net=${lab.node(node).netns}`, ...command], { input: JSON.stringify(config) });
  };
  for (const [i, end] of ends.entries()) await cni("ADD", end, i);
  return async () => {
    for (const [i, end] of ends.entries()) await cni("DEL", end, i);
    const [{ node } = { node: "" }] = ends;
    await run("nsenter", [`--net=${lab.node(node).netns}`, "ip", "link", "delete", "br-bench"]);
  };
}
