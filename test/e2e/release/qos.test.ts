// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { flow } from "../../../hack/traffic/flow.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { NODES, PODS } from "../../../src/kube/resources.ts";
import { useMultus } from "../testing/multus.ts";
import { createNetwork, ovnNetwork } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, run, useNamespace } from "../testing/pods.ts";
import { useSubnet } from "../testing/subnets.ts";
import { when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-qos";
/** Mbit/s */
const RATE = 5;
/** Mbit */
const BURST = 1;
const LIMITED = {
  "ovn.kubernetes.io/ingress_rate": `${RATE}`,
  "ovn.kubernetes.io/ingress_burst": `${BURST}`,
  "ovn.kubernetes.io/egress_rate": `${RATE}`,
  "ovn.kubernetes.io/egress_burst": `${BURST}`,
};

/** The accepted fractions of the limit: a busy machine lowers a rate, and cannot raise it. */
function atMost({ seconds }: { readonly seconds: number }, rate = RATE, burst = BURST): number {
  return (rate * seconds + burst) * 1.05;
}

/** A sender or receiver: its network namespace, address and interface. */
interface End {
  readonly netns: string;
  readonly address: string;
  readonly link?: string;
}

const endOf = (pod: Thing, family: 4 | 6 = 4): End => ({
  netns: podNetns(pod.metadata.uid),
  address: addressesOf(pod)[family === 4 ? 0 : 1],
});

/** Mbit that arrive from one end at another. */
function traffic({ netns }: End, { link, ...to }: End, protocol: "tcp" | "udp", seconds = 5) {
  return flow(netns, to.netns, to.address, { protocol, mbit: 40, seconds, ...(link !== undefined && { link }) });
}

/** Asserts that the limit is reached and not exceeded between two ends, in both directions. */
async function holds(t: Test, limited: End, other: End, what: string, rate = RATE): Promise<void> {
  for (const protocol of ["tcp", "udp"] as const) {
    for (const [how, from, to] of [
      ["to", other, limited],
      ["from", limited, other],
    ] as const) {
      const got = await traffic(from, to, protocol);
      t.ok(got.mbit <= atMost(got, rate), `${protocol} ${how} ${what}: ${got.mbit} Mbit in ${got.seconds} s`);
      t.ok(got.mbit > 0.2 * rate * got.seconds, "and most of the limit is used");
    }
  }
}

function change({ kube }: World, name: string, annotations: Readonly<Record<string, string | null>>): Promise<unknown> {
  return kube.patch(PODS, { namespace: NAMESPACE, name }, { type: "merge", body: { metadata: { annotations } } });
}

async function record(world: World, name: string, text: string | undefined): Promise<void> {
  const has = (): string | undefined =>
    world.pods.get(`${NAMESPACE}/${name}`)?.metadata.annotations?.["weft.kubeovn.io/qos"];
  await when(
    (listener) => world.pods.subscribe(listener),
    () => has() === text,
    `record ${text}, not ${has()}`,
    15_000,
  );
}

t.test(
  "limits of a pod apply to TCP and UDP in both directions, on one node and between nodes",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const [first = "", second = ""] = world.lab.nodes;
    await useNamespace(t, world, NAMESPACE);
    const [limited, near, far] = (await run(world, [
      idlePod(NAMESPACE, "limited", first, LIMITED),
      idlePod(NAMESPACE, "near", first),
      idlePod(NAMESPACE, "far", second),
    ])) as [Thing, Thing, Thing];
    for (const family of [4, 6] as const) {
      await holds(t, endOf(limited, family), endOf(near, family), `a pod on its node, IPv${family}`);
      await holds(t, endOf(limited, family), endOf(far, family), `a pod on another node, IPv${family}`);
    }
    await t.test("the bandwidth plugin's annotations have the same effect", async (t) => {
      const annotations = { "kubernetes.io/ingress-bandwidth": "5M", "kubernetes.io/egress-bandwidth": "5M" };
      const [upstream] = (await run(world, [idlePod(NAMESPACE, "upstream", first, annotations)])) as [Thing];
      for (const [from, to] of [
        [near, upstream],
        [upstream, far],
      ] as const) {
        const got = await traffic(endOf(from), endOf(to), "udp");
        t.ok(got.mbit <= atMost(got, 5, 4) && got.mbit > 0.2 * 5 * got.seconds, `${got.mbit} Mbit in ${got.seconds} s`);
      }
    });
    await t.test("pods without limits are not limited", async (t) => {
      const got = await traffic(endOf(near), endOf(far), "udp");
      t.ok(got.mbit > 2 * atMost(got), `${got.mbit} Mbit in ${got.seconds} s`);
    });
    await t.test("a changed rate is active on the running pod", async (t) => {
      const changed = new Set<string>();
      const stop = world.nb.mirror.subscribe((changes) => {
        for (const { table, new: now } of changes)
          changed.add(`${table} ${JSON.stringify(now && "match" in now ? now.match : "")}`);
      });
      await change(world, "limited", { "ovn.kubernetes.io/ingress_rate": "20" });
      await record(
        world,
        "limited",
        '{"ovn":{"ingress":{"rate":20000,"burst":1000},"egress":{"rate":5000,"burst":1000}}}',
      );
      stop();
      t.strictSame(
        [...changed],
        [`QoS ${JSON.stringify(`outport == "limited.${NAMESPACE}"`)}`],
        "nothing else is touched",
      );
      const got = await traffic(endOf(near), endOf(limited), "udp");
      t.ok(got.mbit <= atMost(got, 20) && got.mbit > atMost(got), `${got.mbit} Mbit in ${got.seconds} s`);
    });
    await t.test("removed limits are not enforced any more", async (t) => {
      await change(world, "limited", Object.fromEntries(Object.keys(LIMITED).map((key) => [key, null])));
      await record(world, "limited", undefined);
      for (const [from, to] of [
        [near, limited],
        [limited, far],
      ] as const) {
        const got = await traffic(endOf(from), endOf(to), "udp");
        t.ok(got.mbit > 2 * atMost(got), `${got.mbit} Mbit in ${got.seconds} s`);
      }
    });
  },
);

