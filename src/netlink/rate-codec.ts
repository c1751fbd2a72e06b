// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from "./error.ts";

/** struct tc_ratespec (linux/pkt_sched.h) */
const RATESPEC = 12;
/** TC_LINKLAYER_ETHERNET: the kernel computes the rate, and does not need a table of sending times. */
const ETHERNET = 1;
const MAX_U32 = 0xffff_ffff;

/** The struct for a rate in bit/s; the kernel counts in bytes per second. Throws `invalid`. */
export function encodeRate(operation: string, bits: number): Buffer {
  const bytes = Math.floor(bits / 8);
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw invalidArgument(operation, `a rate of ${bits} bit/s`);
  const out = Buffer.alloc(RATESPEC);
  out.writeUInt8(ETHERNET, 1);
  // Larger rates have a separate attribute, see `rate64`.
  out.writeUInt32LE(Math.min(bytes, MAX_U32), 8);
  return out;
}

/** Bytes per second, if they do not fit into the struct (from 34 Gbit/s), else `undefined`. */
export function rate64(bits: number): Buffer | undefined {
  const bytes = Math.floor(bits / 8);
  if (bytes < MAX_U32) return undefined;
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(bytes));
  return out;
}

/** The rate in bit/s from the struct at the start of `spec` and from the 64-bit attribute, if present. */
export function decodeRate(spec: Buffer, large: Buffer | undefined): number {
  return (large === undefined ? spec.readUInt32LE(8) : Number(large.readBigUInt64LE(0))) * 8;
}
