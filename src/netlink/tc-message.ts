// SPDX-License-Identifier: Apache-2.0

import { type AttributeSet, decodeAttributes } from "./attributes.ts";
import { invalidArgument, malformed } from "./error.ts";

/** The common part of messages of qdiscs (linux/rtnetlink.h struct tcmsg). */

export const TCA_KIND = 1;
export const TCA_OPTIONS = 2;
const TC_H_ROOT = 0xffff_ffff;
const HEADER = 20;

/**
 * A handle or parent, as tc(8) writes it: "root", a qdisc "1:" or a class "1:10". The numbers are
 * hexadecimal, 16 bits each.
 */
export type TcHandle = string;

/** The kernel's number for a handle. Throws `invalid`. */
export function handleNumber(operation: string, handle: TcHandle): number {
  if (handle === "root") return TC_H_ROOT;
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{0,4})$/i.exec(handle);
  if (match === null) throw invalidArgument(operation, `"${handle}" is not a handle`);
  return Number.parseInt(match[1] ?? "", 16) * 0x1_0000 + Number.parseInt(match[2] || "0", 16);
}

/** The handle for the kernel's number. */
export function handleText(number: number): TcHandle {
  if (number === TC_H_ROOT) return "root";
  const minor = number & 0xffff;
  return `${(number >>> 16).toString(16)}:${minor === 0 ? "" : minor.toString(16)}`;
}

/** struct tcmsg */
export function tcHeader(index: number, handle: number, parent: number): Buffer {
  const out = Buffer.alloc(HEADER);
  out.writeInt32LE(index, 4);
  out.writeUInt32LE(handle, 8);
  out.writeUInt32LE(parent, 12);
  return out;
}

/** The decoded common part of messages of qdiscs. */
export interface TcHead {
  readonly index: number;
  readonly kind: string;
  readonly handle: TcHandle;
  readonly parent: TcHandle;
  /** Only for the requested kinds: the options of others need not be attributes */
  readonly options: AttributeSet | undefined;
}

/** Reads the header, the kind, and the options if it is one of the given kinds. Throws `protocol`. */
export function decodeTcHead(payload: Buffer, what: string, kinds: readonly string[]): TcHead {
  if (payload.length < HEADER) throw malformed(what, `${payload.length} bytes`);
  const attributes = decodeAttributes(payload.subarray(HEADER), what);
  const kind = attributes.text(TCA_KIND) ?? "";
  return {
    index: payload.readInt32LE(4),
    kind,
    handle: handleText(payload.readUInt32LE(8)),
    parent: handleText(payload.readUInt32LE(12)),
    options: kinds.includes(kind) ? attributes.nested(TCA_OPTIONS) : undefined,
  };
}
