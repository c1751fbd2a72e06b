// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { reachAll } from "../../../hack/demo/reach.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { SERVICES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, STANDING, standingPods } from "../testing/pods.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

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
  // kube-proxy needs some time to process it, and reports no event.
  for (const node of world.lab.nodes) {
    for (const address of serviceAddresses) {
      const url = `http://${urlHost(address)}/hostname`;
      await until(`kube-proxy of ${node} serves ${url}`, 15_000, async () => (await http(inNode(world, node), url)).ok);
    }
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
