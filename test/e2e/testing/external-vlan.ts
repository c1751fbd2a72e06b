// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import type { Exec } from "../../../hack/traffic/probe.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { SUBNETS } from "../../../src/kube/resources.ts";
import { clientAddressServer } from "./client-address.ts";
import type { ExternalNetwork, OutsideFamily } from "./external-network.ts";
import { judged } from "./subnets.ts";
import { useObject } from "./use-object.ts";
import { vlanHosts, vlanNetns } from "./vlan-hosts.ts";
import type { World } from "./world.ts";

/** A network outside whose frames have a VLAN id. */
export interface ExternalVlan extends ExternalNetwork {
  /** The host that is its router. An HTTP server on port 80 of its address answers with the client's (`hack/lab/echo.ts`). */
  readonly host: Exec;
  /** A host with addresses of the same range in the VLAN with the next id. */
  readonly stranger: Exec;
}

/**
 * Adds a network to the wire of `useExternalNetwork` whose frames have a VLAN id, 172.31.`third`.0/24 and fd00:31:`third`::/112, until the end of the test: a Vlan, a Subnet `<network>-<tag>`, and a
 * host that is the gateway of the Subnet. Resolves when the Subnet is ready.
 */
export async function useExternalVlan(
  t: Test,
  world: World,
  wire: ExternalNetwork,
  tag: number,
  third: number,
): Promise<ExternalVlan> {
  const name = `${wire.name}-${tag}`;
  const address = (last: number, family: OutsideFamily): string =>
    family === "v4" ? `172.31.${third}.${last}` : `fd00:31:${third}::${last}`;
  const router = { v4: address(1, "v4"), v6: address(1, "v6") };
  const [host, stranger] = (await vlanHosts(t, world, [
    { tag, addresses: [`${router.v4}/24`, `${router.v6}/112`] },
    { tag: tag + 1, addresses: [`${address(9, "v4")}/24`, `${address(9, "v6")}/112`] },
  ])) as [Exec, Exec];
  await clientAddressServer(t, vlanNetns(tag), [router.v4, router.v6]);
  await useObject(t, world, vlanKind.type, name, { id: tag, provider: wire.name });
  await useObject(t, world, SUBNETS, name, {
    ...{ vlan: name, cidrBlock: `${address(0, "v4")}/24,fd00:31:${third}::/112`, gateway: `${router.v4},${router.v6}` },
    excludeIps: [`${address(1, "v4")}..${address(99, "v4")}`, `${address(1, "v6")}..${address(99, "v6")}`],
  });
  await judged(world, name);
  return { name, router, address, host, stranger };
}
