// SPDX-License-Identifier: Apache-2.0

import type { OvsTables } from "../ovs.ts";

/** A node without Open vSwitch. */
export const NO_OVS: OvsTables = {
  root: () => undefined,
  bridges: () => [],
  interfaces: () => [],
  interfaceNamed: () => undefined,
  portOf: () => undefined,
  transact: async () => undefined,
};
