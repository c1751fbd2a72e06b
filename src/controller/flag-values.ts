// SPDX-License-Identifier: Apache-2.0

import { InvalidArgumentError } from "commander";
import { commaList } from "../collections/comma-list.ts";
import { parseCidr } from "../net/cidr.ts";
import { parseDualCidr } from "../net/dual.ts";
import { type PortRange, parsePortRange } from "../net/port-range.ts";

/** A CIDR, or one of each family. Throws commander's `InvalidArgumentError`, as all of these do. */
export function cidrs(text: string): string {
  if (parseDualCidr(text) === undefined) {
    throw new InvalidArgumentError(`"${text}" is not a valid CIDR, or a pair "IPv4 CIDR,IPv6 CIDR".`);
  }
  return text;
}

/** CIDRs separated by commas. */
export function cidrList(text: string): readonly string[] {
  const list = commaList(text);
  const wrong = list.find((part) => parseCidr(part) === undefined);
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is not a valid CIDR.`);
  return list;
}

/** A TCP port; 0 disables the server. */
export function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError(`"${text}" is not a valid port (0 to 65535; 0 disables the server).`);
  }
  return value;
}

/** A range of ports, `first-last`. */
export function portRange(text: string): PortRange {
  const range = parsePortRange(text);
  if (range === undefined) throw new InvalidArgumentError(`"${text}" is not a valid port range such as 30000-32767.`);
  return range;
}

/** Seconds up to a day. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 86_400) {
    throw new InvalidArgumentError(`"${text}" is not a valid number of seconds (up to one day).`);
  }
  return value;
}

/** A percentage, also a part of one. */
export function percent(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 100))
    throw new InvalidArgumentError(`"${text}" is not a valid percentage (0 to 100).`);
  return value;
}

/** Mebibytes, from 8 to a tebibyte. */
export function mebibytes(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 8 || value > 2 ** 20) {
    throw new InvalidArgumentError(`"${text}" is not a valid size in MiB (8 to 1048576).`);
  }
  return value;
}

/** Days from 1 to 3650. */
export function days(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 3650) {
    throw new InvalidArgumentError(`"${text}" is not a valid number of days (1 to 3650).`);
  }
  return value;
}

/** Seconds of silence from 1 to 3600. Zero, which means "never" for northd, would leave a controller with a dead connection. */
export function inactivity(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 3600) {
    throw new InvalidArgumentError(`"${text}" is not a valid number of seconds (1 to 3600).`);
  }
  return value;
}

/** `true` or `false`. */
export function boolean(text: string): boolean {
  if (text !== "true" && text !== "false") throw new InvalidArgumentError(`"${text}" must be one of: true, false.`);
  return text === "true";
}
