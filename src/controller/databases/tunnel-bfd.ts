// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { mutate, type Operation, type OperationResult, select } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";

/**
 * How fast BFD between chassis detects a failure, for all of OVN (ovn-nb(5), NB_Global `options:bfd-min-rx` and others; in ms). OVS's default is one
 * packet a second, and a failure after three seconds.
 */
const OPTIONS = { "bfd-min-rx": "400", "bfd-min-tx": "400", "bfd-mult": "3" } as const;

/** The operation that reads the current options. */
export function askOptions(): Operation {
  return select(OVN_NB, "NB_Global", [], ["options"]);
}

/**
 * The operations that set missing options, given the result of {@link askOptions}; none if there are none. Existing values and all other keys of the
 * map stay.
 */
export function missingOptions(answer: OperationResult | undefined): readonly Operation[] {
  const [row] = selectedRows(OVN_NB, "NB_Global", answer);
  if (row?.options === undefined || Object.keys(OPTIONS).every((key) => key in (row.options ?? {}))) return [];
  // An `insert` into a map does not change existing keys; without a condition it applies to the only row of the table.
  return [mutate(OVN_NB, "NB_Global", [], [["options", "insert", OPTIONS]])];
}
