// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";
import { OWNER_KEY } from "../desired/identity.ts";

/** The unit that owns a row, according to its `external_ids`. */
export function ownerOf(columns: Readonly<Record<string, ColumnValue>>): string | undefined {
  const ids = columns["external_ids"];
  if (typeof ids !== "object" || Array.isArray(ids)) return undefined;
  return (ids as Readonly<Record<string, string>>)[OWNER_KEY];
}
