// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { mutate, type Operation, type OperationResult, select } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";

/**
 * How fast chassis that watch each other through their tunnels find one dead, for all of OVN (ovn-nb(5), NB_Global `options:bfd-min-rx` and others; in ms). OVS
 * alone sends each second, and takes a peer for dead after three.
 */
const OPTIONS = { "bfd-min-rx": "400", "bfd-min-tx": "400", "bfd-mult": "3" } as const;

/** What asks for the options that are set. */
export function askOptions(): Operation {
  return select(OVN_NB, "NB_Global", [], ["options"]);
}

/**
 * What sets the options that nobody has set, given the answer to {@link askOptions}; nothing where there are none. An administrator's stay, and so does
 * every other key of the map.
 */
export function missingOptions(answer: OperationResult | undefined): readonly Operation[] {
  const [row] = selectedRows(OVN_NB, "NB_Global", answer);
  if (row?.options === undefined || Object.keys(OPTIONS).every((key) => key in (row.options ?? {}))) return [];
  // An `insert` into a map leaves keys that are there as they are; without a condition it is about the one row of the table.
  return [mutate(OVN_NB, "NB_Global", [], [["options", "insert", OPTIONS]])];
}
