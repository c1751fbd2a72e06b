// SPDX-License-Identifier: Apache-2.0

import { align4, asBuffer, decodeAttributes } from "./attributes.ts";
import { malformed } from "./error.ts";

/** A request. The socket adds NLM_F_REQUEST, NLM_F_ACK or NLM_F_DUMP, and the sequence number. */
export interface NetlinkRequest {
  /** RTM_* */
  readonly type: number;
  /** The name of `type`, for errors */
  readonly name: string;
  /** NLM_F_CREATE and similar flags; default 0 */
  readonly flags?: number;
  /** The family header (struct ifinfomsg …), followed by the attributes */
  readonly payload: Buffer;
}

/** A received message (struct nlmsghdr, linux/netlink.h). */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly port: number;
  readonly payload: Buffer;
}

/** Message types below 16 are control messages of netlink. */
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x001;
export const NLM_F_ACK = 0x004;
/** The table changed during the dump, which may miss or repeat entries. */
export const NLM_F_DUMP_INTR = 0x010;
/** NLM_F_ROOT | NLM_F_MATCH */
export const NLM_F_DUMP = 0x300;
/** In a request that creates an object: replace an existing one. */
export const NLM_F_REPLACE = 0x100;
/** In a request that creates an object: fail if it exists. */
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** In an NLMSG_ERROR: it does not contain the request. */
const NLM_F_CAPPED = 0x100;
/** In an NLMSG_ERROR or NLMSG_DONE: attributes of the extended ACK follow. */
const NLM_F_ACK_TLVS = 0x200;

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;
const NLMSGERR_ATTR_MISS_TYPE = 5;

const HEADER = 16;

/** One message with its header. With `port` 0 the kernel fills in the socket's own. */
export function encodeMessage(message: Omit<NetlinkMessage, "port">): Buffer {
  const out = Buffer.alloc(align4(HEADER + message.payload.length));
  out.writeUInt32LE(HEADER + message.payload.length, 0);
  out.writeUInt16LE(message.type, 4);
  out.writeUInt16LE(message.flags, 6);
  out.writeUInt32LE(message.sequence, 8);
  out.set(message.payload, HEADER);
  return out;
}

/** The messages of one datagram. Throws `protocol` for an invalid length. Payloads point into `datagram`. */
export function decodeMessages(datagram: Uint8Array): NetlinkMessage[] {
  const buffer = asBuffer(datagram);
  const messages: NetlinkMessage[] = [];
  let offset = 0;
  while (offset < buffer.length) {
    const left = buffer.length - offset;
    if (left < HEADER) throw malformed("netlink message", `${left} bytes left of a datagram`);
    const length = buffer.readUInt32LE(offset);
    if (length < HEADER || length > left) {
      throw malformed("netlink message", `a length of ${length} where ${left} bytes are left`);
    }
    messages.push({
      type: buffer.readUInt16LE(offset + 4),
      flags: buffer.readUInt16LE(offset + 6),
      sequence: buffer.readUInt32LE(offset + 8),
      port: buffer.readUInt32LE(offset + 12),
      payload: buffer.subarray(offset + HEADER, offset + length),
    });
    offset += align4(length);
  }
  return messages;
}

/** The content of an NLMSG_ERROR or NLMSG_DONE. */
export interface Acknowledgement {
  /** Positive errno(3); 0 is success */
  readonly errno: number;
  /** The kernel's message (NLMSGERR_ATTR_MSG); a warning if `errno` is 0 */
  readonly text: string | undefined;
}

/**
 * Reads an NLMSG_ERROR (struct nlmsgerr, then the request unless capped) or an NLMSG_DONE (an int), each followed by the
 * extended ACK if NLM_F_ACK_TLVS is set.
 */
export function decodeAcknowledgement(message: NetlinkMessage): Acknowledgement {
  const { payload } = message;
  if (message.type === NLMSG_DONE && payload.length === 0) return { errno: 0, text: undefined };
  if (payload.length < 4) throw malformed("netlink acknowledgement", `${payload.length} bytes`);
  const errno = 0 - payload.readInt32LE(0);
  if (errno < 0) throw malformed("netlink acknowledgement", `an error number of ${errno}`);
  let end = 4;
  if (message.type === NLMSG_ERROR) {
    if (payload.length < 4 + HEADER) throw malformed("netlink acknowledgement", `${payload.length} bytes`);
    const repeated = (message.flags & NLM_F_CAPPED) !== 0 ? HEADER : payload.readUInt32LE(4);
    end = 4 + align4(repeated);
  }
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
  if (end > payload.length) throw malformed("netlink acknowledgement", "the request in it is longer than it is");
  const attributes = decodeAttributes(payload.subarray(end), "netlink acknowledgement");
  const text = attributes.text(NLMSGERR_ATTR_MSG);
  const missing = attributes.u32(NLMSGERR_ATTR_MISS_TYPE);
  const at = attributes.u32(NLMSGERR_ATTR_OFFS);
  const parts = [
    text,
    missing === undefined ? undefined : `attribute ${missing} is missing`,
    at === undefined ? undefined : `at byte ${at} of the request`,
  ].filter((part) => part !== undefined);
  return { errno, text: parts.length === 0 ? undefined : parts.join(", ") };
}
