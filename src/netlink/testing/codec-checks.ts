// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import type t from "tap";
import { decodeAttributes } from "../attributes.ts";
import { NetlinkError } from "../error.ts";
import type { NetlinkRequest } from "../message.ts";

/** Helpers for tests of codecs. */

const NLM_F_REQUEST_ACK = 0x005;

/**
 * A canonical form of a request: type, flags, family header, and the attributes
 * sorted, since their order has no meaning.
 */
export function canonical(request: NetlinkRequest, header: number): readonly string[] {
  return [
    `type ${request.type} flags ${(request.flags ?? 0).toString(16)}`,
    ...canonicalPayload(request.payload, header),
  ];
}

/** The same for a request of iproute2, as `strace -e write=3 ip …` shows it. */
export function canonicalGolden(hex: string, header: number): readonly string[] {
  const bytes = Buffer.from(hex, "hex");
  const flags = bytes.readUInt16LE(6) & ~NLM_F_REQUEST_ACK;
  return [
    `type ${bytes.readUInt16LE(4)} flags ${flags.toString(16)}`,
    ...canonicalPayload(bytes.subarray(16, bytes.readUInt32LE(0)), header),
  ];
}

function canonicalPayload(payload: Buffer, header: number): readonly string[] {
  const attributes = [...decodeAttributes(payload.subarray(header))];
  return [
    payload.toString("hex", 0, header),
    ...attributes.map(({ type, value }) => `${type}: ${value.toString("hex")}`).sort(),
  ];
}

/** Calls `fn`, which may return anything but throws nothing except `NetlinkError` with the code `protocol`. */
function throwsOnlyProtocol(fn: () => unknown): boolean {
  try {
    fn();
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "protocol") return true;
    throw error;
  }
}

/**
 * Checks that a decoder handles every prefix of a payload, the payload with any byte changed, and random bytes,
 * without reading out of bounds: it returns a value or throws `protocol`.
 */
export function survivesDamage(decode: (payload: Buffer) => unknown, payload: Buffer): void {
  for (let length = 0; length <= payload.length; length++) {
    // In a buffer of exactly this size, so that a read beyond the end fails.
    throwsOnlyProtocol(() => decode(Buffer.from(new Uint8Array(payload.subarray(0, length)))));
  }
  fc.assert(
    fc.property(fc.nat(payload.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(payload);
      damaged[at] = value;
      return throwsOnlyProtocol(() => decode(damaged));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => throwsOnlyProtocol(() => decode(Buffer.from(bytes)))),
  );
}

/** Checks that a call throws `NetlinkError` of that code, and that its message matches. */
export function throwsCode(test: Tap, fn: () => unknown, code: NetlinkError["code"], message: RegExp = /./): void {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    test.equal(error.code, code, error.message);
    test.match(error.message, message);
    return;
  }
  test.fail(`nothing thrown, ${code} expected`);
}

type Tap = Pick<typeof t, "equal" | "match" | "fail">;
