// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, urlHost } from "../../../hack/traffic/probe.ts";
import { SERVICES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inNode, inPod, type PodManifest, run, useNamespace, webPod } from "../testing/pods.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-nodes";
const FAMILIES = ["v4", "v6"] as const;

t.test("traffic between nodes and pods, and to node ports", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  await useNamespace(t, world, NAME);
  const web = webPod(NAME, "web", "weft-2");
  const labelled: PodManifest = { ...web, metadata: { ...web.metadata, labels: { web: "yes" } } };
  const [server, near, far] = (await run(world, [
    labelled,
    idlePod(NAME, "near", "weft-2"),
    idlePod(NAME, "far", "weft-1"),
  ])) as readonly [Thing, Thing, Thing];
  const service = async (name: string, spec: object): Promise<Thing> =>
    world.kube.create<Thing>(SERVICES, {
      metadata: { name, namespace: NAME },
      spec: {
        selector: { web: "yes" },
        ipFamilyPolicy: "RequireDualStack",
        type: "NodePort",
        ports: [{ port: 80, targetPort: 8080 }],
        ...spec,
      },
      status: {},
    });
  const local = await service("local", { externalTrafficPolicy: "Local" });
  const cluster = await service("cluster", {});
  const portOf = (of: Thing): number => of.spec.ports[0].nodePort;
  const url = (address: string, port: number): string => `http://${urlHost(address)}:${port}/clientip`;
  /** The client's address as the server reports it. */
  const seen = async (from: Exec, to: string, as: string, what: string): Promise<void> => {
    await until(`${what} answers`, 15_000, async () => (await http(from, to)).ok);
    // Ports are chosen at random: a fault that concerns only some of them shows in one of ten.
    for (let i = 0; i < 10; i++) t.match(await http(from, to, as), { ok: true }, `${what} sees ${as}`);
  };
  const outside = inNode(world, OUTSIDE);

  for (const [i, family] of FAMILIES.entries()) {
    const [one, two] = [addressOf("weft-1")[family], addressOf("weft-2")[family]];
    const pod = addressesOf(server)[i]!;
    await t.test(`${family}: pods see a node by its InternalIP`, async () => {
      await seen(inNode(world, "weft-1"), url(pod, 8080), one, "a pod on another node");
      await seen(inNode(world, "weft-2"), url(pod, 8080), two, "a pod on the same node");
      await seen(inNode(world, "weft-1"), url(cluster.spec.clusterIPs[i], 80), one, "a pod behind a ClusterIP");
      await seen(outside, url(one, portOf(cluster)), one, "a pod behind a node port, for a client outside");
      const fixed = await inNode(
        world,
        "weft-1",
      )(["curl", "-sg", "--max-time", "5", "--local-port", `${31_000 + i}`, url(pod, 8080)]);
      t.match(fixed.stdout, one, "also from a port of the range of node ports");
    });

    await t.test(
      `${family}: externalTrafficPolicy Local keeps the client's address, and uses local endpoints`,
      async (t) => {
        await seen(outside, url(two, portOf(local)), addressOf(OUTSIDE)[family], "its endpoint, for a client outside,");
        await seen(inNode(world, "weft-1"), url(two, portOf(local)), one, "its endpoint, for another node,");
        await seen(inPod(far), url(two, portOf(local)), one, "its endpoint, for a pod of another node,");
        t.match(await http(inPod(near), url(two, portOf(local))), { ok: true }, "a pod of the same node gets through");
        for (const [what, from] of [
          ["a client from outside", outside],
          ["another node", inNode(world, "weft-2")],
          ["another node's pod", inPod(near)],
        ] as const)
          t.match(
            await http(from, url(one, portOf(local))),
            { ok: false },
            `${what}: not on a node without an endpoint`,
          );
      },
    );

    await t.test(`${family}: any node port leads to an endpoint from any pod`, async () => {
      for (const [from, name] of [
        [near, "weft-2"],
        [far, "weft-1"],
      ] as const)
        for (const node of [one, two])
          t.match(await http(inPod(from), url(node, portOf(cluster))), { ok: true }, `from ${name} by ${node}`);
    });
  }
});
