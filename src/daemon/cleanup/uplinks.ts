// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { isObject } from "../../collections/plain.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { UPLINK_TABLE, VLAN_LINK_GROUP } from "../../node/marks.ts";
import type { Nftables } from "../../node/nftables.ts";
import { formerName } from "../uplinks/uplink-names.ts";
import { NO_STATE, RECORD_KEY, readRecord, type UplinkRecord } from "../uplinks/uplink-record.ts";
import { isDirect, observeState, routeSpec, union, without } from "../uplinks/uplink-state.ts";
import type { Removal } from "./files.ts";
import { attempt } from "./kernel.ts";

/** Dependencies of {@link restoreUplinks}. */
interface RestoreParts {
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  run(command: string, args: readonly string[]): Promise<string>;
  boot(): Promise<string>;
}

/** A bridge to a network outside, with what was moved to it. */
interface MovedUplink {
  readonly bridge: string;
  readonly record: UplinkRecord;
}

/**
 * Moves what bridges to networks outside (ProviderNetwork) have for the node's own traffic back to the interfaces. Resolves with whether everything is restored; if not, the bridges and
 * Open vSwitch's database have to stay.
 */
export async function restoreUplinks(parts: RestoreParts, root: string, result: Removal): Promise<boolean> {
  const { kernel, nft } = parts;
  const failures = result.failed.length;
  // Otherwise it would keep from the node what arrives at the interface.
  if ((await nft.tables().catch((): readonly string[] => [])).includes(UPLINK_TABLE))
    await attempt(result, `nftables table ${UPLINK_TABLE}`, () =>
      nft.apply(`table ${UPLINK_TABLE} {}\ndelete table ${UPLINK_TABLE}\n`),
    );
  const uplinks = await readUplinks(parts, `${root}/etc/openvswitch/conf.db`).catch((error: unknown) => {
    result.failed.push(`interfaces to networks outside: ${error instanceof Error ? error.message : error}`);
    return [];
  });
  for (const { bridge, record } of uplinks) {
    const done = result.failed.length;
    const nic = nicOf(kernel, bridge, record);
    if (nic === undefined) result.kept.push(`interface ${record.interface}: the node has none of that name`);
    else
      await attempt(result, `bridge ${bridge}: interface ${nic.name} has its addresses`, async () =>
        restore(kernel, bridge, record, nic.index, await parts.boot()),
      );
    const device = kernel.link(bridge);
    if (result.failed.length === done && device?.kind === "tun")
      await attempt(result, `link ${bridge}`, () => kernel.deleteLink(device.index));
  }
  const isDone = result.failed.length === failures;
  const created = isDone ? kernel.links().filter((link) => link.kind === "vlan" && link.group === VLAN_LINK_GROUP) : [];
  for (const { name, index } of created) await attempt(result, `link ${name}`, () => kernel.deleteLink(index));
  return result.failed.length === failures;
}

/** Interfaces that have exchanged their name with a bridge get it back; the bridges' devices must be gone. */
export async function renameUplinks(kernel: NodeKernel, result: Removal): Promise<void> {
  for (const link of kernel.links()) {
    const former = formerName(link);
    if (former !== undefined)
      await attempt(result, `interface ${link.name}: its name is ${former.name} again`, () =>
        kernel.setLink(link.index, former),
      );
  }
}

/** The interface of the record, or one with its MAC where it was renamed. */
function nicOf(kernel: NodeKernel, bridge: string, { interface: name, mac }: UplinkRecord) {
  const links = kernel.links();
  const isRenamed = (link: (typeof links)[number]): boolean =>
    link.mac === mac && link.name !== bridge && link.kind !== "openvswitch";
  return links.find((link) => link.name === name) ?? links.find(isRenamed);
}

function restore(kernel: NodeKernel, bridge: string, record: UplinkRecord, index: number, boot: string): void {
  const device = kernel.link(bridge);
  const left = device === undefined ? NO_STATE : observeState(kernel, device.index).state;
  const isSettled = record.holder === index || (device !== undefined && record.holder === device.index);
  // After a reboot the machine's own configuration counts.
  const all = isSettled || record.boot !== boot ? left : union(record, left);
  kernel.setLink(index, { up: true });
  const missing = without(all, observeState(kernel, index).state);
  for (const address of missing.addresses) kernel.setAddress({ index, ...address, noDad: true });
  // The kernel accepts a gateway only where a route leads to it.
  const routes = [...missing.routes].sort((a, b) => Number(isDirect(b)) - Number(isDirect(a)));
  for (const route of routes) kernel.setRoute(routeSpec(route, index));
  for (const neighbour of missing.neighbours) kernel.setNeighbour({ index, ...neighbour });
}

/** The bridges in a database of Open vSwitch that does not run. */
async function readUplinks({ run }: Pick<RestoreParts, "run">, file: string): Promise<readonly MovedUplink[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  if (!text.includes(RECORD_KEY)) return [];
  const select = { op: "select", table: "Bridge", where: [], columns: ["name", "external_ids"] };
  const answer: unknown = JSON.parse(
    await run("ovsdb-tool", ["query", file, JSON.stringify(["Open_vSwitch", select])]),
  );
  const [first]: readonly unknown[] = Array.isArray(answer) ? answer : [];
  const rows: readonly unknown[] = isObject(first) && Array.isArray(first["rows"]) ? first["rows"] : [];
  return rows.flatMap((row) => {
    if (!isObject(row) || typeof row["name"] !== "string") return [];
    const record = readRecord(valueIn(row["external_ids"], RECORD_KEY));
    return record === undefined ? [] : [{ bridge: row["name"], record }];
  });
}

/** Of a map as RFC 7047 §5.1 writes it. */
function valueIn(map: unknown, key: string): string | undefined {
  const pairs: unknown = Array.isArray(map) && map[0] === "map" ? map[1] : undefined;
  const pair = Array.isArray(pairs)
    ? pairs.find((entry: unknown) => Array.isArray(entry) && entry[0] === key)
    : undefined;
  const value: unknown = Array.isArray(pair) ? pair[1] : undefined;
  return typeof value === "string" ? value : undefined;
}
