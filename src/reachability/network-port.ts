// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";

/** A port of a logical switch, with what ACLs know of it. */
export interface NetworkPort {
  readonly name: string;
  /** Name of its switch, which is the Subnet's. */
  readonly switch: string;
  readonly addresses: Dual<Ip>;
  /** Names of the port groups it is in, sorted. */
  readonly groups: readonly string[];
  /** `namespace/pod` of a pod's port. */
  readonly pod?: string;
  /** Of a pod's secondary interface: its provider. */
  readonly provider?: string;
}
