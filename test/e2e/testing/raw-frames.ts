// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from "node:url";
import { type LineProgram, startLines } from "../../../hack/traffic/lines.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Shot } from "../../../hack/traffic/stream.ts";
import { parseIp } from "../../../src/net/address.ts";
import { linkLocalFromMac } from "../../../src/net/mac.ts";
import { ipBytes } from "../../../src/netlink/values.ts";
import type { Thing } from "./objects.ts";
import { inPod } from "./pods.ts";
import type { World } from "./world.ts";

const SCRIPT = fileURLToPath(new URL("raw-frames-worker.ts", import.meta.url));

/** An interface of a pod on OVN, with its addresses. */
export interface Station {
  readonly netns: string;
  /** Index of the interface, in its namespace. */
  readonly index: number;
  readonly mac: string;
  readonly v4: string;
  readonly v6: string;
  /** The link-local address derived from its MAC (RFC 4291, appendix A). */
  readonly linkLocal: string;
}

/** The interface of a provider of a pod. */
export async function stationOf(world: World, pod: Thing, provider = "ovn", ifName = "eth0"): Promise<Station> {
  const { name, namespace = "", uid } = pod.metadata;
  const port = `${name}.${namespace}${provider === "ovn" ? "" : `.${provider}`}`;
  const { macAddress: mac, v4IpAddress: v4, v6IpAddress: v6 } = world.ips.get(port)?.spec ?? {};
  const { stdout } = await inPod(pod)(["ip", "-o", "link", "show", ifName]);
  const index = Number(/^(\d+):/.exec(stdout)?.[1]);
  return { netns: podNetns(uid), index, mac, v4, v6, linkLocal: linkLocalFromMac(mac)?.text ?? "" };
}

/** Sends frames through a packet socket, in order; resolves when the last is sent. */
export async function sendFrames({ netns, index }: Station, frames: readonly Buffer[]): Promise<void> {
  const program = await startLines(netns, SCRIPT, [
    "send",
    String(index),
    ...frames.map((frame) => frame.toString("hex")),
  ]);
  await program.stop();
}

/** Every frame that arrives at an interface, until it is stopped, at most 20,000: a line of hexadecimal digits each. `index`: of the interface in its namespace. */
export function captureFrames({ netns, index }: Pick<Station, "netns" | "index">): Promise<LineProgram> {
  return startLines(netns, SCRIPT, ["capture", String(index)]);
}

/** Sends an ICMP echo request per interval in milliseconds from a network namespace until it is stopped; `stop` returns the result of each. */
export async function pingStream(
  netns: string,
  address: string,
  everyMs: number,
): Promise<{ stop(): Promise<readonly Shot[]> }> {
  const program = await startLines(netns, SCRIPT, ["ping", address, String(everyMs)]);
  return { stop: async () => JSON.parse((await program.stop()).at(-1) ?? "[]") as readonly Shot[] };
}

/** The longest time without an echo, in ms: from the first request without one to the next request with one. */
export function longestGap(shots: readonly Shot[]): number {
  let [longest, since] = [0, undefined as number | undefined];
  for (const { sent, echoed } of shots) {
    if (echoed === undefined) since ??= sent;
    else if (since !== undefined) {
      longest = Math.max(longest, sent - since);
      since = undefined;
    }
  }
  return longest;
}

/** Whether a frame is among the received ones. (Short ones may be padded.) */
export function hasCome(lines: readonly string[], frame: Buffer): boolean {
  const text = frame.toString("hex");
  return lines.some((line) => line.startsWith(text));
}

const [ARP, IPV4, IPV6] = [0x0806, 0x0800, 0x86dd];
const [UDP, ICMPV6] = [17, 58];
const ZERO = "00:00:00:00:00:00";

/** Source or destination of a frame. */
export interface FrameAddress {
  readonly mac: string;
  readonly ip: string;
}

