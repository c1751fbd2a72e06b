// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import t from "tap";
import { controllerFigure } from "../testing/metrics.ts";
import type { Objects, Thing } from "../testing/objects.ts";
import { standingPods } from "../testing/pods.ts";
import { PROGRAM, requireProcess } from "../testing/processes.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const WINDOW_MS = 20_000;
/** The kernel's clock ticks per second (USER_HZ), on each supported architecture. */
const TICKS = 100;

/** Processor time of a process, in milliseconds. */
function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

/** Weft's change of an object, by its newest entry of managedFields: who changed which fields; `undefined` if another client made it. */
function ourChange(object: Thing): string | undefined {
  const { managedFields = [] } = object.metadata as {
    managedFields?: readonly { manager: string; time: string; fieldsV1: unknown }[];
  };
  const [newest] = [...managedFields].sort((a, b) => (a.time < b.time ? 1 : -1));
  if (newest?.manager.startsWith("weft-") !== true) return undefined;
  return `${newest.manager} owns ${JSON.stringify(newest.fieldsV1)}`;
}

t.test("an idle cluster", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  await standingPods(world);
  // Objects of earlier tests are being deleted.
  const { pods, namespaces, subnets, ips } = world;
  for (const object of [...pods.values(), ...namespaces.values(), ...subnets.values()]) {
    if (object.metadata.deletionTimestamp === undefined) continue;
    const kind: Objects = pods.values().includes(object)
      ? pods
      : subnets.values().includes(object)
        ? subnets
        : namespaces;
    const { namespace, name } = object.metadata;
    await kind.gone(namespace === undefined ? name : `${namespace}/${name}`, 60_000);
  }
  // While a Subnet's counters change, the controller writes them once in ten seconds, so those of earlier tests may be late.
  for (const { metadata } of subnets.values())
    await subnets.until(metadata.name, "has current counters", (subnet) => {
      const { v4usingIPs = 0, v6usingIPs = 0 } = subnet?.status ?? {};
      const specs = ips.values().flatMap(({ spec }) => (spec.subnet === metadata.name ? [spec] : []));
      const [v4, v6] = ["v4IpAddress", "v6IpAddress"].map((field) => specs.filter((spec) => spec[field]).length);
      return v4usingIPs === v4 && v6usingIPs === v6;
    });
  await new Promise((resolve) => setTimeout(resolve, 2_000));

  const changes: string[] = [];
  const stops: (() => void)[] = [];
  for (const [kind, objects] of Object.entries({
    pods,
    namespaces,
    subnets,
    ips,
    vpcs: world.vpcs,
    nodes: world.nodes,
  })) {
    const versions = new Map(objects.values().map((object) => [object.metadata.uid, object.metadata.resourceVersion]));
    stops.push(
      objects.subscribe(() => {
        for (const object of objects.values()) {
          const { uid, name, resourceVersion } = object.metadata;
          if (versions.get(uid) === resourceVersion) continue;
          versions.set(uid, resourceVersion);
          const change = ourChange(object);
          if (change !== undefined) changes.push(`${kind}/${name}: ${change}; status ${JSON.stringify(object.status)}`);
        }
      }),
    );
  }
  const told = new Set(world.events.values().map(({ metadata }) => metadata.resourceVersion));
  stops.push(world.nb.mirror.subscribe((rows) => changes.push(...rows.map(({ table }) => `northbound ${table}`))));
  for (const node of world.lab.nodes) {
    const { mirror } = world.ovs(node);
    stops.push(mirror.subscribe((rows) => changes.push(...rows.map(({ table }) => `${node} ${table}`))));
  }
  const processes = [...world.own("kube-ovn-controller"), ...world.own("kube-ovn-cni")].map((pod) => {
    const program = pod.metadata.labels?.["app"] === "kube-ovn-cni" ? PROGRAM.daemon : PROGRAM.controller;
    const { pid } = requireProcess(pod.metadata.uid, program);
    return { name: pod.metadata.name, pid, before: cpu(pid) };
  });
  const [controller] = world.own("kube-ovn-controller");
  const count = () => controllerFigure(world, controller!, "weft_nb_transactions_total");
  const transactions = await count();

  await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));

  for (const stop of stops) stop();
  t.equal(await count(), transactions, "no northbound transaction");
  t.strictSame(changes, [], "no row and no object was written");
  const news = world.events
    .values()
    .filter(
      ({ metadata, source }) => source?.component === "kube-ovn-controller" && !told.has(metadata.resourceVersion),
    );
  t.strictSame(
    news.map(({ message }) => message),
    [],
    "no Event",
  );
  for (const { name, pid, before } of processes) {
    const used = cpu(pid) - before;
    t.ok(used < WINDOW_MS / 50, `${name} used ${used} ms of a processor in ${WINDOW_MS / 1000} s`);
  }
});
