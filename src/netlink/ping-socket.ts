// SPDX-License-Identifier: Apache-2.0

import { closeSync } from "node:fs";
import type { Family } from "../net/address.ts";
import { invalidArgument } from "./error.ts";
import { openSocket, receive, SOCK_DGRAM, sendTo, watchReadable } from "./libc.ts";
import { familyNumber, ipBytes, requireIp } from "./values.ts";

/** The protocol, and the types of a request and of a reply (RFC 792; RFC 4443 §4). */
const ICMP = { 4: { protocol: 1, request: 8, reply: 0 }, 6: { protocol: 58, request: 128, reply: 129 } } as const;
/** Type, code, checksum, identifier, sequence number. */
const HEADER = 8;
/** Replies read in one iteration of the event loop. */
const MAX_READS = 256;
const RECEIVED = Buffer.alloc(2_048);

/** A socket for echo requests of one family, open until it is closed. Closing it twice is not an error. */
export interface PingSocket {
  /**
   * Sends an echo request. `sequence`: 0 to 65,535. Throws the kernel's error: `unreachable` without a route, `permission` if a packet filter of this host
   * drops the request, `no-memory`; and `invalid` for an address of the other family.
   */
  send(address: string, sequence: number, payload: Uint8Array): void;
  close(): void;
}

/**
 * Opens a ping socket (icmp(7)) in the network namespace of the thread: the kernel chooses the identifier, computes the checksum, and delivers replies with
 * this identifier only. It needs no capability. Throws `permission` unless a group of the process is in `net.ipv4.ping_group_range`, which applies to both families.
 */
export function openPingSocket(family: Family, onReply: (sequence: number, payload: Buffer) => void): PingSocket {
  const { protocol, request, reply } = ICMP[family];
  const fd = openSocket(familyNumber(family), SOCK_DGRAM, protocol);
  let open = true;
  const readiness = watchReadable(fd, () => {
    for (let reads = 0; open && reads < MAX_READS; reads++) {
      const length = receive(fd, RECEIVED);
      if (length === "empty") return;
      if (length === "overrun" || length < HEADER || length > RECEIVED.length || RECEIVED[0] !== reply) continue;
      onReply(RECEIVED.readUInt16BE(6), Buffer.from(RECEIVED.subarray(HEADER, length)));
    }
  });
  return {
    send: (address, sequence, payload) => {
      const message = Buffer.alloc(HEADER + payload.length);
      message[0] = request;
      message.writeUInt16BE(sequence, 6);
      message.set(payload, HEADER);
      sendTo(fd, message, socketAddress(family, address));
    },
    close: () => {
      if (!open) return;
      open = false;
      readiness.close();
      closeSync(fd);
    },
  };
}

/** struct sockaddr_in (ip(7)) or sockaddr_in6 (ipv6(7)), without a port. */
function socketAddress(family: Family, text: string): Buffer {
  const ip = requireIp("sendto", text);
  if (ip.family !== family) throw invalidArgument("sendto", `${text} is not an IPv${family} address`);
  const out = Buffer.alloc(family === 4 ? 16 : 28);
  out.writeUInt16LE(familyNumber(family), 0);
  ipBytes(ip).copy(out, family === 4 ? 4 : 8);
  return out;
}
