// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { inNetns } from "../../../hack/traffic/probe.ts";
import { barrage } from "../../../hack/traffic/stream.ts";
import { PODS, SUBNETS } from "../../../src/kube/resources.ts";
import type { Thing } from "./objects.ts";
import { idlePod, type PodManifest, ready, remove, run, useNamespace } from "./pods.ts";
import { createPolicy } from "./policies.ts";
import type { World } from "./world.ts";

const NAMESPACE = "weft-first-packet";
const SUBNET = "weft-first-packet";
/** Number of pods that start at the same time: more of them would only take longer. */
const AT_ONCE = 25;
/** No process listens on it: datagrams that arrive are counted as "no such port". */
const PORT = 4242;

/** Options of {@link firstPackets}. */
export interface FirstPacketOptions {
  /** Number of pods that start under the policy; a tenth as many are left open, to show that packets arrive. */
  readonly pods: number;
  /** Called once when about half of the pods exist. */
  readonly disturb?: () => Promise<void>;
  /** How long pods that start at the same time may take. */
  readonly ms: number;
}

/**
 * Starts pods with addresses known beforehand while a policy denies all traffic and a peer sends to all of the
 * addresses without pause, over both families. No pod may have received a single datagram since its network namespace
 * was created.
 */
export async function firstPackets(t: Test, world: World, { pods, disturb, ms }: FirstPacketOptions): Promise<void> {
  const subnet = {
    metadata: { name: SUBNET },
    spec: { cidrBlock: "10.44.0.0/16,fd00:10:44::/112", namespaces: [NAMESPACE] },
  };
  // Runs before the namespace's pods are deleted: the last teardown added runs first.
  t.teardown(async () => {
    await world.kube.delete(SUBNETS, { name: SUBNET }).catch(() => undefined);
    await world.subnets.gone(SUBNET).catch((error: unknown) => t.comment(`${error}`));
  });
  await useNamespace(t, world, NAMESPACE);
  await world.kube.create(SUBNETS, subnet);
  await world.subnets.until(SUBNET, "is accepted", (one) =>
    (one?.status?.conditions ?? []).some(
      ({ type, status }: { type: string; status: string }) => type === "Ready" && status === "True",
    ),
  );
  const addresses = (i: number): [string, string] => [
    `10.44.${1 + (i >> 8)}.${i & 255}`,
    `fd00:10:44::${(i + 256).toString(16)}`,
  ];
  const manifest = (i: number, role: string): PodManifest => {
    const node = world.lab.nodes[i % world.lab.nodes.length] ?? "weft-1";
    const annotations = { "ovn.kubernetes.io/ip_address": addresses(i).join(",") };
    const pod = idlePod(NAMESPACE, `${role}-${i}`, node, annotations);
    return { ...pod, metadata: { ...pod.metadata, labels: { role } } };
  };
  const closed = Array.from({ length: pods }, (_, i) => manifest(i + 1, "closed"));
  const open = Array.from({ length: Math.max(2, Math.floor(pods / 10)) }, (_, i) => manifest(pods + i + 1, "open"));
  await createPolicy(world, NAMESPACE, "deny", { podSelector: { matchLabels: { role: "closed" } } });
  const [sender] = await run(world, [idlePod(NAMESPACE, "sender", world.lab.nodes[0])]);
  if (sender === undefined) throw new Error("there is no sender");
  const targets = [...closed, ...open].flatMap((_, i) => addresses(i + 1));
  const shots = await barrage(podNetns(sender.metadata.uid), targets, PORT, 2);
  // In case the test fails before that: the process would not end.
  t.teardown(() => shots.stop());
  const names = [...closed, ...open].map(({ metadata }) => metadata.name ?? "");
  const all = [...closed, ...open];
  const up: Thing[] = [];
  let disturbed: Promise<void> | undefined;
  for (let i = 0; i < all.length; i += AT_ONCE) {
    if (i >= all.length / 2) disturbed ??= disturb?.();
    await Promise.all(all.slice(i, i + AT_ONCE).map((each) => world.kube.create(PODS, each)));
    up.push(...(await ready(world, NAMESPACE, names.slice(i, i + AT_ONCE), ms)));
  }
  await disturbed;
  // One more round to all of them, now that they are up.
  await new Promise((resolve) => setTimeout(resolve, Math.max(2_000, targets.length * 2)));
  const sent = await shots.stop();
  let leaked = 0;
  let silent = 0;
  for (const pod of up) {
    const count = await datagramsIn(podNetns(pod.metadata.uid));
    if (pod.metadata.labels?.["role"] === "open") silent += count === 0 ? 1 : 0;
    else if (count > 0) {
      leaked++;
      t.comment(`${pod.metadata.name} got ${count}`);
    }
  }
  t.equal(leaked, 0, `of ${closed.length} isolated pods, none got any of ${sent} datagrams`);
  t.equal(silent, 0, `each of ${open.length} pods that are open got some`);
  await remove(world, NAMESPACE, [...names, "sender"]);
}

/** Number of UDP datagrams that have arrived in a network namespace since its creation, with or without a listener. */
async function datagramsIn(netns: string): Promise<number> {
  const { stdout } = await inNetns(netns)(["cat", "/proc/self/net/snmp", "/proc/self/net/snmp6"]);
  const [names = "", values = ""] = stdout.split("\n").filter((line) => line.startsWith("Udp:"));
  const at = (name: string): number => Number(values.split(" ")[names.split(" ").indexOf(name)] ?? 0);
  const six = (name: string): number => Number(new RegExp(`^${name}\\s+(\\d+)`, "m").exec(stdout)?.[1] ?? 0);
  return at("InDatagrams") + at("NoPorts") + six("Udp6InDatagrams") + six("Udp6NoPorts");
}
