// SPDX-License-Identifier: Apache-2.0

import { NEARLY_FULL, usedShare } from "../../net/nearly-full.ts";
import type { Fill } from "../../page/contract.ts";
import type { Tone } from "./tone.ts";

/** How a share of used addresses is shown, from 0 to 1. */
export function toneOfFill(share: number): Tone {
  if (share >= 1) return "bad";
  return share >= NEARLY_FULL ? "warn" : "ok";
}

/** The used share of one family of a subnet, from 0 to 1; undefined where the viewer does not see what is free. */
export function shareOf({ used, free }: Pick<Fill, "used" | "free">): number | undefined {
  return free === undefined ? undefined : usedShare(used, free);
}

/** The family of a subnet that is the fullest, and its share; undefined where none is known. */
export function fullestOf(
  fill: readonly Fill[],
): { readonly family: Fill["family"]; readonly share: number } | undefined {
  return fill
    .flatMap((one) => {
      const share = shareOf(one);
      return share === undefined ? [] : [{ family: one.family, share }];
    })
    .toSorted((a, b) => b.share - a.share)[0];
}
