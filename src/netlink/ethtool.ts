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

/** struct ethtool_value: u32 command, u32 value. Gives the value as the kernel leaves it. */
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
 * Switches the computing of checksums of sent packets by the device on or off, as `ethtool -K NAME tx off`; segmentation
 * offloads, which need it, go with it. A veth "computes" them by leaving them out, and the userspace datapath of Open
 * vSwitch passes on what it gets: TCP over it works only with this off on both ends.
 *
 * Throws `not-found`, and `unsupported` if the device cannot.
 */
export function setTxChecksum(ns: Netns, name: string, on: boolean): void {
  ethtool(ns, "ETHTOOL_STXCSUM", ETHTOOL_STXCSUM, name, on ? 1 : 0);
}

/** Whether the device computes the checksums of sent packets. */
export function getTxChecksum(ns: Netns, name: string): boolean {
  return ethtool(ns, "ETHTOOL_GTXCSUM", ETHTOOL_GTXCSUM, name, 0) !== 0;
}
