// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { VPCS } from "../../../src/kube/resources.ts";
import { addressesOf, inNode, type Manifest, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

/** On purpose the default subnet's own range, in both VPCs. */
const RANGE = "10.16.0.0/24,fd00:10:16::/120";
const VPCS_HERE = ["weft-probe-a", "weft-probe-b"] as const;

/** A web server at a fixed address whose port kubelet probes. */
function probed(namespace: string, name: string, node: string, last: number, port = 8080): Manifest {
  const address = `10.16.0.${last},fd00:10:16::${last.toString(16)}`;
  const pod = webPod(namespace, name, node, { "ovn.kubernetes.io/ip_address": address });
  const spec = pod.spec as { containers: readonly object[] };
  const probe = { periodSeconds: 1, failureThreshold: 1 };
  const container = {
    ...spec.containers[0],
    args: ["netexec", `--http-port=${port}`],
    ports: [{ name: "web", containerPort: port }],
    readinessProbe: { ...probe, httpGet: { path: "/hostname", port: "web" } },
    livenessProbe: { periodSeconds: 1, failureThreshold: 10, tcpSocket: { port } },
  };
  return { ...pod, spec: { ...spec, containers: [container] } };
}

async function useVpc(t: Test, world: World, name: string): Promise<string> {
  const namespace = await useNamespace(t, world, name);
  if (world.vpcs.get(name) === undefined)
    await world.kube.create(VPCS, { metadata: { name }, spec: { namespaces: [namespace] } });
  const subnet = `${name}-pods`;
  await useSubnet(t, world, subnet, { vpc: name, cidrBlock: RANGE, namespaces: [namespace] });
  await judged(world, subnet);
  return namespace;
}

t.test("kubelet's probes reach pods of custom VPCs", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const [a, b] = (await Promise.all(VPCS_HERE.map((name) => useVpc(t, world, name)))) as [string, string];

  await t.test("pods with one address and different ports on one node, and others, become Ready", async (t) => {
    const [webA] = await run(world, [probed(a, "web", first, 221)]);
    t.ok(webA);
    await run(world, [probed(b, "web", first, 221, 8081), probed(b, "far", second, 222)]);
    const node = inNode(world, first);
    for (const address of addressesOf(webA!)) {
      t.ok(await connects(node, address, 8080), `the node reaches ${address} port 8080, in the first VPC`);
      t.ok(await connects(node, address, 8081), `and port 8081, in the second`);
    }
    for (const pod of [webA!, world.pods.get(`${b}/web`)!, world.pods.get(`${b}/far`)!]) {
      const [status] = pod.status.containerStatuses;
      t.equal(status.restartCount, 0, `${pod.metadata.namespace}/${pod.metadata.name} is found alive`);
    }
  });
});
