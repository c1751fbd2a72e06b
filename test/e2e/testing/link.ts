// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from "node:url";
import { type LineProgram, startLines } from "../../../hack/traffic/lines.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Thing } from "./objects.ts";
import { inPod } from "./pods.ts";

const SCRIPT = fileURLToPath(new URL("link-worker.ts", import.meta.url));

/** Starts the program in a pod's network namespace. */
function start(pod: Thing, args: readonly string[]): Promise<LineProgram> {
  return startLines(podNetns(pod.metadata.uid), SCRIPT, args);
}

/** Not from /sys, which shows the host's interfaces in a process with only its own network namespace. */
async function linkIndex(pod: Thing): Promise<string> {
  return /^(\d+):/.exec((await inPod(pod)(["ip", "-o", "link", "show", "eth0"])).stdout)?.[1] ?? "";
}

/**
 * The packets that arrive at a pod's eth0 with this destination (`::` for any of IPv6), until it is stopped; each is a line of hexadecimal digits, from
 * the IP header on.
 */
export async function capture(pod: Thing, destination: string): Promise<LineProgram> {
  return start(pod, ["capture", await linkIndex(pod), destination]);
}

/** A pod joins a group until it is stopped; prints a line with the length of each datagram that arrives. */
export function joinGroup(pod: Thing, group: string, by: string, port: number): Promise<LineProgram> {
  return start(pod, ["join", group, by, String(port)]);
}

/** A pod sends a number of datagrams of a given size to a group. */
export async function castToGroup(
  pod: Thing,
  group: string,
  by: string,
  port: number,
  count: number,
  bytes = 4,
): Promise<void> {
  await (await start(pod, ["cast", group, by, String(port), String(count), String(bytes)])).stop();
}

/** A pod solicits a router advertisement. */
export async function solicitRouter(pod: Thing): Promise<void> {
  await (await start(pod, ["solicit", await linkIndex(pod)])).stop();
}

/** A pod sends a frame several times, with any source and destination MAC; `hex` starts with the Ethernet header. */
export async function sendFrame(pod: Thing, hex: string, count: number): Promise<void> {
  await (await start(pod, ["frames", await linkIndex(pod), hex, String(count)])).stop();
}

/** A pod requests an address by DHCPv6: the server's Reply, empty if none arrived. */
export async function leaseV6(pod: Thing, mac: string): Promise<Buffer> {
  return Buffer.from((await (await start(pod, ["dhcpv6", "eth0", mac])).stop()).join(""), "hex");
}
