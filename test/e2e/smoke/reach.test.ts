// SPDX-License-Identifier: Apache-2.0

import { isIPv6 } from "node:net";
import t from "tap";
import { reachAll } from "../../../hack/demo/reach.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { SERVICES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, STANDING, standingPods } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

/**
 * Waits until a node reaches a Service: kube-proxy needs some time to process it, and reports no event. The error says what failed last, and which of
 * the Service's pods the node reaches without kube-proxy.
 */
async function served(world: World, node: string, address: string, pods: readonly Thing[]): Promise<void> {
  const from = inNode(world, node);
  const url = (host: string, port: number): string => `http://${urlHost(host)}:${port}/hostname`;
  let last = "";
  try {
    await until(`kube-proxy of ${node} serves ${address}`, 30_000, async () => {
      const { ok, detail } = await http(from, url(address, 80));
      last = detail;
      return ok;
    });
  } catch (cause) {
    const ofFamily = pods.flatMap(addressesOf).filter((pod) => isIPv6(pod) === isIPv6(address));
    const direct = await Promise.all(
      ofFamily.map(async (pod) => `${pod}: ${(await http(from, url(pod, 8080))).detail}`),
    );
    throw new Error(`${node} does not reach the Service ${address}: ${last}; its pods: ${direct.join(", ")}`, {
      cause,
    });
  }
}

t.test("every pod reaches every pod, node and Service", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const pods = await standingPods(world);
  const service = await world.kube.create<Thing>(SERVICES, {
    metadata: { name: "web", namespace: STANDING },
    spec: {
      selector: { web: "weft" },
      ipFamilyPolicy: "RequireDualStack",
      ports: [{ port: 80, targetPort: 8080 }],
    },
    status: {},
  });
  t.teardown(() => world.kube.delete(SERVICES, { namespace: STANDING, name: "web" }));
  const serviceAddresses: readonly string[] = service.spec.clusterIPs;
  for (const node of world.lab.nodes) {
    for (const address of serviceAddresses) await served(world, node, address, pods);
  }
  const reaches = await reachAll({
    lab: world.lab,
    pods: pods.map((pod) => ({
      namespace: STANDING,
      name: pod.metadata.name,
      uid: pod.metadata.uid,
      node: pod.spec.nodeName,
      addresses: addressesOf(pod),
    })),
    ipFamily: "dual",
    serviceName: `web.${STANDING}.svc.cluster.local`,
    serviceAddresses,
  });
  for (const { ok, what, family, from, to, ms, detail } of reaches)
    t.ok(ok, `${what}, ${family}: ${from} reaches ${to} in ${ms.toFixed(1)} ms`, ok ? {} : { detail });
  t.equal(reaches.length, 28, "all were tried");
});
