// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf } from "../../../hack/lab/topology.ts";
import { serverPod } from "../../../hack/traffic/pods.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { runExamples } from "../testing/examples.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { networkStatus, useMultus } from "../testing/multus.ts";
import { createNetwork, lookInside, macvlanNetwork, ovnNetwork } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { inPod, type PodManifest, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const HOME = "weft-multus";

t.test("pods with several networks through Multus", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world = await openWorld(t);
  await useMultus(t, world);
  await useNamespace(t, world, HOME);

  const [lan, wire] = [`lan.${HOME}.ovn`, `wire.${HOME}`];
  await useSubnet(t, world, "multus-lan", { provider: lan, cidrBlock: "10.52.0.0/24,fd00:10:52::/120" });
  await useSubnet(t, world, "multus-wire", { provider: wire, cidrBlock: "172.30.52.0/24" });
  // Their networks do not exist yet.
  for (const name of ["multus-lan", "multus-wire"]) await judged(world, name, "NetworkNotFound");
  const before = await takeInventory(world);
  await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
  await createNetwork(world, HOME, "wire", macvlanNetwork("wire", HOME));

  await t.test("pods get all interfaces when they start, and all are removed when they end", async (t) => {
    const networks = { "k8s.v1.cni.cncf.io/networks": "lan,wire@macvlan0" };
    const [one, two] = (await run(world, [
      webPod(HOME, "one", "weft-1", networks),
      webPod(HOME, "two", "weft-2", networks),
    ])) as readonly [Thing, Thing];
    for (const [provider, ifName] of [
      [lan, "net1"],
      [wire, "macvlan0"],
    ] as const) {
      const spec = world.ips.get(`two.${HOME}.${provider}`)?.spec;
      const addresses = [spec.v4IpAddress, spec.v6IpAddress].filter((text: string | undefined) => text);
      t.same(networkStatus(two).find((one) => one.interface === ifName)?.ips, addresses, `${ifName} as Multus saw it`);
      t.match(
        (await lookInside(two, ifName))?.addresses.map((text) => text.split("/")[0]),
        addresses,
      );
      for (const address of addresses) {
        t.match(await ping(inPod(one), address), { ok: true }, address);
        t.ok(await connects(inPod(one), address, 8080), `a connection to ${address}`);
      }
    }
    await remove(world, HOME, ["one", "two"]);
    await sameInventory(t, world, before, "nothing is left");
  });

  await t.test("one network twice, a requested address and MAC, the default route through macvlan", async (t) => {
    const networks = [
      { name: "lan", interface: "lan0", ips: ["10.52.0.50"], mac: "02:00:00:00:52:50" },
      { name: "lan", interface: "lan1" },
      { name: "wire", interface: "wire0" },
    ];
    // Its readiness probe: the answers reach the node through the route on eth0.
    const manifest = serverPod(HOME, "three", {
      node: "weft-1",
      annotations: {
        "k8s.v1.cni.cncf.io/networks": JSON.stringify(networks),
        [`${wire}.kubernetes.io/default_route`]: "true",
        "ovn.kubernetes.io/routes": JSON.stringify([{ dst: `${addressOf("weft-1").v4}/32`, gw: "10.16.0.1" }]),
      },
    });
    const [pod] = (await run(world, [manifest as PodManifest])) as readonly [Thing];
    const specOf = (provider: string) => world.ips.get(`three.${HOME}.${provider}`)?.spec;
    t.match(specOf(`${lan}.lan0`), { v4IpAddress: "10.52.0.50", macAddress: "02:00:00:00:52:50" });
    const second = specOf(`${lan}.lan1`);
    t.match(await lookInside(pod, "lan0"), { mac: "02:00:00:00:52:50", addresses: ["10.52.0.50/24", String] });
    t.match(await lookInside(pod, "lan1"), {
      mac: second.macAddress,
      addresses: [`${second.v4IpAddress}/24`, `${second.v6IpAddress}/120`],
    });
    t.match(await lookInside(pod, "wire0"), { addresses: [`${specOf(wire).v4IpAddress}/24`] });
    const defaults = async (family: string): Promise<readonly string[]> => {
      const { stdout } = await inPod(pod)(["ip", family, "route", "show", "default"]);
      return stdout.split("\n").filter((line) => line !== "");
    };
    t.match(await defaults("-4"), [/^default via 172\.30\.52\.1 dev wire0/]);
    t.equal((await defaults("-4")).length, 1);
    t.match(await defaults("-6"), [/ dev eth0/], "the network has no IPv6, so that stays");
    await remove(world, HOME, ["three"]);
    await sameInventory(t, world, before, "nothing is left");
  });

  await t.test("every example of docs/attachments.md works as it stands", (t) =>
    runExamples(t, world.lab, "attachments.md", true),
  );
});
