// SPDX-License-Identifier: Apache-2.0

import type { LoadBalancerFact } from "../facts/service.ts";
import type { FactReader } from "../facts/store.ts";
import type { Ip } from "../net/address.ts";
import { textContains } from "../net/cidr.ts";
import { type Dual, dualValues, parseDualIp } from "../net/dual.ts";

/**
 * The addresses in a Service's status that Weft has not recorded, if it may record them: they are of the subnet that the Service asks for, and are what it
 * asks for. So a Service keeps its addresses when the annotation is lost, and when it had them from another implementation.
 */
export function adoptable(reader: FactReader, { subnet, v4, v6, unrecorded }: LoadBalancerFact): Dual<Ip> | undefined {
  const found = parseDualIp(unrecorded.join(","));
  const ranges = dualValues(reader.get("subnets", subnet)?.cidr ?? {});
  if (found === undefined) return undefined;
  if (!dualValues(found).every(({ text }) => ranges.some((range) => textContains(range, text)))) return undefined;
  const isAsked = (asked: string, one: Ip | undefined): boolean =>
    asked === "" || one === undefined || asked === one.text;
  return isAsked(v4, found.v4) && isAsked(v6, found.v6) ? found : undefined;
}

/** Whether the addresses in a Service's status are another implementation's, so Weft gives it none. */
export function isOfAnother(reader: FactReader, wanted: LoadBalancerFact): boolean {
  return wanted.unrecorded.length > 0 && !wanted.exclusive && adoptable(reader, wanted) === undefined;
}

/** Whether a Service asks for other addresses than it has, so that those are released first. */
export function asksForOther({ subnet, v4, v6, family, given }: LoadBalancerFact): boolean {
  if (given === undefined) return false;
  if (subnet !== given.subnet) return true;
  const isOther = (asked: string, one: string): boolean => asked !== "" && one !== "" && asked !== one;
  const kept = family === 4 ? given.v4 : family === 6 ? given.v6 : given.v4 || given.v6;
  return kept === "" || isOther(v4, given.v4) || isOther(v6, given.v6);
}

/** Whether a Service has the addresses that it asks for in one family only, or has become single-stack: the others are added or removed. */
export function lacksOrHasTooMany(reader: FactReader, { family, given }: LoadBalancerFact): boolean {
  if (given === undefined) return false;
  if (family !== undefined) return (family === 4 ? given.v6 : given.v4) !== "";
  const { cidr } = reader.get("subnets", given.subnet) ?? {};
  return (given.v4 === "" && cidr?.v4 !== undefined) || (given.v6 === "" && cidr?.v6 !== undefined);
}

/** The addresses that a Service keeps when others are added or removed. */
export function keptAddresses({ family, given }: LoadBalancerFact): Dual<Ip> | undefined {
  if (given === undefined) return undefined;
  const { v4, v6 } = parseDualIp([given.v4, given.v6].filter((one) => one !== "").join(",")) ?? {};
  return { ...(v4 && family !== 6 && { v4 }), ...(v6 && family !== 4 && { v6 }) };
}
