// SPDX-License-Identifier: Apache-2.0

import { bytesAttribute, nestedAttribute, textAttribute } from "./attributes.ts";
import { type NetlinkRequest, NLM_F_CREATE } from "./message.ts";
import { decodeRate, encodeRate, rate64 } from "./rate-codec.ts";
import { decodeTcHead, handleNumber, TCA_KIND, TCA_OPTIONS, type TcHandle, tcHeader } from "./tc-message.ts";
import { requireIndex, requireU32 } from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWTCLASS = 40;
const RTM_DELTCLASS = 41;
const RTM_GETTCLASS = 42;

/** linux/pkt_sched.h */
const TCA_HTB_PARMS = 1;
const TCA_HTB_RATE64 = 6;
const TCA_HTB_CEIL64 = 7;
/** struct tc_htb_opt */
const HTB_PARMS = 44;

/** A class of an htb. */
export interface ClassSpec {
  readonly index: number;
  /** The qdisc or class above: "1:", "1:1" */
  readonly parent: TcHandle;
  /** "1:10" */
  readonly handle: TcHandle;
  /** Guaranteed rate, bit/s */
  readonly rate: number;
  /** Maximum rate when it borrows, bit/s; default: `rate` */
  readonly ceil?: number;
  /** Burst at `rate`, bytes; default: 10 ms at that rate, at least 2 KiB */
  readonly burst?: number;
  /** Burst at `ceil`, bytes; default: likewise */
  readonly ceilBurst?: number;
  /** Classes with a lower value get excess bandwidth first; default 0 */
  readonly priority?: number;
}

/** A class as the kernel reports it. */
export interface TrafficClass {
  readonly index: number;
  readonly kind: string;
  readonly handle: TcHandle;
  readonly parent: TcHandle;
  /** Of an htb: bits per second */
  readonly rate: number | undefined;
  /** Of an htb: bits per second */
  readonly ceil: number | undefined;
  readonly priority: number | undefined;
}

/** Creates or changes a class of an htb. */
export function encodeClassSet(spec: ClassSpec): NetlinkRequest {
  const name = "RTM_NEWTCLASS";
  const ceil = spec.ceil ?? spec.rate;
  const parms = Buffer.alloc(HTB_PARMS);
  encodeRate(name, spec.rate).copy(parms, 0);
  encodeRate(name, ceil).copy(parms, 12);
  parms.writeUInt32LE(sendingTime(name, spec.burst ?? defaultBurst(spec.rate), spec.rate), 24);
  parms.writeUInt32LE(sendingTime(name, spec.ceilBurst ?? defaultBurst(ceil), ceil), 28);
  // The value that the kernel would choose; it logs a warning when it has to.
  const quantum = Math.floor(spec.rate / 8 / 10);
  parms.writeUInt32LE(Math.min(Math.max(quantum, 1_000), 200_000), 32);
  parms.writeUInt32LE(requireU32(name, "priority", spec.priority ?? 0), 40);
  const options = [bytesAttribute(TCA_HTB_PARMS, parms)];
  const large = [
    [TCA_HTB_RATE64, rate64(spec.rate)],
    [TCA_HTB_CEIL64, rate64(ceil)],
  ] as const;
  for (const [attribute, value] of large) if (value !== undefined) options.push(bytesAttribute(attribute, value));
  const header = tcHeader(
    requireIndex(name, spec.index),
    handleNumber(name, spec.handle),
    handleNumber(name, spec.parent),
  );
  const payload = Buffer.concat([header, textAttribute(TCA_KIND, "htb"), nestedAttribute(TCA_OPTIONS, options)]);
  return { type: RTM_NEWTCLASS, name, flags: NLM_F_CREATE, payload };
}

function defaultBurst(rate: number): number {
  return Math.max(2_048, Math.ceil(rate / 8 / 100));
}

/** Transmission time of that many bytes, in ticks of 64 ns (PSCHED_SHIFT; in every kernel since Linux 2.6.31). */
function sendingTime(name: string, bytes: number, rate: number): number {
  const ticks = Math.floor((requireU32(name, "a burst of", bytes) * 8 * 1e9) / rate / 64);
  return requireU32(name, "the ticks of a burst,", ticks);
}

/** Deletes a class. */
export function encodeClassDelete(index: number, handle: TcHandle): NetlinkRequest {
  const name = "RTM_DELTCLASS";
  return { type: RTM_DELTCLASS, name, payload: tcHeader(requireIndex(name, index), handleNumber(name, handle), 0) };
}

/** Requests the classes of an interface. */
export function encodeClassDump(index: number): NetlinkRequest {
  const name = "RTM_GETTCLASS";
  return { type: RTM_GETTCLASS, name, payload: tcHeader(requireIndex(name, index), 0, 0) };
}

/** Reads the payload of an RTM_NEWTCLASS. Throws `protocol`. */
export function decodeClass(payload: Buffer): TrafficClass {
  const { index, kind, handle, parent, options } = decodeTcHead(payload, "class", ["htb"]);
  const parms = options?.struct(TCA_HTB_PARMS, HTB_PARMS);
  return {
    index,
    kind,
    handle,
    parent,
    rate: parms === undefined ? undefined : decodeRate(parms, options?.struct(TCA_HTB_RATE64, 8)),
    ceil: parms === undefined ? undefined : decodeRate(parms.subarray(12), options?.struct(TCA_HTB_CEIL64, 8)),
    priority: parms?.readUInt32LE(40),
  };
}
