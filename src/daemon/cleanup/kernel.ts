// SPDX-License-Identifier: Apache-2.0

import type { Driver, Results } from "../../node/driver.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { linkDriver } from "../../node/links.ts";
import { isPodLink, MIRROR_OWNER, NODE_OWNER, PROBE_OWNER } from "../../node/marks.ts";
import { type Nftables, NftTables } from "../../node/nftables.ts";
import { qdiscDriver } from "../../node/qdiscs.ts";
import { routeDriver } from "../../node/routes.ts";
import { ruleDriver } from "../../node/rules.ts";
import type { NodeState } from "../../node/state.ts";
import type { Removal } from "./files.ts";

/** The table with which `start-ovs` hides a tunnel interface from the kernel's network stack. */
const TUNNEL_TABLE = "netdev weft-tunnel";

/**
 * Tunnel devices that ovs-vswitchd creates for the kernel datapath and does not delete when it ends (kind → prefix of
 * the name).
 */
const TUNNEL_DEVICES: Readonly<Record<string, string>> = { geneve: "genev_sys_", vxlan: "vxlan_sys_" };

/** The desired state of a node without Weft. */
const NOTHING: NodeState = { links: [], routes: [], rules: [], qdiscs: [], tables: [] };

/**
 * Removes Weft's objects from the node's network namespace: marked routes, rules, qdiscs, links and nftables tables
 * (`src/node/marks.ts`), pods' interfaces, and the kernel datapath's devices. Does not throw.
 */
export async function cleanKernel(kernel: NodeKernel, nft: Nftables, result: Removal): Promise<void> {
  const results: Results = { repairs: [], missing: new Set(), blocked: [], failures: [] };
  const drivers: readonly Driver[] = [
    qdiscDriver(kernel),
    ...[NODE_OWNER, PROBE_OWNER, MIRROR_OWNER].flatMap((owner) => [
      new NftTables(nft, owner).driver(kernel),
      ruleDriver(kernel, owner),
      routeDriver(kernel, owner),
      linkDriver(kernel, owner),
    ]),
  ];
  for (const driver of drivers) await (await driver.plan(NOTHING, results)).apply("remove");
  result.removed.push(...results.repairs);
  for (const { what, error } of results.failures)
    result.failed.push(`${what}: ${error instanceof Error ? error.message : error}`);
  if ((await nft.tables().catch((): readonly string[] => [])).includes(TUNNEL_TABLE)) {
    await attempt(result, `nftables table ${TUNNEL_TABLE}`, () => nft.apply(`delete table ${TUNNEL_TABLE}\n`));
  }
  for (const { index, name, ...link } of kernel.links()) {
    const isTunnel = name.startsWith(TUNNEL_DEVICES[link.kind ?? ""] ?? "\0");
    if (!isTunnel && !isPodLink({ name, ...link })) continue;
    await attempt(result, `link ${name}`, () => kernel.deleteLink(index));
  }
}

/** Runs `action` and records in `result` that `what` was removed, or why it could not be. */
export async function attempt(result: Removal, what: string, action: () => unknown): Promise<void> {
  try {
    await action();
    result.removed.push(what);
  } catch (error) {
    result.failed.push(`${what}: ${error instanceof Error ? error.message : error}`);
  }
}
