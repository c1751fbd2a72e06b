// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { EXTERNAL_GATEWAY_LABEL } from "../../../src/api/annotations.ts";
import { providerNetworkKind } from "../../../src/kinds/provider-network.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { NODES, SUBNETS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "./objects.ts";
import { plugOutside } from "./outside-network.ts";
import { readiness } from "./subnets.ts";
import { useObject } from "./use-object.ts";
import type { World } from "./world.ts";

export const FAMILIES = ["v4", "v6"] as const;
export type OutsideFamily = (typeof FAMILIES)[number];

/** A network outside that all nodes are connected to by a ProviderNetwork. */
export interface ExternalNetwork {
  /** Name of its Subnet, Vlan and ProviderNetwork. */
  readonly name: string;
  /** The outside host's own address in it, the gateway of its Subnet. */
  readonly router: Readonly<Record<OutsideFamily, string>>;
  /** The address with this last number; 100 and more are the Subnet's to give. */
  address(last: number, family: OutsideFamily): string;
}

/**
 * Connects all nodes to a network outside, 172.31.`third`.0/24 and fd00:31:`third`::/112, by a ProviderNetwork, and makes all of them hosts of routers' ports in
 * it, until the end of the test. Resolves when its Subnet is ready.
 */
export async function useExternalNetwork(t: Test, world: World, name: string, third: number): Promise<ExternalNetwork> {
  const address = (last: number, family: OutsideFamily): string =>
    family === "v4" ? `172.31.${third}.${last}` : `fd00:31:${third}::${last}`;
  const both = (last: number) => ({ v4: address(last, "v4"), v6: address(last, "v6") });
  const router = both(1);
  await plugOutside(t, world, router, (i) => both(11 + i));
  const networks = new Objects<Thing>(world.kube, providerNetworkKind.type);
  await networks.ready();
  t.teardown(() => networks.stop());
  await useObject(t, world, providerNetworkKind.type, name, { defaultInterface: "eth9" });
  await networks.until(
    name,
    "connects all nodes",
    (network) => network?.status?.ready === true && network.status.readyNodes?.length === world.lab.nodes.length,
    60_000,
  );
  await useObject(t, world, vlanKind.type, name, { id: 0, provider: name });
  await useObject(t, world, SUBNETS, name, {
    vlan: name,
    cidrBlock: `${address(0, "v4")}/24,fd00:31:${third}::/112`,
    gateway: `${router.v4},${router.v6}`,
    excludeIps: FAMILIES.map((family) => `${address(1, family)}..${address(99, family)}`),
  });
  // Its reason says what of an external subnet is not supported.
  await world.subnets.until(name, "is Ready", (subnet) => readiness(subnet)?.status === "True");
  const label = (node: string, value: string | null) =>
    world.kube.patch(
      NODES,
      { name: node },
      { type: "merge", body: { metadata: { labels: { [EXTERNAL_GATEWAY_LABEL]: value } } } },
    );
  t.teardown(async () => {
    for (const node of world.lab.nodes) await label(node, null);
  });
  for (const node of world.lab.nodes) await label(node, "true");
  return { name, router, address };
}

/** The static routes of a VPC that send everything to the router of a network outside. */
export function defaultRoutes({ router }: ExternalNetwork): readonly { cidr: string; nextHopIP: string }[] {
  return FAMILIES.map((family) => ({ cidr: family === "v4" ? "0.0.0.0/0" : "::/0", nextHopIP: router[family] }));
}

/** The nodes in the order in which they host the port of a VPC's router in an external subnet: the first one that is alive has it. */
export async function gatewayOrder(world: World, port: string): Promise<readonly string[]> {
  const rows = await world.nb.until(`${port} has nodes`, () => {
    const found = [...world.nb.mirror.rows("Gateway_Chassis")].filter(({ name }) => name.startsWith(`${port}-`));
    return found.length === world.lab.nodes.length && found;
  });
  const names = new Map(
    world.nodes.values().map(({ metadata }) => [metadata.annotations?.["ovn.kubernetes.io/chassis"], metadata.name]),
  );
  return rows
    .toSorted((a, b) => Number(b.priority) - Number(a.priority))
    .flatMap(({ chassis_name }) => names.get(chassis_name) ?? []);
}

/** Waits until a node hosts the port of a router in an external subnet. */
export function hostedBy(world: World, port: string, node: string): Promise<unknown> {
  return until(`${node} has ${port}`, 60_000, async () => (await hostOf(world, port)) === node, 500);
}

/** Waits until another node hosts the port, and returns its name. */
export function takenOverFrom(world: World, port: string, node: string): Promise<string> {
  const another = async (): Promise<string | false> => {
    const host = await hostOf(world, port);
    return host !== "" && host !== node && host;
  };
  return until(`another node than ${node} has ${port}`, 30_000, another, 500);
}

/** The node that hosts the port of a router in an external subnet now; "" for none. */
async function hostOf(world: World, port: string): Promise<string> {
  const script = `ovn-sbctl get Chassis $(ovn-sbctl --bare --columns=chassis find Port_Binding logical_port=cr-${port}) hostname`;
  const command = ["-n", "kube-system", "exec", "deploy/ovn-central", "--", "bash", "-c", script];
  const { stdout } = await world.lab.kubectl(command, { allowFailure: true });
  return stdout.trim().replaceAll('"', "");
}
