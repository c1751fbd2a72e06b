// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import type { Exec } from "../../../hack/traffic/probe.ts";
import { receiver, sendDatagram } from "../../../hack/traffic/stream.ts";
import { PROBE_NETWORK } from "../../../src/api/names.ts";
import { PODS, SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import {
  addressesOf,
  idlePod,
  inNode,
  inPod,
  ownReady,
  type PodManifest,
  ready,
  remove,
  run,
  useNamespace,
  webPod,
} from "../testing/pods.ts";
import { connects, createPolicy, deletePolicy } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

/** Deliberately the default subnet's range, in both VPCs. */
const RANGE = "10.16.0.0/24,fd00:10:16::/120";
const VPCS_HERE = ["weft-probe-a", "weft-probe-b"] as const;

/** A web server at a fixed address whose port kubelet probes. */
function probed(namespace: string, name: string, node: string, last: number, port = 8080): PodManifest {
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

async function onNode(world: World, node: string, ...command: string[]): Promise<string> {
  return (await inNode(world, node)(command)).stdout;
}

/** Objects for probes on a node. */
async function traces(world: World, node: string): Promise<readonly string[]> {
  const [links, rules, rules6, tables] = await Promise.all([
    onNode(world, node, "ip", "-o", "link"),
    onNode(world, node, "ip", "rule"),
    onNode(world, node, "ip", "-6", "rule"),
    onNode(world, node, "nft", "list", "tables"),
  ]);
  const lines = [links, rules, rules6, tables].join("\n").split("\n");
  return lines.filter((line) => /probe|^870:/.test(line));
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

t.setTimeout(300_000);

t.test("kubelet's probes reach pods of custom VPCs", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const [a, b] = (await Promise.all(VPCS_HERE.map((name) => useVpc(t, world, name)))) as [string, string];

  await t.test("pods with the same address and different ports on one node, and others, become Ready", async (t) => {
    const [webA] = await run(world, [probed(a, "web", first, 221)]);
    t.ok(webA);
    await run(world, [probed(b, "web", first, 221, 8081), probed(b, "far", second, 222)]);
    const node = inNode(world, first);
    // kubelet probes one family; the first connection over the other one needs neighbour discovery, which may take longer than `connects` waits.
    const reached = (address: string, port: number): Promise<unknown> =>
      until(`${address} port ${port} is reached`, 10_000, () => connects(node, address, port));
    for (const address of addressesOf(webA!)) {
      t.ok(await reached(address, 8080), `the node reaches ${address} port 8080, in the first VPC`);
      t.ok(await reached(address, 8081), `and port 8081, in the second`);
    }
    for (const pod of [webA!, world.pods.get(`${b}/web`)!, world.pods.get(`${b}/far`)!]) {
      const [status] = pod.status.containerStatuses;
      t.equal(status.restartCount, 0, `${pod.metadata.namespace}/${pod.metadata.name} is found alive`);
    }
  });

  await t.test("no other traffic enters or leaves a VPC through the probe port", async (t) => {
    const [webA, far] = [world.pods.get(`${a}/web`)!, world.pods.get(`${b}/far`)!];
    const [probe] = await run(world, [idlePod(a, "idle", first)]);
    const [v4, v6] = addressesOf(webA);
    const closed = async (exec: Exec, address: string, port: number, what: string): Promise<void> =>
      void t.notOk(await connects(exec, address, port), `${what} does not reach ${address} port ${port}`);
    await Promise.all(
      [v4, v6].flatMap((address) => [
        closed(inNode(world, second), address, 8080, "another node"),
        closed(inNode(world, first), address, 8082, "its own node, where nothing is probed,"),
        closed(inNode(world, OUTSIDE), address, 8080, "a host outside"),
      ]),
    );
    // kubelet's own port, which answers every client that reaches the node.
    const targets = [PROBE_NETWORK.v4.node, PROBE_NETWORK.v6.node, ...Object.values(addressOf(first))];
    t.ok(await connects(inNode(world, second), addressOf(first).v4, 10250), "which another node does");
    for (const pod of [webA, far, probe!])
      await Promise.all(targets.map((address) => closed(inPod(pod), address, 10250, pod.metadata.name)));
    const listener = await receiver(podNetns(webA.metadata.uid), 9000);
    for (const [source, to] of [
      [PROBE_NETWORK.v4.node, v4],
      [PROBE_NETWORK.v6.node, v6],
    ] as const) {
      const six = source.includes(":");
      await inPod(probe!)([
        "ip",
        "addr",
        "add",
        `${source}/${six ? 128 : 32}`,
        "dev",
        "eth0",
        ...(six ? ["nodad"] : []),
      ]);
      await sendDatagram(podNetns(probe!.metadata.uid), source, to, 9000, 8);
    }
    await sendDatagram(podNetns(probe!.metadata.uid), addressesOf(probe!)[0], v4, 9000, 9);
    await listener.until("the last datagram comes", (lines) => lines.some((line) => line.endsWith(" 9")), 20_000);
    t.same(await listener.stop(), [`${addressesOf(probe!)[0]} 9`], "no pod is believed to be the node");
  });

  await t.test("policies, private subnets and the VPC's own policy routes do not block kubelet", async (t) => {
    await createPolicy(world, a, "isolate", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    await world.kube.patch(SUBNETS, { name: `${a}-pods` }, { type: "merge", body: { spec: { private: true } } });
    const drop = { priority: 30_000, match: "ip4.src == 10.16.0.0/24", action: "drop" };
    await world.kube.patch(VPCS, { name: a }, { type: "merge", body: { spec: { policyRoutes: [drop] } } });
    await world.nb.until("the drop is there", () =>
      [...world.nb.mirror.rows("Logical_Router_Policy")].some(({ match }) => match === drop.match),
    );
    const [closed] = await run(world, [probed(a, "closed", first, 224)]);
    for (const address of addressesOf(closed!))
      t.ok(await connects(inNode(world, first), address, 8080), `the node reaches ${address}`);
    t.notOk(await connects(inPod(world.pods.get(`${a}/idle`)!), addressesOf(closed!)[0], 8080), "a pod does not");
    await deletePolicy(world, a, "isolate");
    await world.kube.patch(VPCS, { name: a }, { type: "merge", body: { spec: { policyRoutes: [] } } });
    await world.kube.patch(SUBNETS, { name: `${a}-pods` }, { type: "merge", body: { spec: { private: false } } });
  });

  await t.test("of two pods with the same address and port the older is probed, then the other", async (t) => {
    await run(world, [probed(a, "same", first, 223)]);
    await world.kube.create(PODS, probed(b, "same", first, 223));
    const event = await when(
      (listener) => world.events.subscribe(listener),
      () =>
        world.events
          .values()
          .find(
            ({ reason, involvedObject: { namespace, name } }) =>
              reason === "ProbeAddressAmbiguous" && namespace === b && name === "same",
          ),
      "an Event ProbeAddressAmbiguous",
      20_000,
    );
    t.match(event.message, `pod ${a}/same of VPC ${a} has 10.16.0.223 and port 8080 too`);
    await remove(world, a, ["same"]);
    await ready(world, b, ["same"]);
  });

  await t.test(
    "objects that are removed on the node are restored, also while the daemon or Open vSwitch restarts",
    async (t) => {
      const [v4] = addressesOf(world.pods.get(`${a}/web`)!);
      const reached = async () => connects(inNode(world, first), v4, 8080);
      const restored = (what: string) => until(`${v4} is reached after ${what}`, 20_000, reached);
      const [link = ""] = /probe[0-9a-f]{10}/.exec(await onNode(world, first, "ip", "-o", "link")) ?? [];
      for (const command of [
        ["ip", "rule", "delete", "priority", "870"],
        ["ip", "route", "flush", "table", "8701"],
        ["nft", "delete", "table", "inet", "weft/probes"],
        ["ip", "link", "delete", link],
      ]) {
        await onNode(world, first, ...command);
        await restored(command.join(" "));
      }
      const before = await traces(world, first);
      const [daemon] = world.own("kube-ovn-cni", first);
      await world.kube.delete(PODS, { namespace: "kube-system", name: daemon!.metadata.name });
      t.ok(await reached(), "while no daemon runs");
      await ownReady(world, "kube-ovn-cni", first, daemon!.metadata.uid);
      t.ok(await reached(), "and when it runs again");
      const names = (lines: readonly string[]) => lines.map((line) => line.replace(/^\d+: (probe\w+).*/, "$1"));
      t.same(names(await traces(world, first)), names(before), "nothing has moved");
      const [ovs] = world.own("ovs", first);
      await world.kube.delete(PODS, { namespace: "kube-system", name: ovs!.metadata.name });
      await ownReady(world, "ovs", first, ovs!.metadata.uid);
      await restored("a restart of Open vSwitch");
    },
  );

  await t.test("nothing is left when the pods are deleted", async (t) => {
    for (const namespace of [a, b]) {
      const names = world.pods.values().filter(({ metadata }) => metadata.namespace === namespace);
      await remove(
        world,
        namespace,
        names.map(({ metadata }) => metadata.name),
      );
      await world.kube.delete(SUBNETS, { name: `${namespace}-pods` });
      await world.kube.delete(VPCS, { name: namespace });
      await world.vpcs.gone(namespace);
    }
    for (const node of world.lab.nodes)
      await until(`nothing is left on ${node}`, 20_000, async () => (await traces(world, node)).length === 0);
    const switches = [...world.nb.mirror.rows("Logical_Switch")].map(({ name }) => name);
    t.same(
      switches.filter((name) => name.startsWith("weft/probe/weft-probe-")),
      [],
    );
  });
});