t.test("limits of a node apply to its ovn0", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useNamespace(t, world, NAMESPACE);
  const [near, far] = (await run(world, [idlePod(NAMESPACE, "near", first), idlePod(NAMESPACE, "far", second)])) as [
    Thing,
    Thing,
  ];
  const annotate = (annotations: Readonly<Record<string, string | null>>): Promise<unknown> =>
    world.kube.patch(NODES, { name: first }, { type: "merge", body: { metadata: { annotations } } });
  const recorded = (limited: boolean): Promise<unknown> =>
    world.nodes.until(
      first,
      limited ? "has limits" : "has no limits",
      (node) => (node?.metadata.annotations?.["weft.kubeovn.io/qos"] !== undefined) === limited,
      15_000,
    );
  const none = Object.fromEntries(Object.keys(LIMITED).map((key) => [key, null]));
  t.teardown(() => annotate(none));
  await annotate(LIMITED);
  await recorded(true);
  const [v4 = "", v6 = ""] = (world.ips.get(`node-${first}`)?.spec.ipAddress ?? "").split(",");
  const node = (address: string): End => ({ netns: world.lab.node(first).netns, address, link: "ovn0" });
  await holds(t, node(v4), endOf(near), "a node and a pod on it, IPv4");
  await holds(t, node(v6), endOf(far, 6), "a node and a pod on another one, IPv6");
  const between = await traffic(endOf(near), endOf(far), "udp");
  t.ok(between.mbit > 2 * atMost(between), `pods of the node are not limited: ${between.mbit} Mbit`);
  await annotate(none);
  await recorded(false);
  const got = await traffic(endOf(near), node(v4), "udp");
  t.ok(got.mbit > 2 * atMost(got), `removed limits no longer hold: ${got.mbit} Mbit in ${got.seconds} s`);
});

t.test(
  "limits of a secondary interface apply to it, and not to the primary interface",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const [first = "", second = ""] = world.lab.nodes;
    await useMultus(t, world);
    await useNamespace(t, world, NAMESPACE);
    const provider = `lan.${NAMESPACE}.ovn`;
    await useSubnet(t, world, "qos-lan", { provider, cidrBlock: "10.53.0.0/24,fd00:10:53::/120" });
    await createNetwork(world, NAMESPACE, "lan", ovnNetwork("lan", NAMESPACE));
    const networks = { "k8s.v1.cni.cncf.io/networks": "lan" };
    const limits = Object.fromEntries(
      Object.entries(LIMITED).map(([key, value]) => [key.replace("ovn.", `${provider}.`), value]),
    );
    const [limited, other] = (await run(world, [
      idlePod(NAMESPACE, "limited", first, { ...networks, ...limits }),
      idlePod(NAMESPACE, "other", second, networks),
    ])) as [Thing, Thing];
    const onLan = (pod: Thing, field: "v4IpAddress" | "v6IpAddress"): End => ({
      netns: podNetns(pod.metadata.uid),
      address: world.ips.get(`${pod.metadata.name}.${NAMESPACE}.${provider}`)?.spec[field] ?? "",
      link: "net1",
    });
    await holds(t, onLan(limited, "v4IpAddress"), onLan(other, "v4IpAddress"), "net1, IPv4");
    await holds(t, onLan(limited, "v6IpAddress"), onLan(other, "v6IpAddress"), "net1, IPv6");
    for (const [from, to] of [
      [limited, other],
      [other, limited],
    ] as const) {
      const got = await traffic(endOf(from), endOf(to), "udp");
      t.ok(got.mbit > 2 * atMost(got), `eth0: ${got.mbit} Mbit in ${got.seconds} s`);
    }
  },
);
