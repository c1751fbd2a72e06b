// SPDX-License-Identifier: Apache-2.0

import { InvalidArgumentError } from "commander";
import { commaList } from "../collections/comma-list.ts";
import { parseCidr } from "../net/cidr.ts";
import { parseDualCidr } from "../net/dual.ts";
import { type PortRange, parsePortRange } from "../net/port-range.ts";
import { numberOption } from "../telemetry/number-option.ts";

/** A TCP port; 0 disables the server. */
export const port = numberOption(0, 65_535);
/** Seconds up to a day. */
export const seconds = numberOption(0, 86_400);
/** Mebibytes up to a tebibyte. */
export const mebibytes = numberOption(8, 2 ** 20);
/** Days up to ten years. */
export const days = numberOption(1, 3650);
/** Seconds of silence. Zero, which means "never" for northd, would leave a controller with a dead connection. */
export const inactivity = numberOption(1, 3600);

/** A CIDR, or one of each family. Throws commander's `InvalidArgumentError`, as all values in this file do. */
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

/** A range of ports, `first-last`. */
export function portRange(text: string): PortRange {
  const range = parsePortRange(text);
  if (range === undefined) throw new InvalidArgumentError(`"${text}" is not a valid port range such as 30000-32767.`);
  return range;
}

/** A percentage, also a part of one. */
export function percent(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 100))
    throw new InvalidArgumentError(`"${text}" is not a valid percentage (0 to 100).`);
  return value;
}

/** `true` or `false`. */
export function boolean(text: string): boolean {
  if (text !== "true" && text !== "false") throw new InvalidArgumentError(`"${text}" must be one of: true, false.`);
  return text === "true";
}
