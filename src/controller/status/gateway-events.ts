// SPDX-License-Identifier: Apache-2.0

import type { SubnetSpecFact } from "../../facts/subnet.ts";

/** Events for a change of a Subnet's gateway: Kube-OVN's reasons and messages (`pkg/controller/subnet.go`). Pure. */
export function gatewayEvents(
  old: SubnetSpecFact | undefined,
  now: SubnetSpecFact,
): readonly { readonly reason: string; readonly message: string }[] {
  if (old === undefined || old.uid !== now.uid) return [];
  const changes = [
    ["SubnetGatewayTypeChanged", "subnet gateway type", old.gatewayType, now.gatewayType],
    ["SubnetGatewayNodeChanged", "gateway node", old.gatewayNodes.join(","), now.gatewayNodes.join(",")],
  ] as const;
  return changes.flatMap(([reason, what, was, is]) =>
    was === is ? [] : [{ reason, message: `${what} changes from "${was}" to "${is}"` }],
  );
}
