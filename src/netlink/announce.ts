// SPDX-License-Identifier: Apache-2.0

import { close } from "node:fs";
import { encodeAnnouncement, type Frame } from "./announce-codec.ts";
import { NetlinkError } from "./error.ts";
import { AF_PACKET, openSocket, SOCK_RAW, sendTo, setOption } from "./libc.ts";
import { macBytes, requireIndex, requireIp } from "./values.ts";
import type { Netns } from "./with-netns.ts";

/** packet(7) */
const SOL_PACKET = 263;
const PACKET_QDISC_BYPASS = 20;
const ENOBUFS = 105;

/**
 * Announces addresses on the link, as after each ADD (`src/daemon/cni/add.ts`): one gratuitous ARP or unsolicited neighbour advertisement each. Neighbours update
 * the MAC, and switches the port. Does not wait; there is no reply. Throws `down` unless the interface is up and has a
 * carrier.
 */
export function announce(
  ns: Netns,
  link: { readonly index: number; readonly mac: string },
  addresses: readonly string[],
): void {
  ns.assertEntered("announce");
  const index = requireIndex("announce", link.index);
  const mac = macBytes("announce", link.mac);
  const frames = addresses.map((address) => encodeAnnouncement(mac, requireIp("announce", address)));
  if (frames.length === 0) return;
  // Protocol 0: this socket receives nothing.
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0);
  try {
    // Bypass the qdisc: for up to a second after a veth gets its carrier, the noop qdisc still drops packets.
    setOption(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    for (const frame of frames) send(fd, index, frame);
  } finally {
    // On a thread of libuv's pool: the kernel closes a packet socket only after an RCU grace period (10 ms and more).
    close(fd, () => {});
  }
}

function send(fd: number, index: number, frame: Frame): void {
  try {
    sendTo(fd, frame.bytes, linkLayerAddress(index, frame));
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== ENOBUFS) throw error;
    throw new NetlinkError("down", "announce", "the interface has no carrier", { errno: ENOBUFS, cause: error });
  }
}

/** struct sockaddr_ll (packet(7)), of which sending needs family, protocol, interface and address length. */
function linkLayerAddress(index: number, frame: Frame): Buffer {
  const out = Buffer.alloc(20);
  out.writeUInt16LE(AF_PACKET, 0);
  out.writeUInt16BE(frame.etherType, 2);
  out.writeInt32LE(index, 4);
  out.writeUInt8(6, 11);
  frame.bytes.copy(out, 12, 0, 6);
  return out;
}
