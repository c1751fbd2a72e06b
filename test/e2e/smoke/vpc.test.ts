// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf, EXTERNAL } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, ping, urlHost } from "../../../hack/traffic/probe.ts";
import { SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import { addressesOf, idlePod, inPod, remove, run, standingPods, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const VPC = "weft-vpc";
const SUBNET = "weft-vpc-pods";
const CENTRAL = "weft-central";

t.test("VPCs and gateways", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const standing = await standingPods(world);

  await t.test("pods of a VPC reach each other across nodes, and no pod of the default VPC", async (t) => {
    const namespace = await useNamespace(t, world, "weft-vpc");
    if (world.vpcs.get(VPC) === undefined)
      await world.kube.create(VPCS, { metadata: { name: VPC }, spec: { namespaces: [namespace] } });
    // Deliberately the default subnet's range: VPCs do not see each other's addresses.
    const cidrBlock = "10.16.0.0/24,fd00:10:16::/120";
    await useSubnet(t, world, SUBNET, { vpc: VPC, cidrBlock, namespaces: [namespace] });
    await judged(world, SUBNET);
    const fixed = (v4: string, v6: string) => ({ "ovn.kubernetes.io/ip_address": `${v4},${v6}` });
    const [here, there] = await run(world, [
      idlePod(namespace, "here", "weft-1", fixed("10.16.0.211", "fd00:10:16::d3")),
      webPod(namespace, "there", "weft-2", fixed("10.16.0.212", "fd00:10:16::d4")),
    ]);
    for (const address of addressesOf(there!)) {
      t.match(await ping(inPod(here!), address), { ok: true }, `ICMP to ${address}`);
      const url = `http://${urlHost(address)}:8080/hostname`;
      t.match(await http(inPod(here!), url, "there"), { ok: true }, `TCP to ${address}`);
    }
    const others = standing.flatMap((pod) => addressesOf(pod));
    const inside = await Promise.all(others.map((address) => ping(inPod(here!), address)));
    t.notOk(
      inside.some(({ ok }) => ok),
      "no pod of the default VPC answers",
    );
    const outside = await Promise.all(addressesOf(here!).map((address) => ping(inPod(standing[0]!), address)));
    t.notOk(
      outside.some(({ ok }) => ok),
      "and none reaches it",
    );
    t.match(world.vpcs.get(VPC), { status: { router: VPC, default: false, subnets: [SUBNET] } });

    await remove(world, namespace, ["here", "there"]);
    await world.kube.delete(SUBNETS, { name: SUBNET });
    await world.kube.delete(VPCS, { name: VPC });
    await world.subnets.gone(SUBNET);
    await world.vpcs.gone(VPC);
    const routers = (): readonly string[] => [...world.nb.mirror.rows("Logical_Router")].map(({ name }) => name);
    await world.nb.until("its router is gone", () => !routers().includes(VPC));
  });

  await t.test(
    "traffic of a centralized subnet's pods leaves through its gateway node, whatever their own node",
    async (t) => {
      const namespace = await useNamespace(t, world, "weft-central");
      await useSubnet(t, world, CENTRAL, {
        cidrBlock: "10.44.0.0/24,fd00:10:44::/120",
        gatewayType: "centralized",
        gatewayNode: "weft-2",
        natOutgoing: true,
        namespaces: [namespace],
      });
      await judged(world, CENTRAL);
      const pods = await run(world, [idlePod(namespace, "near", "weft-2"), idlePod(namespace, "far", "weft-1")]);
      const gateway = addressOf("weft-2");
      for (const pod of pods) {
        for (const [to, as] of [
          [EXTERNAL.v4, gateway.v4],
          [EXTERNAL.v6, gateway.v6],
        ] as const) {
          const reached = await http(inPod(pod), `http://${urlHost(to)}/`, as);
          t.match(reached, { ok: true }, `${pod.metadata.name} reaches ${to} as ${as}`);
        }
        // Traffic within the VPC does not go through the gateway.
        for (const address of addressesOf(standing[0]!))
          t.match(await ping(inPod(pod), address), { ok: true }, `${pod.metadata.name} reaches ${address}`);
      }
      const move = { type: "merge", body: { spec: { gatewayNode: "weft-1" } } } as const;
      await world.kube.patch(SUBNETS, { name: CENTRAL }, move);
      const hops = (node: string): readonly string[] => {
        const { v4IpAddress, v6IpAddress } = world.ips.get(`node-${node}`)!.spec;
        return [v4IpAddress, v6IpAddress];
      };
      await world.nb.until("its policies lead to weft-1", () => {
        const policies = [...world.nb.mirror.rows("Logical_Router_Policy")];
        const mine = policies.filter(
          ({ external_ids, priority }) => external_ids["subnet"] === CENTRAL && priority === 29000,
        );
        return mine.length === 2 && mine.every(({ nexthops }) => hops("weft-1").includes(nexthops[0] ?? ""));
      });
      const other = addressOf("weft-1");
      for (const pod of pods) {
        const leaves = async () => (await http(inPod(pod), `http://${EXTERNAL.v4}/`, other.v4)).ok;
        await until(`${pod.metadata.name} leaves as ${other.v4}`, 10_000, leaves);
      }
    },
  );
});
