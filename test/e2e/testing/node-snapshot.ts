// SPDX-License-Identifier: Apache-2.0

import { readdir, readFile, readlink } from "node:fs/promises";
import type { LabSpace } from "../../../hack/lab/lab.ts";

/** The parts of a node that an installation may change, each as a sorted list of lines. */
export interface NodeSnapshot {
  readonly links: readonly string[];
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly rules: readonly string[];
  readonly tables: readonly string[];
  readonly configurations: readonly string[];
  readonly plugins: readonly string[];
  /** Files of Open vSwitch and OVN. */
  readonly ovs: readonly string[];
  /** Names of the programs that run in the node's network namespace. */
  readonly processes: readonly string[];
}

/** Takes a snapshot. */
export async function snapshotOf(node: LabSpace): Promise<NodeSnapshot> {
  const shell = async (command: string): Promise<readonly string[]> => {
    const { stdout } = await node.exec(["sh", "-c", command]);
    return stdout.split("\n").filter(Boolean).sort();
  };
  return {
    // Without indexes, states and counters.
    links: await shell("ip -details -json link | jq -r '.[] | [.ifname, .address, .mtu, .linkinfo.info_kind] | @csv'"),
    addresses: await shell(
      "ip -json address | jq -r '.[] | .ifname as $i | .addr_info[] | [$i, .local, .prefixlen] | @csv'",
    ),
    routes: await shell("for f in 4 6; do ip -$f route show table all; done | grep -v 'proto ra'"),
    rules: await shell("ip rule; ip -6 rule"),
    tables: await shell("nft list tables"),
    configurations: await shell("ls -A /etc/cni/net.d"),
    plugins: await shell("ls -A /opt/cni/bin"),
    ovs: await shell("find /etc/openvswitch /run/openvswitch /run/ovn /etc/origin -mindepth 1 2>/dev/null || true"),
    processes: await processesOf(node),
  };
}

async function processesOf(node: LabSpace): Promise<readonly string[]> {
  const own = await readlink(node.netns);
  const names: string[] = [];
  for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
    // The process may end meanwhile.
    if ((await readlink(`/proc/${pid}/ns/net`).catch(() => "")) !== own) continue;
    names.push((await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim());
  }
  // containerd's shims depend on the pods that run at the moment.
  return [...new Set(names.filter((name) => name !== "" && name !== "containerd-shim"))].sort();
}
