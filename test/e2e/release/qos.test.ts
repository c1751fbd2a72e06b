// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { flow } from "../../../hack/traffic/flow.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { PODS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, run, useNamespace } from "../testing/pods.ts";
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

/** The least and the most of the limit that may arrive: how busy a machine is lowers a rate, and cannot raise it. */
function atMost({ seconds }: { readonly seconds: number }, rate = RATE): number {
  return (rate * seconds + BURST) * 1.05;
}

/** Mbit that arrive from one pod at another. */
function traffic(from: Thing, to: Thing, protocol: "tcp" | "udp") {
  const [address] = addressesOf(to);
  return flow(podNetns(from.metadata.uid), podNetns(to.metadata.uid), address, { protocol, mbit: 40, seconds: 5 });
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

t.test("limits of a pod hold for TCP and UDP in both directions, near and far", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useNamespace(t, world, NAMESPACE);
  const [limited, near, far] = (await run(world, [
    idlePod(NAMESPACE, "limited", first, LIMITED),
    idlePod(NAMESPACE, "near", first),
    idlePod(NAMESPACE, "far", second),
  ])) as [Thing, Thing, Thing];
  const others: readonly (readonly [string, Thing])[] = [
    ["on its node", near],
    ["on another node", far],
  ];
  const hold = async (t: Test, rate = RATE): Promise<void> => {
    for (const [where, other] of others) {
      for (const protocol of ["tcp", "udp"] as const) {
        for (const [how, from, to] of [
          ["to", other, limited],
          ["from", limited, other],
        ] as const) {
          const got = await traffic(from, to, protocol);
          t.ok(
            got.mbit <= atMost(got, rate),
            `${protocol} ${how} a pod ${where}: ${got.mbit} Mbit in ${got.seconds} s`,
          );
          t.ok(got.mbit > 0.2 * rate * got.seconds, "and most of the limit is used");
        }
      }
    }
  };
  await hold(t);
  await t.test("pods without limits are not limited", async (t) => {
    const got = await traffic(near, far, "udp");
    t.ok(got.mbit > 2 * atMost(got), `${got.mbit} Mbit in ${got.seconds} s`);
  });
  await t.test("a changed rate is active on the running pod", async (t) => {
    await change(world, "limited", { "ovn.kubernetes.io/ingress_rate": "20" });
    await record(
      world,
      "limited",
      '{"ovn":{"ingress":{"rate":20000,"burst":1000},"egress":{"rate":5000,"burst":1000}}}',
    );
    const got = await traffic(near, limited, "udp");
    t.ok(got.mbit <= atMost(got, 20) && got.mbit > atMost(got), `${got.mbit} Mbit in ${got.seconds} s`);
  });
  await t.test("removed limits no longer hold", async (t) => {
    await change(world, "limited", Object.fromEntries(Object.keys(LIMITED).map((key) => [key, null])));
    await record(world, "limited", undefined);
    for (const [from, to] of [
      [near, limited],
      [limited, far],
    ] as const) {
      const got = await traffic(from, to, "udp");
      t.ok(got.mbit > 2 * atMost(got), `${got.mbit} Mbit in ${got.seconds} s`);
    }
  });
});
