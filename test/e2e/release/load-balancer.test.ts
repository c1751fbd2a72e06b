// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { providerNetworkKind } from "../../../src/kinds/provider-network.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { NODES, SERVICES, SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { plugOutside } from "../testing/outside-network.ts";
import { inNode, run, useNamespace, webPod } from "../testing/pods.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-lb";
const ROUTER = { v4: "172.31.79.1", v6: "fd00:31:79::1" } as const;
const GATEWAY_LABEL = "ovn.kubernetes.io/external-gw";

t.setTimeout(540_000);

let world: World;

/** The addresses of a Service, IPv4 first, once it has both. */
async function addressesOf(services: Objects, key: string): Promise<readonly [v4: string, v6: string]> {
  return services.until(key, "has addresses", (service) => {
    const ingress = (service?.status?.loadBalancer?.ingress ?? []) as readonly { readonly ip: string }[];
    const of = (six: boolean) => ingress.find(({ ip }) => ip.includes(":") === six)?.ip;
    const [v4, v6] = [of(false), of(true)];
    return v4 !== undefined && v6 !== undefined && ([v4, v6] as const);
  });
}

t.test("a Service of type LoadBalancer in an external network", { skip: whyNoLab(), timeout: 530_000 }, async (t) => {
  world = await openWorld(t);
  const { nodes } = world.lab;
  const [first = "", second = ""] = nodes;
  await plugOutside(t, world, ROUTER, (i) => ({ v4: `172.31.79.${11 + i}`, v6: `fd00:31:79::${11 + i}` }));
  const namespace = await useNamespace(t, world, NAME);
  const services = new Objects(world.kube, SERVICES);
  await services.ready();
  t.teardown(() => services.stop());
  const networks = new Objects(world.kube, providerNetworkKind.type);
  await networks.ready();
  t.teardown(() => networks.stop());
  const label = (node: string, value: string | null) =>
    world.kube.patch(
      NODES,
      { name: node },
      { type: "merge", body: { metadata: { labels: { [GATEWAY_LABEL]: value } } } },
    );
  const connect = (spec: object) => world.kube.patch(VPCS, { name: "ovn-cluster" }, { type: "merge", body: { spec } });
  await useObject(t, world, providerNetworkKind.type, NAME, { defaultInterface: "eth9" });
  await networks.until(NAME, "is ready", (network) => network?.status?.ready === true, 60_000);
  await useObject(t, world, vlanKind.type, NAME, { provider: NAME, id: 0 });
  await useObject(t, world, SUBNETS, NAME, {
    ...{ vlan: NAME, cidrBlock: "172.31.79.0/24,fd00:31:79::/112", gateway: `${ROUTER.v4},${ROUTER.v6}` },
    excludeIps: ["172.31.79.1..172.31.79.99", "fd00:31:79::1..fd00:31:79::99"],
  });
  await label(first, "true");
  t.teardown(async () => {
    await connect({ enableExternal: false, extraExternalSubnets: null });
    for (const node of nodes) await label(node, null);
  });
  await connect({ enableExternal: true, extraExternalSubnets: [NAME] });
  await run(world, [webPod(namespace, "shop", second)], 90_000);
  const service = (name: string, annotations: Record<string, string>, more: object = {}) =>
    world.kube.create<Thing>(SERVICES, {
      metadata: { namespace, name, annotations },
      spec: {
        ...{ type: "LoadBalancer", ipFamilyPolicy: "RequireDualStack", selector: { app: "shop" } },
        ...{ ports: [{ port: 80, targetPort: 8080 }], ...more },
      },
    } as never);
  await service("web", { "ovn.kubernetes.io/service_external_ip_from_subnet": NAME });
  const [v4, v6] = await addressesOf(services, `${namespace}/web`);
  const outside = inNode(world, OUTSIDE);
  const client = (address: string) => (address.includes(":") ? ROUTER.v6 : ROUTER.v4);
  const answers = async (t: Test, address: string, expected = client(address)): Promise<void> => {
    const ask = () => http(outside, `http://${urlHost(address)}/clientip`);
    await until(`${address} answers`, 30_000, async () => (await ask()).ok, 200).catch(() => undefined);
    const { ok, detail } = await ask();
    t.ok(ok, `${address}: ${detail}`);
    t.match(detail, expected, "the pod sees the client's own address");
  };

  await t.test("it answers outside clients in both families, which pods see as they are", async (t) => {
    await syncNodes(world);
    for (const address of [v4, v6]) await answers(t, address);
  });

  await t.test("with session affinity, too", async (t) => {
    const external = { "ovn.kubernetes.io/service_external_ip_from_subnet": NAME };
    await service("sticky", external, { sessionAffinity: "ClientIP" });
    const addresses = await addressesOf(services, `${namespace}/sticky`);
    await syncNodes(world);
    for (const address of addresses) await answers(t, address);
  });

  await t.test(
    "an address that another implementation has written stays, and is served again when it goes",
    async (t) => {
      const write = (ingress: readonly object[]) =>
        world.kube.patch(
          SERVICES,
          { namespace, name: "sticky" },
          { type: "merge", body: { status: { loadBalancer: { ingress } } } },
          { subresource: "status" },
        );
      await write([{ ip: "192.0.2.7" }]);
      const message = "has 192.0.2.7 from another implementation";
      await until("it is told", 20_000, () =>
        world.events
          .values()
          .some(({ involvedObject: of, message: told }) => of.name === "sticky" && told.includes(message)),
      );
      t.match(services.get(`${namespace}/sticky`)?.status?.loadBalancer, { ingress: [{ ip: "192.0.2.7" }] });
      await write([]);
      const [address] = await addressesOf(services, `${namespace}/sticky`);
      await answers(t, address);
    },
  );

  await t.test("a requested address, and one that is in use", async (t) => {
    await service("other", {}, { loadBalancerClass: "example.com/none" });
    await service("same", { "ovn.kubernetes.io/service_external_ip_from_subnet": NAME }, { loadBalancerIP: v4 });
    await until("the refusal names the holder", 20_000, () =>
      world.events
        .values()
        .some(
          ({ involvedObject: of, message }) => of.name === "same" && message.includes(`Service "${namespace}/web"`),
        ),
    );
    t.same(services.get(`${namespace}/same`)?.status?.loadBalancer, {}, "it has no address");
    t.same(services.get(`${namespace}/other`)?.status?.loadBalancer, {}, "another class is left alone");
  });

  await t.test("when the gateway node changes, the addresses move with the router's port", async (t) => {
    await label(second, "true");
    await label(first, null);
    await syncNodes(world);
    for (const address of [v4, v6]) await answers(t, address);
  });

  await t.test("a Service that is deleted does not answer any more, and its address is free", async (t) => {
    await world.kube.delete(SERVICES, { namespace, name: "web" });
    const [again] = await addressesOf(services, `${namespace}/same`).catch(() => [""]);
    t.equal(again, v4, "the Service that wanted it has it");
  });
});
