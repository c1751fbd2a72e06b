// SPDX-License-Identifier: Apache-2.0

import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { openNetlink } from "../../netlink/socket.ts";
import { NetlinkKernel } from "../../node/kernel.ts";
import { kernelNftables } from "../../node/nftables.ts";
import { cleanNode, nodeProcesses } from "./cleanup.ts";
import type { NodePaths, Removal } from "./files.ts";

/** The name of this subcommand: `weft-daemon cleanup`. */
export const CLEANUP = "cleanup";

/** The result as JSON, shortened to fit; the full list of removed objects is in the log. */
function messageOf({ removed, kept, failed }: Removal): string {
  const whole = JSON.stringify({ removed, kept, failed });
  if (Buffer.byteLength(whole) <= MAX_MESSAGE) return whole;
  const first = failed.slice(0, 8).map((line) => line.slice(0, 300));
  return JSON.stringify({ removed: [`${removed.length} things, see the pod's log`], kept: [], failed: first });
}

/** Kubernetes reads at most 4096 bytes of a container's termination message. */
const MAX_MESSAGE = 4096;

interface CleanupOptions extends NodePaths {
  readonly root: string;
  readonly message?: string;
}

/**
 * `weft-daemon cleanup`: removes Weft from this node, after ovs-ovn and kube-ovn-cni have ended there. Resolves with
 * the exit code: 0 if nothing of Weft remains.
 * @throws CommanderError if the command line is invalid, after printing the error to stderr.
 */
export async function runCleanup(argv: readonly string[]): Promise<number> {
  const options = new Command(`weft-daemon ${CLEANUP}`)
    .description("Removes Weft from this node, after Weft's pods have ended. It can be repeated.")
    .option("--root <folder>", "where the node's root directory is mounted", "/")
    .option("--cni-conf-dir <folder>", "the node's folder of network configurations", "/etc/cni/net.d")
    .option("--cni-conf-name <file>", "name of ours", "01-kube-ovn.conflist")
    .option("--cni-bin-dir <folder>", "the node's folder of CNI plugins", "/opt/cni/bin")
    .option("--data-path <folder>", "the node's folder of OVN's databases", "/etc/origin/ovn")
    .option("--message <file>", "write the result there as JSON")
    .exitOverride()
    .parse([...argv], { from: "user" })
    .opts<CleanupOptions>();
  const host = openNetlink();
  try {
    const parts = { kernel: new NetlinkKernel(host), nft: kernelNftables(host), ...nodeProcesses };
    const result = await cleanNode(parts, options.root, options);
    for (const line of result.removed) console.log(`removed ${line}`);
    for (const line of result.kept) console.log(`kept ${line}`);
    for (const line of result.failed) console.log(`failed ${line}`);
    if (options.message !== undefined) await writeFile(options.message, messageOf(result));
    return result.failed.length === 0 ? 0 : 1;
  } finally {
    host.close();
  }
}
