// SPDX-License-Identifier: Apache-2.0

import { bytesAttribute, nestedAttribute, textAttribute, u32Attribute } from "./attributes.ts";
import { invalidArgument } from "./error.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_REPLACE } from "./message.ts";
import { decodeRate, encodeRate, rate64 } from "./rate-codec.ts";
import { decodeTcHead, handleNumber, TCA_KIND, TCA_OPTIONS, type TcHandle, tcHeader } from "./tc-message.ts";
import { requireIndex, requireU32 } from "./values.ts";

/** linux/rtnetlink.h */
export const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;

/** linux/pkt_sched.h */
const TCA_TBF_PARMS = 1;
const TCA_TBF_RATE64 = 4;
const TCA_TBF_BURST = 6;
/** struct tc_tbf_qopt */
const TBF_PARMS = 36;
const TCA_NETEM_LATENCY64 = 10;
const TCA_NETEM_JITTER64 = 11;
/** struct tc_netem_qopt */
const NETEM_PARMS = 24;
/** ns of a tick of the kernel's packet scheduler (include/net/pkt_sched.h, PSCHED_SHIFT); /proc/net/psched shows it. */
const TICK_NS = 64;
/** Default packets in a netem's queue, as in iproute2. */
const NETEM_LIMIT = 1_000;

/**
 * A queueing discipline to put on an interface.
 *
 * - `tbf` (tc-tbf(8)) limits to `rate` with bursts of `burst`, and drops packets when more than `limit` bytes are queued.
 * - `netem` (tc-netem(8)) emulates a network. Needs sch_netem: a kernel without it answers ENOENT.
 */
export type QdiscSpec = { readonly index: number; readonly parent?: TcHandle; readonly handle?: TcHandle } & (
  | {
      readonly kind: "tbf";
      /** Bits per second */
      readonly rate: number;
      /** Bytes; at least the MTU, and at least the bytes of a timer tick (`rate` / 250 / 8) */
      readonly burst: number;
      /** Bytes */
      readonly limit: number;
    }
  | {
      readonly kind: "netem";
      /** ms */
      readonly latency?: number;
      /** ms by which the latency varies */
      readonly jitter?: number;
      /** Percent of packets that are dropped */
      readonly loss?: number;
      /** Packets that wait at once; default 1,000 */
      readonly limit?: number;
    }
);

/** A queueing discipline as the kernel reports it. */
export interface Qdisc {
  readonly index: number;
  readonly kind: string;
  readonly handle: TcHandle;
  readonly parent: TcHandle;
  /** Of a tbf: bits per second */
  readonly rate: number | undefined;
  /** Of a tbf: bytes, rounded by the kernel */
  readonly limit: number | undefined;
}

/** Creates or replaces the qdisc of a parent. */
export function encodeQdiscSet(spec: QdiscSpec): NetlinkRequest {
  const name = "RTM_NEWQDISC";
  const parent = handleNumber(name, spec.parent ?? "root");
  const handle = handleNumber(name, spec.handle ?? "0:");
  const parts = [tcHeader(requireIndex(name, spec.index), handle, parent), textAttribute(TCA_KIND, spec.kind)];
  if (spec.kind === "tbf") parts.push(nestedAttribute(TCA_OPTIONS, tbfOptions(name, spec)));
  // No nested attributes: a struct, which attributes may follow.
  if (spec.kind === "netem") parts.push(bytesAttribute(TCA_OPTIONS, netemOptions(name, spec)));
  return { type: RTM_NEWQDISC, name, flags: NLM_F_CREATE | NLM_F_REPLACE, payload: Buffer.concat(parts) };
}

function tbfOptions(name: string, spec: { rate: number; burst: number; limit: number }): Buffer[] {
  const parms = Buffer.alloc(TBF_PARMS);
  encodeRate(name, spec.rate).copy(parms, 0);
  parms.writeUInt32LE(requireU32(name, "a limit of", spec.limit), 24);
  const parts = [bytesAttribute(TCA_TBF_PARMS, parms)];
  const large = rate64(spec.rate);
  if (large !== undefined) parts.push(bytesAttribute(TCA_TBF_RATE64, large));
  // In bytes, which does not depend on the kernel's clock.
  parts.push(u32Attribute(TCA_TBF_BURST, requireU32(name, "a burst of", spec.burst)));
  return parts;
}

function netemOptions(
  name: string,
  spec: { readonly latency?: number; readonly jitter?: number; readonly loss?: number; readonly limit?: number },
): Buffer {
  const { latency = 0, jitter = 0, loss = 0, limit = NETEM_LIMIT } = spec;
  const parms = Buffer.alloc(NETEM_PARMS);
  const parts: Buffer[] = [parms];
  for (const [what, ms, offset, attribute] of [
    ["a latency of", latency, 0, TCA_NETEM_LATENCY64],
    ["a jitter of", jitter, 20, TCA_NETEM_JITTER64],
  ] as const) {
    const ticks = (ms * 1e6) / TICK_NS;
    if (!(ms >= 0 && ms * 1e6 <= Number.MAX_SAFE_INTEGER)) throw invalidArgument(name, `${what} ${ms} ms`);
    if (ticks <= 0xffff_ffff) parms.writeUInt32LE(Math.floor(ticks), offset);
    else {
      const ns = Buffer.alloc(8);
      ns.writeBigInt64LE(BigInt(ms) * 1_000_000n);
      parts.push(bytesAttribute(attribute, ns));
    }
  }
  parms.writeUInt32LE(requireU32(name, "a limit of", limit), 4);
  if (!(loss >= 0 && loss <= 100)) throw invalidArgument(name, `a loss of ${loss} %`);
  // A fraction of the 32-bit range, rounded as in iproute2.
  parms.writeUInt32LE(Math.round((loss / 100) * 0xffff_ffff), 8);
  return Buffer.concat(parts);
}

/** Deletes the qdisc of a parent; the interface gets its default one back. */
export function encodeQdiscDelete(index: number, parent: TcHandle): NetlinkRequest {
  const name = "RTM_DELQDISC";
  return { type: RTM_DELQDISC, name, payload: tcHeader(requireIndex(name, index), 0, handleNumber(name, parent)) };
}

/** Requests the qdiscs of all interfaces: the kernel does not filter. */
export function encodeQdiscDump(): NetlinkRequest {
  return { type: RTM_GETQDISC, name: "RTM_GETQDISC", payload: tcHeader(0, 0, 0) };
}

/** Reads the payload of an RTM_NEWQDISC. Throws `protocol`. */
export function decodeQdisc(payload: Buffer): Qdisc {
  const { index, kind, handle, parent, options } = decodeTcHead(payload, "qdisc", ["tbf"]);
  const tbf = kind === "tbf" ? options?.struct(TCA_TBF_PARMS, TBF_PARMS) : undefined;
  return {
    index,
    kind,
    handle,
    parent,
    rate: tbf === undefined ? undefined : decodeRate(tbf, options?.struct(TCA_TBF_RATE64, 8)),
    limit: tbf?.readUInt32LE(24),
  };
}
