// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { networkStatus, useThickMultus } from "../testing/multus.ts";
import { createNetwork, lookInside, macvlanNetwork, ovnNetwork, seenFrom } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const HOME = "weft-thick";

t.test("pods with several networks through Multus' daemon", { skip: whyNoLab(), timeout: 300_000 }, async (t) => {
  const world = await openWorld(t);
  await useThickMultus(t, world);
  await useNamespace(t, world, HOME);
  const [lan, wire] = [`lan.${HOME}.ovn`, `wire.${HOME}`];
  await useSubnet(t, world, "thick-lan", { provider: lan, cidrBlock: "10.55.0.0/24,fd00:10:55::/120" });
  await useSubnet(t, world, "thick-wire", { provider: wire, cidrBlock: "172.30.55.0/24" });
  await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
  await createNetwork(world, HOME, "wire", macvlanNetwork("wire", HOME));
  for (const name of ["thick-lan", "thick-wire"]) await judged(world, name);
  const before = await takeInventory(world);
  const networks = { "k8s.v1.cni.cncf.io/networks": "lan,wire" };
  const [one, two] = (await run(world, [
    webPod(HOME, "one", "weft-1", networks),
    webPod(HOME, "two", "weft-2", networks),
  ])) as readonly [Thing, Thing];
  const status = networkStatus(two);
  t.match(
    status.map(({ name, interface: ifName }) => [name, ifName]),
    [
      ["kube-ovn", "eth0"],
      [`${HOME}/lan`, "net1"],
      [`${HOME}/wire`, "net2"],
    ],
  );
  t.same(status[0]?.ips, addressesOf(two));
  for (const { interface: ifName = "", ips = [], mac } of status) {
    const inside = await lookInside(two, ifName);
    t.same(
      [inside?.addresses.map((text) => text.split("/")[0]), inside?.mac],
      [ips, mac],
      `${ifName} as Multus saw it`,
    );
    t.ok(ips.length > 0);
    const servers = networkStatus(one).find((other) => other.interface === ifName)?.ips ?? [];
    for (const [n, server] of servers.entries()) {
      const seen = async (): Promise<boolean> => (await seenFrom(two, ifName, server)) === ips[n];
      await until(`${ifName} connects to ${server} as ${ips[n]}`, 10_000, seen);
    }
  }
  await remove(world, HOME, ["one", "two"]);
  await sameInventory(t, world, before, "nothing is left");
});
