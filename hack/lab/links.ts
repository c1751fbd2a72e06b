// SPDX-License-Identifier: Apache-2.0

import { run } from "../host/run.ts";
import type { LabPaths } from "./paths.ts";
import { runInSpace, type Space } from "./space.ts";
import { CONTROL, EXTERNAL, type FabricLink, hostLinkAddresses, linksOf, OUTSIDE, PREFIX } from "./topology.ts";

/** The fields of `ip -json link` and `ip -json address` that are read here. */
interface Device {
  readonly ifname: string;
  readonly master?: string;
  readonly ifalias?: string;
}

/** The alias that an interface gets as the last step of its creation, so that an incomplete one is recognised. */
const MADE = "weft-lab";

async function devices(paths: LabPaths, space: Space): Promise<ReadonlyMap<string, Device>> {
  const { stdout } = await runInSpace(paths, space, ["ip", "-json", "link", "show"]);
  const list = JSON.parse(stdout || "[]") as readonly Device[];
  return new Map(list.map((device) => [device.ifname, device]));
}

/** Runs lines of `ip` commands (without "ip") in a space, in one process. */
async function ipBatch(paths: LabPaths, space: Space, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await runInSpace(paths, space, ["ip", "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

/** Creates the two bridges that connect the lab's spaces. */
export async function ensureBridges(paths: LabPaths, fabric: Space): Promise<void> {
  const present = await devices(paths, fabric);
  const missing = ["br0", "br1"].filter((bridge) => !present.has(bridge));
  await ipBatch(
    paths,
    fabric,
    missing.flatMap((bridge) => [
      `link add ${bridge} type bridge forward_delay 0 mcast_snooping 0`,
      `link set ${bridge} up`,
    ]),
  );
}

/**
 * Connects a space to the bridges: each link that is missing or has lost its other end is recreated, with its
 * addresses and routes. An existing link is not changed: the node may have moved `eth1` and its address into an OVS
 * bridge. Returns the names of the created links.
 */
export async function ensureLinks(paths: LabPaths, fabric: Space, space: Space): Promise<readonly string[]> {
  const [here, there] = await Promise.all([devices(paths, space), devices(paths, fabric)]);
  const broken = linksOf(space.name).filter(
    (link) => here.get(link.name)?.ifalias !== MADE || there.get(link.port)?.master !== link.bridge,
  );
  for (const link of broken) {
    if (here.has(link.name)) await ipBatch(paths, space, [`link delete ${link.name}`]);
    else if (there.has(link.port)) await ipBatch(paths, fabric, [`link delete ${link.port}`]);
  }
  await ipBatch(
    paths,
    fabric,
    broken.flatMap((link) => [
      `link add ${link.port} type veth peer name ${link.name} address ${link.mac} netns ${space.holder.pid}`,
      `link set ${link.port} master ${link.bridge} up`,
    ]),
  );
  const taken = broken.length === 0 ? "" : (await runInSpace(paths, space, ["ip", "-oneline", "address"])).stdout;
  await ipBatch(
    paths,
    space,
    broken.flatMap((link) => [`link set ${link.name} up`, ...addressLines(link, taken)]),
  );
  // The control plane reaches pods through the nodes (`pod-access.ts`).
  if (space.name !== OUTSIDE && space.name !== CONTROL)
    await ipBatch(paths, space, broken.some((link) => link.name === "eth0") ? defaultRoutes() : []);
  // A userspace datapath on eth1 gets frames as the sender left them: a packet whose checksum no hardware completes
  // is lost.
  for (const link of broken.filter(({ name }) => name === "eth1")) {
    await runInSpace(paths, space, ["ethtool", "-K", link.name, "tx", "off"]);
    await runInSpace(paths, fabric, ["ethtool", "-K", link.port, "tx", "off"]);
  }
  await ipBatch(
    paths,
    space,
    broken.map((link) => `link set ${link.name} alias ${MADE}`),
  );
  return broken.map((link) => link.name);
}

/** Omits an address that another interface has taken over, such as `br-phy` that of `eth1`. */
function addressLines(link: FabricLink, taken: string): readonly string[] {
  return (["v4", "v6"] as const)
    .map((family) => `${link.address[family]}/${PREFIX[family]}`)
    .filter((address) => !taken.includes(` ${address} `))
    .map((address) => `address replace ${address} dev ${link.name}${address.includes(":") ? " nodad" : ""}`);
}

function defaultRoutes(): readonly string[] {
  const [gateway] = linksOf(OUTSIDE);
  return gateway === undefined
    ? []
    : [
        `route replace default via ${gateway.address.v4} dev eth0`,
        `route replace default via ${gateway.address.v6} dev eth0`,
      ];
}

/** Gives `ext` the addresses that represent destinations outside the cluster. */
export async function ensureOutsideAddresses(paths: LabPaths, outside: Space): Promise<void> {
  await ipBatch(paths, outside, [
    `address replace ${EXTERNAL.v4}/32 dev lo`,
    `address replace ${EXTERNAL.v6}/128 dev lo`,
  ]);
}

/**
 * Connects the host with the control plane by a veth of its own, the only part of the lab that the host's `ip link`
 * shows.
 */
export async function ensureHostLink(paths: LabPaths, control: Space, block: number): Promise<void> {
  const { host, control: far, prefix } = hostLinkAddresses(block);
  const present = (await devices(paths, control)).has("host0");
  const { code } = await run("ip", ["link", "show", paths.hostLink], { allowFailure: true });
  if (!present || code !== 0) {
    if (code === 0) await run("ip", ["link", "delete", paths.hostLink]);
    if (present) await ipBatch(paths, control, ["link delete host0"]);
    await run("ip", [
      "link",
      "add",
      paths.hostLink,
      "type",
      "veth",
      "peer",
      "name",
      "host0",
      "netns",
      `${control.holder.pid}`,
    ]);
  }
  await run("ip", ["address", "replace", `${host}/${prefix}`, "dev", paths.hostLink]);
  await run("ip", ["link", "set", paths.hostLink, "up"]);
  await ipBatch(paths, control, [`address replace ${far}/${prefix} dev host0`, "link set host0 up"]);
}

/** Deletes the host's end, and with it the other end. */
export async function removeHostLink(paths: LabPaths): Promise<void> {
  await run("ip", ["link", "delete", paths.hostLink], { allowFailure: true });
}
