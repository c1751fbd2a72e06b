// SPDX-License-Identifier: Apache-2.0

import { closeSync } from "node:fs";
import { AF_INET_SOCKET, ioctlWithPointer, openSocket, SOCK_DGRAM } from "./libc.ts";
import { requireInterfaceName } from "./values.ts";
import type { Netns } from "./with-netns.ts";

/** linux/sockios.h, linux/ethtool.h */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GTXCSUM = 0x16;
const ETHTOOL_STXCSUM = 0x17;
/** struct ifreq: a name in 16 bytes, then a union of 24 whose pointer is its first 8. */
const IFREQ = 40;
const IFNAMSIZ = 16;

/** struct ethtool_value: u32 command, u32 value. Returns the value that the kernel writes back. */
function ethtool(ns: Netns, operation: string, command: number, name: string, value: number): number {
  ns.assertEntered(operation);
  const request = Buffer.alloc(IFREQ);
  request.write(requireInterfaceName(operation, name), "utf8");
  const argument = Buffer.alloc(8);
  argument.writeUInt32LE(command, 0);
  argument.writeUInt32LE(value, 4);
  const fd = openSocket(AF_INET_SOCKET, SOCK_DGRAM, 0);
  try {
    ioctlWithPointer(operation, fd, SIOCETHTOOL, request, IFNAMSIZ, argument);
  } finally {
    closeSync(fd);
  }
  return argument.readUInt32LE(4);
}

/**
 * Switches TX checksum offload on or off, as `ethtool -K NAME tx off` does; segmentation offloads depend on it. A veth
 * leaves the checksums unset, and the userspace datapath of Open vSwitch forwards the packets as they are: TCP works
 * only with the offload off on both ends.
 *
 * Throws `not-found`, and `unsupported` if the device cannot.
 */
export function setTxChecksum(ns: Netns, name: string, on: boolean): void {
  ethtool(ns, "ETHTOOL_STXCSUM", ETHTOOL_STXCSUM, name, on ? 1 : 0);
}

/** Whether TX checksum offload is on. */
export function getTxChecksum(ns: Netns, name: string): boolean {
  return ethtool(ns, "ETHTOOL_GTXCSUM", ETHTOOL_GTXCSUM, name, 0) !== 0;
}
