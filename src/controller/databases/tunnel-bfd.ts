// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { mutate, type Operation } from "../../ovsdb/operation.ts";

/**
 * How fast chassis that watch each other through their tunnels find one dead, for all of OVN (ovn-nb(5), NB_Global `options:bfd-min-rx` and others; in ms). OVS
 * alone sends each second, and takes a peer for dead after three.
 */
const OPTIONS = { "bfd-min-rx": "400", "bfd-min-tx": "400", "bfd-mult": "3" } as const;

/** Sets the options that nobody has set: an administrator's stay, and so does every other key of the map. */
export function tunnelBfdOptions(): Operation {
  // An `insert` into a map leaves keys that are there as they are; without a condition it is about the one row of the table.
  return mutate(OVN_NB, "NB_Global", [], [["options", "insert", OPTIONS]]);
}
