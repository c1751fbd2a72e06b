// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { PODS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

// The assertions of Kube-OVN's end-to-end specs of QoS (its test/e2e/kube-ovn/qos/qos.go), with the command that they run.

const NAMESPACE = "weft-kube-ovn-qos";
const NETEM = {
  "ovn.kubernetes.io/latency": "600",
  "ovn.kubernetes.io/jitter": "400",
  "ovn.kubernetes.io/limit": "2000",
  "ovn.kubernetes.io/loss": "10",
};
const NETEM_ROW = { latency: "600000", jitter: "400000", limit: "2000", loss: "10" };

/** The settings of a pod's row of `table`, as the specs read them: in the pod of DaemonSet `ovs-ovn` on the pod's node. */
async function settings(world: World, table: "qos" | "queue", pod: Thing): Promise<Readonly<Record<string, string>>> {
  const { namespace, name } = pod.metadata;
  const [ovs] = world.own("ovs", pod.spec.nodeName);
  const command = ["--no-heading", "--columns=other_config", "--bare", "find", table];
  const { stdout } = await world.lab.kubectl([
    ...["-n", "kube-system", "exec", ovs?.metadata.name ?? "", "--", "ovs-vsctl"],
    ...[...command, `external_ids:pod="${namespace}/${name}"`],
  ]);
  const pairs = stdout.split(/\s+/).map((pair) => pair.split("="));
  return Object.fromEntries(
    pairs.flatMap(([key = "", value, ...rest]) => (value && !rest.length ? [[key, value]] : [])),
  );
}

/** Resolves when a row of a pod has these settings. */
function hasSettings(world: World, table: "QoS" | "Queue", pod: Thing, wanted: Readonly<Record<string, string>>) {
  const ovs = world.ovs(pod.spec.nodeName);
  const key = `${pod.metadata.namespace}/${pod.metadata.name}`;
  return ovs.until(`${table} of ${key}`, () =>
    [...ovs.mirror.rows(table)].some(
      ({ external_ids: ids, other_config: has }) =>
        ids["pod"] === key && Object.entries(wanted).every(([name, value]) => has[name] === value),
    ),
  );
}

function allocated({ metadata: { annotations = {} } }: Thing): boolean {
  return (["allocated", "routed"] as const).every((key) => annotations[`ovn.kubernetes.io/${key}`] === "true");
}

t.test("Kube-OVN's specs of QoS", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [node = ""] = world.lab.nodes;
  await useNamespace(t, world, NAMESPACE);
  const change = (name: string, annotations: Readonly<Record<string, string>>): Promise<unknown> =>
    world.kube.patch(PODS, { namespace: NAMESPACE, name }, { type: "merge", body: { metadata: { annotations } } });

  await t.test("should support netem QoS", async (t) => {
    const [pod] = (await run(world, [idlePod(NAMESPACE, "netem", node, NETEM)])) as [Thing];
    t.ok(allocated(pod));
    t.match(pod.metadata.annotations, NETEM);
    t.match(await settings(world, "qos", pod), NETEM_ROW);
  });

  await t.test("should be able to update netem QoS", async (t) => {
    const [pod] = (await run(world, [idlePod(NAMESPACE, "changed", node)])) as [Thing];
    t.ok(allocated(pod));
    t.strictSame(await settings(world, "qos", pod), {});
    await change("changed", NETEM);
    await hasSettings(world, "QoS", pod, NETEM_ROW);
    t.match(await settings(world, "qos", pod), NETEM_ROW);
    t.match(world.pods.get(`${NAMESPACE}/changed`)?.metadata.annotations, NETEM);
  });

  await t.test("should support htb QoS", async (t) => {
    const annotations = { "ovn.kubernetes.io/ingress_rate": "300" };
    const [pod] = (await run(world, [idlePod(NAMESPACE, "htb", node, annotations)])) as [Thing];
    t.ok(allocated(pod));
    t.match(pod.metadata.annotations, annotations);
    t.match(await settings(world, "queue", pod), { "max-rate": "300000000" });
    await change("htb", { "ovn.kubernetes.io/ingress_rate": "20" });
    await hasSettings(world, "Queue", pod, { "max-rate": "20000000" });
    t.match(
      await settings(world, "queue", pod),
      { "max-rate": "20000000" },
      "also after a change, which no spec asserts",
    );
  });
});
