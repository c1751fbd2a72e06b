// SPDX-License-Identifier: Apache-2.0

/**
 * Addresses for the checks of a run, counted one by one. Written independently of `src/net` and `src/ipam`, and as simply as possible,
 * so that an error there is not repeated here.
 */

/** An address as a number, with its family. */
export interface NumericAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** Parses an address; undefined if it is not one. */
export function readAddress(text: string): NumericAddress | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) {
    const parts = text.split(".").map(Number);
    if (parts.some((part) => part > 255)) return undefined;
    return { family: 4, value: parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n) };
  }
  if (!/^[0-9a-f:]+$/i.test(text) || !text.includes(":") || text.split("::").length > 2) return undefined;
  const [left = "", right] = text.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  if (right === undefined && head.length !== 8) return undefined;
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
  return { family: 6, value: groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group || "0"}`), 0n) };
}

/** All addresses of a CIDR, or undefined if it is not one. */
export interface Block {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

/** Parses a CIDR such as `10.16.0.0/24`. */
export function readBlock(text: string): Block | undefined {
  const [base = "", prefix = ""] = text.split("/");
  const address = readAddress(base);
  if (address === undefined || !/^\d+$/.test(prefix)) return undefined;
  const size = 1n << BigInt((address.family === 4 ? 32 : 128) - Number(prefix));
  const first = (address.value / size) * size;
  return { family: address.family, first, last: first + size - 1n };
}

/** Parses an address or a range `a..b`. */
export function readRange(text: string): Block | undefined {
  if (text.includes("/")) return readBlock(text);
  const [low = "", high = low] = text.split("..");
  const [first, last] = [readAddress(low), readAddress(high)];
  if (first === undefined || last === undefined || first.family !== last.family) return undefined;
  return { family: first.family, first: first.value, last: last.value };
}

/** Whether an address is in a block. */
export function isIn(block: Block, address: NumericAddress): boolean {
  return block.family === address.family && block.first <= address.value && address.value <= block.last;
}

/** Whether two blocks have an address in common. */
export function meet(a: Block, b: Block): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** A key that is equal for two spellings of one address. */
export function keyOfAddress(text: string): string {
  const address = readAddress(text);
  return address === undefined ? `?${text}` : `${address.family}/${address.value}`;
}
