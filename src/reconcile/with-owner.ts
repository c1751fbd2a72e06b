// SPDX-License-Identifier: Apache-2.0

import type { DesiredRow, Effect, Fragment } from "../desired/fragment.ts";
import { OWNER_KEY } from "../desired/identity.ts";

/** The fragment with its unit in `external_ids:weft-owner` of each row; tables without `external_ids` have no owner. */
export function withOwner<E extends Effect>(unit: string, fragment: Fragment<E>): Fragment<E> {
  const rows = fragment.rows.map((row): DesiredRow => {
    const ids = row.columns["external_ids"];
    if (typeof ids !== "object" || Array.isArray(ids)) return row;
    // Array.isArray does not narrow a readonly array away; only a map is left here.
    const map = ids as Readonly<Record<string, string>>;
    return { ...row, columns: { ...row.columns, external_ids: { ...map, [OWNER_KEY]: unit } } };
  });
  return { ...fragment, rows };
}