/** A datagram to port 9 (discard), or from and to `ports`; IPv4 or IPv6 by its addresses. */
export function datagram(
  from: FrameAddress,
  to: FrameAddress,
  text: string,
  ports: readonly [number, number] = [4_000, 9],
): Buffer {
  const payload = Buffer.from(text.length % 2 === 0 ? text : `${text} `);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(ports[0], 0);
  udp.writeUInt16BE(ports[1], 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  return packet(from, to, UDP, Buffer.concat([udp, payload]), 6, 64);
}

/** An ARP announcement (RFC 5227 §3): a request for one's own address. Linux accepts it at once, but a reply only when the entry is a second old (`locktime`). */
export function arpAnnouncement({ mac, ip }: FrameAddress): Buffer {
  return ethernet(mac, "ff:ff:ff:ff:ff:ff", ARP, [
    Buffer.from("0001080006040001", "hex"),
    bytes(mac),
    address(ip),
    Buffer.alloc(6),
    address(ip),
  ]);
}

/** An ARP reply (RFC 826) that says that `says.ip` is at `says.mac`. */
export function arpReply(from: string, says: FrameAddress, to: FrameAddress): Buffer {
  return ethernet(from, to.mac, ARP, [
    Buffer.from("0001080006040002", "hex"),
    bytes(says.mac),
    address(says.ip),
    bytes(to.mac),
    address(to.ip),
  ]);
}

/** A broadcast of a protocol that is neither ARP nor IP: a request of RARP (RFC 903), or any other. */
export function otherProtocol(from: string, type: "RARP" | number): Buffer {
  const [to, none] = ["ff:ff:ff:ff:ff:ff", Buffer.alloc(4)];
  if (type !== "RARP") return ethernet(from, to, type, [Buffer.alloc(46)]);
  return ethernet(from, to, 0x8035, [Buffer.from("0001080006040003", "hex"), bytes(from), none, bytes(from), none]);
}

/** A neighbour advertisement (RFC 4861 §4.4) that says that `says.ip` is at `says.mac`. */
export function advertisement(from: FrameAddress, says: FrameAddress, to: FrameAddress): Buffer {
  const message = Buffer.concat([
    Buffer.from([136, 0, 0, 0, 0x20, 0, 0, 0]),
    address(says.ip),
    Buffer.from([2, 1]),
    bytes(says.mac),
  ]);
  return packet(from, to, ICMPV6, message, 2, 255);
}

/** A neighbour solicitation (RFC 4861 §4.3) for `target`, to its group; `says`: the source link-layer address in it, if any. */
export function solicitation(from: FrameAddress, target: string, says?: string): Buffer {
  const option = says === undefined ? [] : [Buffer.from([1, 1]), bytes(says)];
  const message = Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), address(target), ...option]);
  const tail = address(target).subarray(13).toString("hex");
  const group = `ff02::1:ff${tail.slice(0, 2)}:${tail.slice(2)}`;
  return packet(from, { mac: `33:33:ff:${tail.match(/../g)?.join(":")}`, ip: group }, ICMPV6, message, 2, 255);
}

function packet(
  from: FrameAddress,
  to: FrameAddress,
  protocol: number,
  message: Buffer,
  checksumAt: number,
  hops: number,
): Buffer {
  const [source, destination] = [address(from.ip), address(to.ip)];
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(message.length, 0);
  pseudo.writeUInt32BE(protocol, 4);
  message.writeUInt16BE(checksum(Buffer.concat([source, destination, pseudo, message])), checksumAt);
  if (source.length === 16) {
    const header = Buffer.alloc(8);
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(message.length, 4);
    header.writeUInt8(protocol, 6);
    header.writeUInt8(hops, 7);
    return ethernet(from.mac, to.mac, IPV6, [header, source, destination, message]);
  }
  const header = Buffer.alloc(12);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + message.length, 2);
  header.writeUInt8(hops, 8);
  header.writeUInt8(protocol, 9);
  header.writeUInt16BE(checksum(Buffer.concat([header, source, destination])), 10);
  return ethernet(from.mac, to.mac, IPV4, [header, source, destination, message]);
}

function ethernet(from: string, to: string, type: number, payload: readonly Buffer[]): Buffer {
  const tag = Buffer.alloc(2);
  tag.writeUInt16BE(type);
  return Buffer.concat([bytes(to), bytes(from), tag, ...payload]);
}

function bytes(mac: string): Buffer {
  return Buffer.from((mac || ZERO).replaceAll(":", ""), "hex");
}

function address(text: string): Buffer {
  const ip = parseIp(text);
  if (ip === undefined) throw new Error(`${text} is not an address`);
  return ipBytes(ip);
}

/** The Internet checksum of an even number of bytes (RFC 1071). */
function checksum(of: Buffer): number {
  let sum = 0;
  for (let i = 0; i < of.length; i += 2) sum += of.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
