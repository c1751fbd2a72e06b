// SPDX-License-Identifier: Apache-2.0

import type { AnyClaimKind } from "../claims/claim.ts";
import { KINDS } from "./index.ts";

/** Every kind of claim on an address. */
export const CLAIM_KINDS: readonly AnyClaimKind[] = KINDS.flatMap(({ claim }): AnyClaimKind[] =>
  claim ? [claim] : [],
);
