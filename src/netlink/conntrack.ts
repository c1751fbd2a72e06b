// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import { absentAs } from "./absent.ts";
import { bytesAttribute, decodeAttributes, nestedAttribute, u8Attribute, u32Attribute } from "./attributes.ts";
import type { NetlinkRequest } from "./message.ts";
import type { NetlinkSocket } from "./socket.ts";
import { familyNumber, ipBytes } from "./values.ts";

/** NFNL_SUBSYS_CTNETLINK (linux/netfilter/nfnetlink.h): the upper byte of a message's type; the lower one is IPCTNL_MSG_CT_*. */
const CTNETLINK = 1 << 8;
const GET = 1;
const DELETE = 2;

/** CTA_* (linux/netfilter/nfnetlink_conntrack.h). */
const TUPLE_ORIG = 1;
const TUPLE_REPLY = 2;
const ID = 12;
const ZONE = 18;
const FILTER = 25;
/** In a tuple: CTA_TUPLE_IP, with CTA_IP_V4_SRC or CTA_IP_V6_SRC; CTA_TUPLE_PROTO, with CTA_PROTO_NUM and CTA_PROTO_SRC_PORT. */
const TUPLE_IP = 1;
const SOURCE = { 4: 1, 6: 3 } as const;
const TUPLE_PROTO = 2;
const PROTO_NUM = 1;
const PROTO_SRC_PORT = 2;
/**
 * CTA_FILTER_REPLY_FLAGS, and the bits of the compared fields: protocol and source port (CTA_FILTER_F_*, net/netfilter/nf_internals.h). The address is not
 * compared: for IPv6 the kernel (6.18) inverts that filter.
 */
const FILTER_ORIG_FLAGS = 1;
const FILTER_REPLY_FLAGS = 2;
const COMPARED = (1 << 3) | (1 << 4);

/** NLA_F_NESTED, which newer containers require. */
const NESTED = 0x8000;
const UDP = 17;

/**
 * Deletes the conntrack entries of UDP flows that are translated to an endpoint, so that the next packet of a client is translated by the current rules. Needs Linux 5.8.
 * @param socket one of protocol NETLINK_NETFILTER.
 * @returns the number of deleted entries.
 */
export function forgetUdpFlows(socket: NetlinkSocket, ip: Ip, port: number): number {
  const found = socket.dump(dumpRequest(ip, port));
  return found.filter(({ payload }) =>
    absentAs(false, () => {
      const attributes = decodeAttributes(payload.subarray(4), "conntrack entry");
      const source = attributes.nested(TUPLE_REPLY)?.nested(TUPLE_IP)?.bytes(SOURCE[ip.family]);
      if (source === undefined || !source.equals(ipBytes(ip))) return false;
      const kept = [TUPLE_ORIG, ID, ZONE].flatMap((type) => {
        const value = attributes.bytes(type);
        return value === undefined ? [] : [bytesAttribute(type === TUPLE_ORIG ? type | NESTED : type, value)];
      });
      socket.request({ type: CTNETLINK | DELETE, name: "IPCTNL_MSG_CT_DELETE", payload: payloadOf(ip, kept) });
      return true;
    }),
  ).length;
}

function dumpRequest(ip: Ip, port: number): NetlinkRequest {
  const number = Buffer.alloc(2);
  number.writeUInt16BE(port);
  const tuple = nestedAttribute(TUPLE_REPLY | NESTED, [
    nestedAttribute(TUPLE_PROTO | NESTED, [u8Attribute(PROTO_NUM, UDP), bytesAttribute(PROTO_SRC_PORT, number)]),
  ]);
  const filter = nestedAttribute(FILTER | NESTED, [
    u32Attribute(FILTER_ORIG_FLAGS, 0),
    u32Attribute(FILTER_REPLY_FLAGS, COMPARED),
  ]);
  return { type: CTNETLINK | GET, name: "IPCTNL_MSG_CT_GET", payload: payloadOf(ip, [tuple, filter]) };
}

/** struct nfgenmsg: family, version, resource id; and the attributes. */
function payloadOf({ family }: Ip, attributes: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([familyNumber(family), 0, 0, 0]), ...attributes]);
}
