// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ping } from "../../../hack/traffic/probe.ts";
import { podPortName } from "../../../src/api/port-names.ts";
import { NETWORK_ATTACHMENTS, PODS, SUBNETS } from "../../../src/kube/resources.ts";
import { expectPodEvent } from "../testing/events.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { useMultus } from "../testing/multus.ts";
import { createNetwork, ovnNetwork } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { inPod, type PodManifest, ready, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const HOME = "weft-bad-networks";
const NETWORKS = "k8s.v1.cni.cncf.io/networks";
const provider = (name: string): string => `${name}.${HOME}.ovn`;

t.test("networks that a pod cannot have", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world = await openWorld(t);
  await useMultus(t, world);
  await useNamespace(t, world, HOME);
  await useSubnet(t, world, "bad-lan", { provider: provider("lan"), cidrBlock: "10.54.0.0/24" });
  // One address in addition to the gateway's.
  await useSubnet(t, world, "bad-tight", { provider: provider("tight"), cidrBlock: "10.54.1.0/30" });
  await useSubnet(t, world, "bad-broken", { provider: provider("broken"), cidrBlock: "10.54.2.0/24" });
  for (const name of ["lan", "tight", "orphan"]) await createNetwork(world, HOME, name, ovnNetwork(name, HOME));
  const broken = {
    metadata: { namespace: HOME, name: "broken" },
    spec: { config: '{"type": "kube-ovn",' },
    status: undefined,
  };
  await world.kube.create<Thing>(NETWORK_ATTACHMENTS, broken);
  for (const name of ["bad-lan", "bad-tight"]) await judged(world, name);
  const before = await takeInventory(world);
  const pod = (name: string, networks: string | readonly object[], more: Record<string, string> = {}): PodManifest =>
    webPod(HOME, name, "weft-1", {
      [NETWORKS]: typeof networks === "string" ? networks : JSON.stringify(networks),
      ...more,
    });
  const first = { ...pod("first", [{ name: "lan", ips: ["10.54.0.50"] }]) };
  const [, two] = (await run(world, [
    first,
    { ...webPod(HOME, "second", "weft-2", { [NETWORKS]: "lan" }) },
  ])) as readonly [Thing, Thing];
  /** The rows of the valid pods: in the northbound database and on their nodes. */
  const rows = () => [
    ...["first", "second"].map((name) => world.nb.port(podPortName(name, HOME, provider("lan")))?._uuid),
    ...["weft-1", "weft-2"].flatMap((node) =>
      world
        .ovs(node)
        .podInterfaces()
        .filter(({ external_ids: ids }) => ["first", "second"].includes(ids["pod_name"] ?? ""))
        .map(({ _uuid, name, external_ids: ids }) => `${_uuid} ${name} ${ids["iface-id"]} ${ids["ip"]}`)
        .sort(),
    ),
  ];
  const there = rows();

  const cases = {
    broken: {
      manifest: pod("broken", "lan,broken"),
      event:
        /NetworkAttachmentDefinition "weft-bad-networks\/broken": spec\.config is not valid JSON; it must be a CNI configuration/,
      // Multus reads it before it calls any plugin.
      error: /broken/,
    },
    orphan: {
      manifest: pod("orphan", "lan,orphan"),
      event:
        /No subnet has the provider "orphan\.weft-bad-networks\.ovn" of a network that the pod names; create a subnet/,
      error:
        /got no address for provider orphan\.weft-bad-networks\.ovn from the controller within 30 s: .*No subnet has the provider/,
    },
    tight: {
      manifest: pod("tight", "lan,tight,tight"),
      event: /Interface "tight\.weft-bad-networks\.ovn\.net3": .*bad-tight/,
      error: /got no address for provider tight\.weft-bad-networks\.ovn from the controller within 30 s: .*bad-tight/,
    },
    taken: {
      manifest: pod("taken", [{ name: "lan", ips: ["10.54.0.50"] }]),
      event: /10\.54\.0\.50.*first\.weft-bad-networks/,
      error: /got no address for provider lan\.weft-bad-networks\.ovn from the controller within 30 s: .*10\.54\.0\.50/,
    },
  } as const;
  for (const { manifest } of Object.values(cases)) await world.kube.create(PODS, manifest);
  for (const [name, { event, error }] of Object.entries(cases)) {
    await t.test(`${name}: the pod's Event and the CNI error say what is wrong`, async (t) => {
      for (const [reason, wanted, ms] of [
        ["AcquireAddressFailed", event, 20_000],
        ["FailedCreatePodSandBox", error, 90_000],
      ] as const) {
        await expectPodEvent(t, world, { namespace: HOME, name }, reason, wanted, ms);
      }
    });
  }

  await t.test("the other interfaces and pods are unchanged, and corrected ones work", async (t) => {
    for (const name of ["broken", "orphan", "tight"])
      t.ok(
        world.ips.get(podPortName(name, HOME, provider("lan"))),
        `${name} has an address of the network that is right`,
      );
    t.ok(there.every((row) => row !== undefined) && there.length === 6, "two ports and two interfaces of each");
    t.strictSame(rows(), there, "no row of theirs is another");
    t.match(await ping(inPod(two), "10.54.0.50"), { ok: true });
    const config = JSON.stringify(ovnNetwork("broken", HOME));
    await world.kube.patch(
      NETWORK_ATTACHMENTS,
      { namespace: HOME, name: "broken" },
      { type: "merge", body: { spec: { config } } },
    );
    await useSubnet(t, world, "bad-orphan", { provider: provider("orphan"), cidrBlock: "10.54.3.0/24" });
    await world.kube.patch(
      SUBNETS,
      { name: "bad-tight" },
      { type: "merge", body: { spec: { cidrBlock: "10.54.1.0/29" } } },
    );
    await world.kube.delete(PODS, { namespace: HOME, name: "taken" }, { gracePeriodSeconds: 0 });
    // kubelet retries after a pause.
    await ready(world, HOME, ["broken", "orphan", "tight"], 120_000);
    t.strictSame(rows(), there);
    await remove(world, HOME, ["first", "second", ...Object.keys(cases)]);
    await world.kube.delete(SUBNETS, { name: "bad-orphan" });
    await world.subnets.gone("bad-orphan");
    await sameInventory(t, world, before, "nothing is left");
  });
});
