// SPDX-License-Identifier: Apache-2.0

import { setTimeout as pause } from "node:timers/promises";
import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { SERVICES, VPCS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, inPod, type PodManifest, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-keep";
const CLIENTS = 8;
const TIMEOUT_S = 10;

const labelled = (pod: PodManifest): PodManifest => ({
  ...pod,
  metadata: { ...pod.metadata, labels: { web: "yes" } },
});

/** Waits until each address of a Service's load balancer has this number of endpoints, and nodes have applied that. */
async function balanced(world: World, name: string, endpoints: number): Promise<void> {
  await world.nb.until(`${name} has ${endpoints} endpoints`, () => {
    const row = [...world.nb.mirror.rows("Load_Balancer")].find((each) => each.name === `${NAME}/${name}/tcp`);
    const lists = Object.values(row?.vips ?? {});
    return lists.length > 0 && lists.every((list) => list.split(",").filter(Boolean).length === endpoints);
  });
  await syncNodes(world);
}

function makeService(world: World, name: string, spec: object): Promise<Thing> {
  return world.kube.create<Thing>(SERVICES, {
    metadata: { name, namespace: NAME },
    spec: { selector: { web: "yes" }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
    status: {},
  });
}

t.test("Services in custom VPCs and with affinity", { skip: whyNoLab() }, async (whole) => {
  const t = whole;
  const world = await openWorld(t);
  await useNamespace(t, world, NAME);

  await t.test(
    "clients of a Service with affinity keep their endpoints, and only those of a removed one move",
    async (t) => {
      await run(
        world,
        [1, 2, 3].map((i) => labelled(webPod(NAME, `web-${i}`, `weft-${1 + (i % 2)}`))),
      );
      const names = Array.from({ length: CLIENTS }, (_, i) => `client-${i}`);
      const clients = await run(
        world,
        names.map((name, i) => idlePod(NAME, name, `weft-${1 + (i % 2)}`)),
      );
      const service = await makeService(world, "keep", {
        ipFamilyPolicy: "RequireDualStack",
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: TIMEOUT_S } },
      });
      await balanced(world, "keep", 3);
      /** The endpoint of each client; each connects twice. */
      const ask = async (address: string): Promise<ReadonlyMap<string, string>> => {
        const url = `http://${urlHost(address)}/hostname`;
        const answers = await Promise.all(
          clients.map(async (client, i) => {
            const [first, second] = [await http(inPod(client), url), await http(inPod(client), url)];
            t.ok(first.ok && second.ok, `${names[i]} by ${address}: ${first.detail}, ${second.detail}`);
            t.equal(second.detail, first.detail, `${names[i]} keeps ${first.detail}`);
            return [names[i]!, first.detail] as const;
          }),
        );
        return new Map(answers);
      };
      const moved = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): readonly string[] =>
        names.filter((name) => a.get(name) !== b.get(name));
      for (const address of service.spec.clusterIPs as readonly string[]) {
        const first = await ask(address);
        t.ok(new Set(first.values()).size > 1, "clients are spread");
        await run(world, [labelled(webPod(NAME, "more", "weft-2"))]);
        await balanced(world, "keep", 4);
        const added = await ask(address);
        t.same(moved(first, added), [], "no client moves when an endpoint is added");
        await remove(world, NAME, ["more"]);
        await balanced(world, "keep", 3);
        const removed = await ask(address);
        const bereft = names.filter((name) => added.get(name) === "more");
        t.same(moved(added, removed), bereft, "only a removed endpoint's clients move");
        // After each timeout a client gets its former endpoint with probability 1/3, so all of them keep theirs in three attempts with probability 10^-11.
        let last = removed;
        for (let i = 0; i < 3 && moved(removed, last).length === 0; i++) {
          await pause((TIMEOUT_S + 3) * 1000);
          last = await ask(address);
        }
        t.not(moved(removed, last).length, 0, "after the timeout a client may go elsewhere");
      }
      await remove(world, NAME, [...names, "web-1", "web-2", "web-3"]);
    },
  );

  await t.test("a Service of pods in a custom VPC needs no annotation", async (t) => {
    await world.kube.create(VPCS, { metadata: { name: "weft-keep" }, spec: {} });
    t.teardown(() => world.kube.delete(VPCS, { name: "weft-keep" }));
    await useSubnet(t, world, "weft-keep-pods", { cidrBlock: "10.71.0.0/24", vpc: "weft-keep" });
    await judged(world, "weft-keep-pods");
    const within = { "ovn.kubernetes.io/logical_switch": "weft-keep-pods" };
    // No probe from a node reaches it.
    const [, client] = await run(world, [
      labelled(webPod(NAME, "own", "weft-1", within)),
      idlePod(NAME, "asks", "weft-2", within),
    ]);
    const service = await makeService(world, "own", {});
    await balanced(world, "own", 1);
    const url = `http://${service.spec.clusterIP}/hostname`;
    await until("the Service answers", 10_000, async () => (await http(inPod(client!), url, "own")).ok);
    const seen = await until("the annotation is there", 10_000, async () => {
      const { metadata } = await world.kube.get<Thing>(SERVICES, { namespace: NAME, name: "own" });
      return metadata.annotations?.["ovn.kubernetes.io/vpc"];
    });
    t.equal(seen, "weft-keep");
    await remove(world, NAME, ["own", "asks"]);
  });
});
