// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import { type Family, hostPrefix, ipFromValue } from "../../net/address.ts";
import { type Cidr, cidrOf } from "../../net/cidr.ts";
import type { Dual } from "../../net/dual.ts";
import type { WantedAnnotations } from "../annotations.ts";
import { ContractError } from "../document.ts";

function address(family: Family): fc.Arbitrary<bigint> {
  return fc.bigInt({ min: 0n, max: (1n << BigInt(hostPrefix(family))) - 1n });
}

function prefix(family: Family): fc.Arbitrary<Cidr> {
  return fc
    .tuple(address(family), fc.integer({ min: 1, max: hostPrefix(family) }))
    .map(([value, length]) => cidrOf(ipFromValue(family, value), length))
    .filter((cidr) => cidr !== undefined);
}

/** Any address of a family, as canonical text. */
export function anyIp(family: Family): fc.Arbitrary<string> {
  return address(family).map((value) => ipFromValue(family, value).text);
}

/** Any prefix but that of all addresses, as canonical text. */
export function anyCidr(): fc.Arbitrary<string> {
  return fc.oneof(prefix(4), prefix(6)).map(({ text }) => text);
}

/** Any name of an object. */
export function anyName(): fc.Arbitrary<string> {
  return fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/);
}

/** An interface with addresses of no family, of one or of both. */
export interface AnyInterface {
  readonly mac: string;
  readonly addresses: Dual<string>;
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
}

/** Any {@link AnyInterface}, as canonical texts. */
export function anyInterface(): fc.Arbitrary<AnyInterface> {
  const one = (family: Family) => fc.record({ ip: anyIp(family), cidr: prefix(family), gateway: anyIp(family) });
  const mac = fc.integer({ min: 0, max: 0xff_ff_ff_ff }).map((n) => n.toString(16).padStart(8, "0"));
  return fc
    .record({ v4: fc.option(one(4), { nil: undefined }), v6: fc.option(one(6), { nil: undefined }), mac })
    .map(({ v4, v6, mac: tail }) => ({
      mac: `02:00:${tail.match(/../g)?.join(":") ?? ""}`,
      addresses: { ...(v4 && { v4: v4.ip }), ...(v6 && { v6: v6.ip }) },
      cidr: { ...(v4 && { v4: v4.cidr.text }), ...(v6 && { v6: v6.cidr.text }) },
      gateway: { ...(v4 && { v4: v4.gateway }), ...(v6 && { v6: v6.gateway }) },
    }));
}

/** The annotations of an object that had none before they were written. */
export function written(wanted: WantedAnnotations): Record<string, string> {
  return Object.fromEntries(
    Object.entries(wanted).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** `read`, or the code and the message of the ContractError. */
export function codeOf(read: () => unknown): string {
  try {
    read();
    return "read";
  } catch (error) {
    if (error instanceof ContractError) return `${error.code}: ${error.message}`;
    throw error;
  }
}
