// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import { ipBytes } from "./values.ts";

/** IEEE 802 numbers */
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;
const BROADCAST = Buffer.from("ffffffffffff", "hex");
/** ff02::1, all nodes of the link, and its MAC (RFC 2464 §7) */
const ALL_NODES = Buffer.from("ff020000000000000000000000000001", "hex");
const ALL_NODES_MAC = Buffer.from("333300000001", "hex");
const ICMPV6 = 58;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** Unsolicited, with the override flag (RFC 4861 §4.4). */
const OVERRIDE = 0x20;
const TARGET_LINK_ADDRESS = 2;

/** An Ethernet frame and its type. */
export interface Frame {
  readonly etherType: number;
  readonly bytes: Buffer;
}

/**
 * The frame that announces the address on the link: an ARP announcement, that is, a broadcast request for the sender's own
 * address (RFC 5227 §2.3), or an unsolicited neighbour advertisement to all nodes (RFC 4861 §7.2.6). `mac` is 6 bytes.
 */
export function encodeAnnouncement(mac: Buffer, ip: Ip): Frame {
  return ip.family === 4 ? arpAnnouncement(mac, ipBytes(ip)) : neighbourAdvertisement(mac, ipBytes(ip));
}

function ethernet(to: Buffer, from: Buffer, etherType: number, payload: readonly Buffer[]): Frame {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(etherType);
  return { etherType, bytes: Buffer.concat([to, from, type, ...payload]) };
}

function arpAnnouncement(mac: Buffer, address: Buffer): Frame {
  // RFC 826: Ethernet (1), IPv4, 6 and 4 bytes, request (1).
  const header = Buffer.from("0001080006040001", "hex");
  return ethernet(BROADCAST, mac, ETHERTYPE_ARP, [header, mac, address, Buffer.alloc(6), address]);
}

function neighbourAdvertisement(mac: Buffer, address: Buffer): Frame {
  const message = Buffer.concat([
    Buffer.from([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0]),
    address,
    Buffer.from([TARGET_LINK_ADDRESS, 1]),
    mac,
  ]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(message.length, 0);
  tail.writeUInt32BE(ICMPV6, 4);
  // RFC 8200 §8.1: the checksum covers the addresses, the length and the protocol as well.
  message.writeUInt16BE(checksum(Buffer.concat([address, ALL_NODES, tail, message])), 2);
  // Version 6, hop limit 255: receivers drop any other value, because the packet could have passed a router (RFC 4861 §7.1.2).
  const header = Buffer.alloc(8);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(message.length, 4);
  header.writeUInt8(ICMPV6, 6);
  header.writeUInt8(255, 7);
  return ethernet(ALL_NODES_MAC, mac, ETHERTYPE_IPV6, [header, address, ALL_NODES, message]);
}

/** The Internet checksum of an even number of bytes (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
