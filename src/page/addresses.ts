// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import { hostPrefix, ipFromValue } from "../net/address.ts";
import { type Cidr, cidrContains, cidrContainsCidr, cidrOf, parseCidr } from "../net/cidr.ts";
import { type IpRange, intersectRanges, rangeContains, rangeOfCidr } from "../net/range.ts";
import type { AddressCell, AddressMap, AddressRow, ObjectName } from "./contract.ts";
import { excludedRanges, type HeldAddress, heldAddresses, seesHolder } from "./fill.ts";
import { PageError } from "./page-error.ts";
import { visibleSubnet } from "./subnets.ts";
import type { Viewer } from "./viewer.ts";

/** A prefix is divided into at most 2 to the power of this many cells. */
const DEEPEST = 10;
const USUAL_DEPTH = 8;

/** What part of a subnet's addresses is asked for. */
export interface AddressQuestion {
  readonly subnet: string;
  /** A CIDR; absent: the whole of the first family. */
  readonly prefix?: string;
  /** The prefix length of a cell. */
  readonly bits?: number;
}

/**
 * The use of a part of a subnet's addresses, by cells. A viewer who does not see networks is told of their own pods' addresses only: the others are not told apart from free ones. Throws a
 * `PageError`.
 */
export function addressMap(
  facts: FactReader,
  viewer: Viewer,
  { subnet: name, prefix, bits }: AddressQuestion,
): AddressMap {
  const subnet = visibleSubnet(facts, viewer, name);
  const blocks = [subnet.cidr.v4, subnet.cidr.v6].flatMap((text) => parseCidr(text ?? "") ?? []);
  const part = prefix === undefined ? blocks[0] : parseCidr(prefix);
  const block = part && blocks.find((each) => cidrContainsCidr(each, part));
  if (part === undefined || block === undefined)
    throw new PageError(
      "invalid",
      `prefix is to be a CIDR in ${blocks.map(({ text }) => text).join(" or ") || "a subnet with addresses"}`,
    );
  const longest = hostPrefix(part.family);
  const cellBits = bits ?? Math.min(longest, part.prefix + USUAL_DEPTH);
  if (!Number.isInteger(cellBits) || cellBits < part.prefix || cellBits > Math.min(longest, part.prefix + DEEPEST))
    throw new PageError(
      "invalid",
      `bits is to be a number from ${part.prefix} to ${Math.min(longest, part.prefix + DEEPEST)}`,
    );
  const shift = BigInt(longest - cellBits);
  const held = heldAddresses(facts, name).filter(
    ({ ip, holder }) => cidrContains(part, ip) && (viewer.sees.networks || seesHolder(viewer, holder)),
  );
  const excluded = viewer.sees.networks ? excludedRanges(subnet, block) : [];
  const answer = {
    subnet: name,
    family: part.family === 4 ? ("IPv4" as const) : ("IPv6" as const),
    prefix: part.text,
    bits: cellBits,
    cells: 2 ** (cellBits - part.prefix),
    cellSize: Number(1n << shift),
    filled: cellsOf(part, cellBits, held, excluded),
  };
  if (cellBits < longest) return answer;
  const gateways = new Set(Object.values(subnet.gateway));
  return { ...answer, addresses: addressRows(viewer, part, held, excluded, gateways) };
}

interface Counts {
  used: number;
  reserved: number;
  excluded: bigint;
}

function cellsOf(
  part: Cidr,
  bits: number,
  held: readonly HeldAddress[],
  excluded: readonly IpRange[],
): readonly AddressCell[] {
  const longest = hostPrefix(part.family);
  const shift = BigInt(longest - bits);
  const cells = new Map<number, Counts>();
  const cellAt = (index: number): Counts => {
    const known = cells.get(index);
    if (known !== undefined) return known;
    const made = { used: 0, reserved: 0, excluded: 0n };
    cells.set(index, made);
    return made;
  };
  for (const { ip, reserved } of held) {
    const cell = cellAt(Number((ip.value - part.base) >> shift));
    if (reserved) cell.reserved++;
    else cell.used++;
    // An excluded address that is used is counted once.
    if (excluded.some((range) => rangeContains(range, ip))) cell.excluded--;
  }
  for (const range of excluded) {
    const inside = intersectRanges(range, rangeOfCidr(part));
    if (inside === undefined) continue;
    const [first, last] = [(inside.first - part.base) >> shift, (inside.last - part.base) >> shift];
    for (let index = first; index <= last; index++) {
      const start = part.base + (index << shift);
      const end = start + (1n << shift) - 1n;
      const [from, to] = [inside.first > start ? inside.first : start, inside.last < end ? inside.last : end];
      cellAt(Number(index)).excluded += to - from + 1n;
    }
  }
  return [...cells]
    .sort(([a], [b]) => a - b)
    .map(([index, { used, reserved, excluded: never }]) => {
      const first = ipFromValue(part.family, part.base + (BigInt(index) << shift));
      const prefix = bits === longest ? first.text : (cidrOf(first, bits)?.text ?? first.text);
      return { index, prefix, used, reserved, excluded: Math.max(0, Number(never)) };
    });
}

function addressRows(
  viewer: Viewer,
  part: Cidr,
  held: readonly HeldAddress[],
  excluded: readonly IpRange[],
  gateways: ReadonlySet<string>,
): readonly AddressRow[] {
  const rows = new Map<number, AddressRow>();
  for (const range of excluded) {
    const inside = intersectRanges(range, rangeOfCidr(part));
    if (inside === undefined) continue;
    for (let value = inside.first; value <= inside.last; value++) {
      const address = ipFromValue(part.family, value).text;
      const index = Number(value - part.base);
      rows.set(index, { index, address, state: gateways.has(address) ? "gateway" : "excluded" });
    }
  }
  for (const { ip, holder, reserved, mac, node } of held) {
    const index = Number(ip.value - part.base);
    const seen = seesHolder(viewer, holder);
    const name = seen ? namedHolder(holder) : undefined;
    rows.set(index, {
      index,
      address: ip.text,
      state: reserved ? "reserved" : "used",
      ...(name !== undefined && { holder: name }),
      ...(seen && mac !== "" && { mac }),
      ...(seen && node !== "" && { node }),
    });
  }
  return [...rows.values()].sort((a, b) => a.index - b.index);
}

/** The object that `IpFact.holder` names; of a virtual machine's pod the machine. */
export function namedHolder(holder: string): ObjectName | undefined {
  if (holder === "") return undefined;
  if (holder.startsWith("node:")) return { kind: "Node", name: holder.slice("node:".length) };
  if (holder.startsWith("subnet:")) return { kind: "Subnet", name: holder.slice("subnet:".length) };
  const blank = holder.indexOf(" ");
  if (blank > 0) return { kind: holder.slice(0, blank), name: holder.slice(blank + 1) };
  const slash = holder.indexOf("/");
  return { kind: "Pod", namespace: holder.slice(0, slash), name: holder.slice(slash + 1) };
}
