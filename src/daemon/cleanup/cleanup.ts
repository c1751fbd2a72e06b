// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { MIRROR_INTERFACE, NODE_INTERFACE, SERVICE_INTERFACE } from "../../api/names.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { isProbeLink } from "../../node/marks.ts";
import type { Nftables } from "../../node/nftables.ts";
import { INTEGRATION_BRIDGE } from "../ovs/ovs-view.ts";
import { NodeFiles, type NodePaths, type Removal } from "./files.ts";
import { attempt, cleanKernel } from "./kernel.ts";
import { renameUplinks, restoreUplinks } from "./uplinks.ts";

/** Dependencies of {@link cleanNode}. */
export interface CleanupParts {
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  /** Runs a program to its end; rejects if it fails. */
  run(command: string, args: readonly string[]): Promise<string>;
  /** Whether a process runs and has this name. */
  alive(pid: number, name: string): Promise<boolean>;
  /** Tells one start of the machine from another (/proc/sys/kernel/random/boot_id). */
  boot(): Promise<string>;
}

/** Kept although Weft has set it: the earlier value is unknown, and other programs rely on it as well. */
const KEPT: readonly string[] = [
  "net.ipv4.ip_forward, net.ipv6.conf.all.forwarding: other programs rely on them too",
  "kernel modules openvswitch and geneve: unload them with modprobe -r, or reboot",
];

/**
 * Restores the node to its state before Weft, as far as Weft changed it: the CNI configuration first, so that no more
 * pods start on Weft, then the plugins, the kernel's objects, the interfaces to networks outside, the tunnel interface of
 * a userspace datapath, and the devices and files of Open vSwitch and OVN. It can be repeated. Does not throw: the result contains what could not
 * be removed.
 * @param root where the node's root directory is mounted.
 */
export async function cleanNode(parts: CleanupParts, root: string, paths: NodePaths): Promise<Removal> {
  const result: Removal = { removed: [], kept: [...KEPT], failed: [] };
  const files = new NodeFiles(root, result);
  await files.removeConfiguration(paths);
  await files.removePlugins(paths);
  await cleanKernel(parts.kernel, parts.nft, result);
  const running = await files.runningOvs(parts.alive);
  if (running !== undefined) {
    // All of Weft's daemons have ended before; a second Open vSwitch belongs to another program.
    result.failed.push(`Open vSwitch and OVN: ${running} still runs`);
    return result;
  }
  // The bridges' devices have the node's own addresses, and only the database knows of which interfaces.
  if (!(await restoreUplinks(parts, root, result))) return result;
  const restored = await restoreTunnelInterface(parts, root, result);
  await removeDatapath(parts, result);
  await renameUplinks(parts.kernel, result);
  // Only that file has the interface's addresses, so it stays for the next run.
  await files.removeOvs(paths, restored);
  return result;
}

/**
 * If `start-ovs` was killed, the tunnel interface's addresses are still on a bridge that is gone. Resolves with
 * whether everything is restored.
 */
async function restoreTunnelInterface({ run }: CleanupParts, root: string, result: Removal): Promise<boolean> {
  const state = `${root}/etc/openvswitch/weft-tunnel`;
  const saved = await readFile(state, "utf8").catch(() => undefined);
  if (saved === undefined) return true;
  const script = ". /opt/weft/bin/common.sh; . /opt/weft/bin/tunnel.sh; tunnel_state=$1; give_interface_back";
  try {
    await run("bash", ["-c", script, "bash", state]);
    result.removed.push(`the tunnel interface has its addresses: ${/^interface (.*)$/m.exec(saved)?.[1] ?? "?"}`);
    return true;
  } catch (error) {
    result.failed.push(`tunnel interface: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

/** Devices that a userspace datapath creates: persistent taps, which outlive OVS. */
const TAPS: readonly string[] = [
  NODE_INTERFACE,
  SERVICE_INTERFACE,
  MIRROR_INTERFACE,
  INTEGRATION_BRIDGE,
  "br-phy",
  "ovs-netdev",
];

/**
 * The datapath's devices outlive ovs-vswitchd. The kernel's datapath is deleted with its devices, those of a
 * userspace datapath one by one.
 */
async function removeDatapath({ kernel, run }: CleanupParts, result: Removal): Promise<void> {
  for (const { index, name, kind } of kernel.links()) {
    if (kind === "tun" && (TAPS.includes(name) || isProbeLink({ name })))
      await attempt(result, `link ${name}`, () => kernel.deleteLink(index));
  }
  if (kernel.link("ovs-system") === undefined) return;
  await attempt(result, "kernel datapath ovs-system", () => run("ovs-dpctl", ["del-dp", "system@ovs-system"]));
}

const execute = promisify(execFile);

/** {@link CleanupParts.run}, {@link CleanupParts.alive} and {@link CleanupParts.boot} of the real node. The process must see the node's processes (`hostPID`). */
export const nodeProcesses: Pick<CleanupParts, "run" | "alive" | "boot"> = {
  run: async (command, args) => (await execute(command, [...args], { timeout: 60_000 })).stdout,
  boot: async () => (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim(),
  async alive(pid, name) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // Linux keeps 15 characters of a name; Z and X are processes that have ended (proc_pid_stat(5)).
    return new RegExp(`^\\d+ \\(${name.slice(0, 15)}\\) [^ZX]`).test(stat);
  },
};
