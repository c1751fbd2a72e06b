// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { unlessNotFound } from "../../../src/kube/errors.ts";
import { IP_POOLS, LEASES, PODS } from "../../../src/kube/resources.ts";
import { CHURN_CIDR, CHURN_POOL, Churn, fixedAddresses } from "../testing/churn.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { addressesOf, ready, remove, scaleController, standingPods, useNamespace } from "../testing/pods.ts";
import { findProcess, killProcess, PROGRAM } from "../testing/processes.ts";
import { reachable } from "../testing/reachable.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { timed } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-kills";
const LEASE = "kube-system/kube-ovn-controller";
/** Number of pods of each of the four kinds. */
const EACH = Number(process.env["WEFT_KILLS_PODS"] ?? 60) / 4;
const KILLS = Number(process.env["WEFT_KILLS"] ?? 20);
/** Pods replaced for each kill. */
const REPLACED = 6;
/** The longest lifetime of a controller: long enough to lead, and short enough to be killed in every phase before that. */
const LIFE_MS = 2_000;

/** The controllers with a running process. */
function running(world: World): readonly Thing[] {
  return world.own("kube-ovn-controller").filter(({ metadata }) => findProcess(metadata.uid, PROGRAM.controller));
}

/**
 * Sends SIGKILL to a running controller, preferably the leader. Kubelet restarts a container at once only the first time, and
 * pauses longer each time: after its second death the pod is replaced. Returns whether it was the leader according to the Lease.
 */
async function killOne(world: World, leader: string, killed: Set<string>): Promise<boolean> {
  const controller = await until("a controller runs", 60_000, () => {
    const there = running(world);
    return there.find(({ metadata }) => metadata.name === leader) ?? there[0];
  });
  const { uid, name } = controller.metadata;
  await killProcess(uid, PROGRAM.controller);
  if (!killed.has(uid)) {
    killed.add(uid);
    return name === leader;
  }
  await world.kube.delete(PODS, { namespace: "kube-system", name }, { gracePeriodSeconds: 0 }).catch(unlessNotFound);
  return name === leader;
}

/** Watches records and ports for an address that two of them have, or that a record has lost. */
function watchAddresses(world: World, onWrong: (what: string) => void): () => void {
  /** Name of an IP object of a StatefulSet's or a fixed pod → its addresses when it was first seen. */
  const kept = new Map<string, string>();
  const unique = (what: string, holders: Iterable<readonly [name: string, addresses: readonly string[]]>): void => {
    const seen = new Map<string, string>();
    for (const [name, addresses] of holders) {
      for (const address of addresses) {
        const other = seen.get(address);
        if (other !== undefined) onWrong(`${what} ${other} and ${name} both have ${address}`);
        seen.set(address, name);
      }
    }
  };
  const stops = [
    world.ips.subscribe(() => {
      const records = world.ips.values().filter(({ spec }) => spec.namespace === NAME);
      unique(
        "records",
        records.map(({ metadata: { name }, spec }) => [name, [spec.v4IpAddress, spec.v6IpAddress]]),
      );
      for (const { metadata, spec } of records) {
        const { name } = metadata;
        if (!/^(set|fixed)-/.test(name)) continue;
        const now = `${spec.v4IpAddress},${spec.v6IpAddress}`;
        const before = kept.get(name) ?? now;
        if (before !== now) onWrong(`${name} had ${before} and has ${now}`);
        kept.set(name, before);
      }
    }),
    world.nb.mirror.subscribe(() => {
      const ports = [...world.nb.mirror.rows("Logical_Switch_Port")].filter((row) => row.name.endsWith(`.${NAME}`));
      unique(
        "ports",
        ports.map(({ name, addresses }) => [name, addresses.flatMap((text) => text.split(" ").slice(1))]),
      );
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

t.test(
  `${KILLS} times SIGKILL to the controller while ${4 * EACH} pods are created and deleted`,
  { skip: whyNoLab(), timeout: 600_000 },
  async (t) => {
    const world = await openWorld(t);
    const leases = new Objects(world.kube, LEASES, { namespace: "kube-system" });
    await leases.ready();
    t.teardown(() => leases.stop());
    const [witness] = await standingPods(world);
    const namespace = await useNamespace(t, world, NAME);
    await useSubnet(t, world, NAME, { cidrBlock: CHURN_CIDR, namespaces: [namespace] });
    await judged(world, NAME);
    await world.kube.create<Thing>(IP_POOLS, {
      metadata: { name: NAME },
      spec: { subnet: NAME, ips: CHURN_POOL },
      status: {},
    });
    t.teardown(() => world.kube.delete(IP_POOLS, { name: NAME }));
    const before = await takeInventory(world);
    const wrong: string[] = [];
    const stopWatching = watchAddresses(world, (what) => wrong.push(what));
    t.teardown(() => scaleController(world, 1));
    t.teardown(stopWatching);

    const churn = new Churn(world, { namespace, pool: NAME, each: EACH });
    const killed = new Set<string>();
    let led = 0;
    const { took } = await timed(async () => {
      const begun = churn.begin();
      // First alone, so that each starts without a predecessor; then with a standby, which takes over.
      for (const replicas of [1, 2]) {
        await scaleController(world, replicas);
        for (let kill = 0; kill < KILLS / 2; kill++) {
          await delay(Math.random() * LIFE_MS);
          if (await killOne(world, leases.get(LEASE)?.spec.holderIdentity, killed)) led++;
          if (kill === 0) await begun;
          const names = churn.names.toSorted(() => Math.random() - 0.5);
          await churn.replace(names.slice(0, REPLACED));
        }
      }
    });
    t.comment(`${KILLS} kills took ${took}; ${led} of them hit the one that the Lease named`);
    const last = await timed(() => ready(world, namespace, churn.names, 120_000));
    t.pass(`all are Ready ${last.took} after the last kill`);
    t.strictSame(
      [...new Set(wrong)],
      [],
      "at no time had two the same address, or had a set's or a fixed pod another one than before",
    );

    for (const pod of last.result) {
      const { name, annotations } = pod.metadata;
      const { v4IpAddress, v6IpAddress } = world.ips.get(`${name}.${namespace}`)!.spec;
      const told = annotations?.["ovn.kubernetes.io/ip_address"]?.split(",");
      const port = world.nb.port(`${name}.${namespace}`)?.addresses.join(" ").split(" ").slice(1);
      const has = addressesOf(pod);
      t.strictSame([told, [v4IpAddress, v6IpAddress], port], [has, has, has], `${name} has what it is said to have`);
      const [kind, n] = name.split("-");
      if (kind === "fixed") t.strictSame(has, fixedAddresses(Number(n)), `${name} has its addresses`);
      if (kind === "pooled") t.match(has, [/\.1[2-5]\d$/, /::[89][0-9a-f]$/], `${name} has addresses of its pool`);
    }
    t.equal(new Set(last.result.flatMap(addressesOf)).size, 8 * EACH, "no address is given twice");
    await Promise.all(last.result.map((pod) => reachable(witness!, pod)));
    t.pass("each is reached over both families");
    await world.subnets.until(NAME, "counts its pods", (subnet) => subnet?.status?.v4usingIPs === 4 * EACH);

    await churn.end();
    await remove(world, namespace, churn.names);
    await world.subnets.until(NAME, "counts none", (subnet) => subnet?.status?.v4usingIPs === 0);
    await sameInventory(t, world, before, "when all are deleted nothing is left");
  },
);
