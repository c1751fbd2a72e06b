// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { externalEipName } from "../../../src/compile/vpc/vpc-external.ts";
import { ovnDnatRuleKind } from "../../../src/kinds/ovn-dnat-rule.ts";
import { ovnEipKind } from "../../../src/kinds/ovn-eip.ts";
import { ovnFipKind } from "../../../src/kinds/ovn-fip.ts";
import { ovnSnatRuleKind } from "../../../src/kinds/ovn-snat-rule.ts";
import { type ResourceType, SERVICES } from "../../../src/kube/resources.ts";
import { type ExternalNetwork, gatewayOrder, type OutsideFamily } from "./external-network.ts";
import { Objects, type Thing } from "./objects.ts";
import { idlePod, run, webPod } from "./pods.ts";
import { judged, readiness, useSubnet } from "./subnets.ts";
import { useObject } from "./use-object.ts";
import type { World } from "./world.ts";

/** A VPC with pods of each kind; its external addresses are numbered from `base`. */
export interface Tenant {
  readonly vpc: string;
  /** Its pods: with a centralized and a distributed floating IP, and one that leaves with the address of an OvnSnatRule. */
  readonly central: Thing;
  readonly distributed: Thing;
  readonly plain: Thing;
  readonly base: number;
  /** The addresses of its LoadBalancer Service. */
  readonly balanced: Readonly<Record<OutsideFamily, string>>;
  /** Whether the pod with the centralized floating IP is on the gateway node. */
  readonly onGateway: boolean;
}

/** Waits until each of the named objects without a namespace is Ready. */
export async function areReady(world: World, type: ResourceType, names: readonly string[]): Promise<void> {
  const objects = new Objects<Thing>(world.kube, type);
  await objects.ready();
  for (const name of names) await objects.until(name, "is Ready", (one) => readiness(one)?.status === "True", 60_000);
  await objects.stop();
}

/** The name of a tenant's subnet and OvnSnatRule, and the first part of its other rules' names. */
export function tenantId(network: ExternalNetwork, base: number): string {
  return `${network.name}-${base}`;
}

/** Creates the subnet, the pods, the external addresses and the rules of a VPC; resolves when all of them are applied. */
export async function useTenant(
  t: Test,
  world: World,
  network: ExternalNetwork,
  namespace: string,
  { vpc, base, third }: { readonly vpc: string; readonly base: number; readonly third: number },
): Promise<Tenant> {
  const [first = "", second = ""] = world.lab.nodes;
  const id = tenantId(network, base);
  await useSubnet(t, world, id, { vpc, cidrBlock: `10.${third}.0.0/24,fd00:10:${third}::/112` });
  await judged(world, id);
  const inSubnet = { "ovn.kubernetes.io/logical_switch": id };
  const [central, distributed, plain] = (await run(
    world,
    [
      webPod(namespace, `central-${base}`, first, inSubnet),
      webPod(namespace, `distributed-${base}`, second, inSubnet),
      idlePod(namespace, `plain-${base}`, first, inSubnet),
    ],
    90_000,
  )) as [Thing, Thing, Thing];
  for (const last of [base, base + 1, base + 2])
    await useObject(t, world, ovnEipKind.type, `${network.name}-eip-${last}`, {
      externalSubnet: network.name,
      v4Ip: network.address(last, "v4"),
      v6Ip: network.address(last, "v6"),
    });
  const eip = (last: number) => ({ ovnEip: `${network.name}-eip-${last}` });
  const ip = (pod: Thing) => ({ ipName: `${pod.metadata.name}.${namespace}` });
  const names = [`${id}-central`, `${id}-distributed`] as const;
  await useObject(t, world, ovnFipKind.type, names[0], { ...eip(base), ...ip(central), type: "centralized" });
  await useObject(t, world, ovnFipKind.type, names[1], { ...eip(base + 1), ...ip(distributed), type: "distributed" });
  await useObject(t, world, ovnSnatRuleKind.type, id, { ...eip(base + 2), vpcSubnet: id });
  for (const [name, externalPort, internalPort, protocol] of [
    [id, "80", "8080", "tcp"],
    [`${id}-udp`, "81", "8081", "udp"],
  ] as const) {
    const port = { externalPort, internalPort, protocol };
    await useObject(t, world, ovnDnatRuleKind.type, name, { ...eip(base + 2), ...ip(distributed), ...port });
  }
  await areReady(world, ovnFipKind.type, names);
  await areReady(world, ovnSnatRuleKind.type, [id]);
  await areReady(world, ovnDnatRuleKind.type, [id, `${id}-udp`]);
  const annotations = { "ovn.kubernetes.io/service_external_ip_from_subnet": network.name };
  await world.kube.create<Thing>(SERVICES, {
    metadata: { namespace, name: `balanced-${base}`, annotations },
    spec: {
      ...{ type: "LoadBalancer", ipFamilyPolicy: "RequireDualStack", selector: { app: distributed.metadata.name } },
      ports: [
        { name: "tcp", port: 80, targetPort: 8080 },
        { name: "udp", port: 81, targetPort: 8081, protocol: "UDP" },
      ],
    },
  } as never);
  const services = new Objects(world.kube, SERVICES);
  await services.ready();
  const balanced = await services.until(`${namespace}/balanced-${base}`, "has addresses", (service) => {
    const ingress = (service?.status?.loadBalancer?.ingress ?? []) as readonly { readonly ip: string }[];
    const of = (six: boolean) => ingress.find(({ ip }) => ip.includes(":") === six)?.ip;
    const [v4, v6] = [of(false), of(true)];
    return v4 !== undefined && v6 !== undefined && { v4, v6 };
  });
  await services.stop();
  const [gateway] = await gatewayOrder(world, externalEipName(vpc, network.name));
  return { vpc, central, distributed, plain, base, balanced, onGateway: gateway === first };
}
