// SPDX-License-Identifier: Apache-2.0

import type { Fill } from "../../page/contract.ts";
import type { Tone } from "./tone.ts";

/** From this share of used addresses on, a subnet is nearly full. The server reports a problem from the same one (`NEARLY_FULL` in `src/page/subnets.ts`). */
const NEARLY_FULL = 0.9;

/** How a share of used addresses is shown, from 0 to 1. */
export function toneOfFill(share: number): Tone {
  if (share >= 1) return "bad";
  return share >= NEARLY_FULL ? "warn" : "ok";
}

/** The used share of one family of a subnet, from 0 to 1; undefined where the viewer does not see what is free. */
export function shareOf({ used, free }: Pick<Fill, "used" | "free">): number | undefined {
  if (free === undefined) return undefined;
  return used + free === 0 ? 0 : used / (used + free);
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
