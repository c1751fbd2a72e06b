// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ping } from "../../../hack/traffic/probe.ts";
import { HAIRPIN_SOURCE } from "../../../src/api/names.ts";
import { VPCS } from "../../../src/kube/resources.ts";
import { seenBy, seenByUdp, seenOutside } from "../testing/client-address.ts";
import { defaultRoutes, FAMILIES, useExternalNetwork } from "../testing/external-network.ts";
import { useExternalVlan } from "../testing/external-vlan.ts";
import { checkCells } from "../testing/nat-table.ts";
import { useTenant } from "../testing/nat-tenant.ts";
import { addressesOf, inPod, useNamespace } from "../testing/pods.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

const NAME = "weft-natv";
const TAG = 310;

t.setTimeout(590_000);

t.test("NAT of a VPC in an external subnet with a VLAN id", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, NAME);
  const wire = await useExternalNetwork(t, world, NAME, 87);
  const network = await useExternalVlan(t, world, wire, TAG, 88);
  const external = { enableExternal: true, extraExternalSubnets: [network.name] };
  await useObject(t, world, VPCS, NAME, { ...external, staticRoutes: defaultRoutes(network) });
  const own = await useTenant(t, world, network, namespace, { vpc: NAME, base: 110, third: 89 });
  await syncNodes(world);

  const { router, host, stranger } = network;
  const { central, distributed, plain, balanced } = own;
  for (const family of FAMILIES)
    await t.test(family, async (t) => {
      const eip = (n: number): string => network.address(own.base + n, family);
      const self = addressesOf(plain)[family === "v4" ? 0 : 1];
      await checkCells(t, `VLAN ${TAG} | ${family}`, [
        ["in: floating IP, centralized", () => seenBy(host, eip(0), 8080), router[family]],
        ["in: floating IP, distributed", () => seenBy(host, eip(1), 8080), router[family]],
        ["in: port of an OvnDnatRule", () => seenBy(host, eip(2), 80), router[family]],
        ["in: UDP port of an OvnDnatRule", () => seenByUdp(host, eip(2), 81), router[family]],
        ["in: LoadBalancer Service", () => seenBy(host, balanced[family], 80), router[family]],
        ["in: UDP port of a LoadBalancer Service", () => seenByUdp(host, balanced[family], 81), router[family]],
        ["out: floating IP, centralized", () => seenOutside(inPod(central), router[family]), eip(0)],
        ["out: floating IP, distributed", () => seenOutside(inPod(distributed), router[family]), eip(1)],
        ["out: OvnSnatRule", () => seenOutside(inPod(plain), router[family]), eip(2)],
        ["hairpin: to its own port", () => seenBy(inPod(distributed), eip(2), 80), HAIRPIN_SOURCE[family]],
        ["same VPC: subnet to floating IP", () => seenBy(inPod(plain), eip(0), 8080), eip(2)],
        ["same VPC: to a port", () => seenBy(inPod(plain), eip(2), 80), self],
        ["same VPC: to a LoadBalancer Service", () => seenBy(inPod(plain), balanced[family], 80), self],
        ["in, from another VLAN: floating IP", () => seenBy(stranger, eip(0), 8080), ""],
        ["in, from another VLAN: port of an OvnDnatRule", () => seenBy(stranger, eip(2), 80), ""],
      ]);
      t.ok((await ping(host, eip(0))).ok, "the host of the VLAN still reaches it");
    });
});
