import fc from "fast-check";
import { type Family, ipFromValue } from "../net/address.ts";
import { cidrOf } from "../net/cidr.ts";

/** Any prefix, as canonical text. */
export function anyCidr(): fc.Arbitrary<string> {
  const of = (family: Family, bits: number): fc.Arbitrary<string> =>
    fc
      .tuple(fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }), fc.integer({ min: 0, max: bits }))
      .map(([value, prefix]) => cidrOf(ipFromValue(family, value), prefix)?.text ?? "");
  return fc.oneof(of(4, 32), of(6, 128));
}
