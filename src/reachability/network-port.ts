// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";

/** A port of a logical switch, with the data that ACLs use. */
export interface NetworkPort {
  readonly name: string;
  /** Name of its switch, which is also the Subnet's. */
  readonly switch: string;
  readonly addresses: Dual<Ip>;
  /** Absent for a port without an address of its own. */
  readonly mac?: string;
  /** Names of the port groups it is in, sorted. */
  readonly groups: readonly string[];
  /** `namespace/pod`, for a pod's port. */
  readonly pod?: string;
  /** The provider, for a pod's secondary interface. */
  readonly provider?: string;
}
