// SPDX-License-Identifier: Apache-2.0

import type { Control } from "./unixctl.ts";

/**
 * Resolves when ovs-vswitchd has compared its cached flows with the current OpenFlow flows (`revalidator/wait`, ofproto/ofproto-dpif-upcall.c): until
 * then a packet may follow a cached flow that has no OpenFlow flow any more. Rejects with {@link ControlError}.
 */
export async function renewCachedFlows(control: Control): Promise<void> {
  // The first one ends with the round that is under way, which may have passed a flow before it was changed.
  for (let round = 0; round < 2; round++) await control("revalidator/wait");
}
