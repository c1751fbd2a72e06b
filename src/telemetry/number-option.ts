// SPDX-License-Identifier: Apache-2.0

import { InvalidArgumentError } from "commander";

/** The parser of a flag whose value is a whole number from `least` to `most`. It throws commander's `InvalidArgumentError`. */
export function numberOption(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`must be ${least} to ${most}`);
  };
}
