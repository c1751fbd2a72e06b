// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import type { Qos } from "../../contract/qos-record.ts";
import { EVENTS, IPS, PODS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import type { Pod } from "../../kube/types.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

const RECORD = "weft.kubeovn.io/qos";
const RATE = "ovn.kubernetes.io/ingress_rate";
const BURST = "ovn.kubernetes.io/ingress_burst";
const UPSTREAM = "kubernetes.io/ingress-bandwidth";
const ALLOCATED = { "ovn.kubernetes.io/allocated": "true" };

/** Invalid settings, and the accepted values in the message. */
const INVALID: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
  ["negative", { [RATE]: "-1" }, /it must be a whole number from 1 to 4294967 \(Mbit\/s\), or 0 for no limit/],
  ["absurd", { [RATE]: "99999999" }, /it must be a whole number from 1 to 4294967 \(Mbit\/s\), or 0 for no limit/],
  ["no number", { [RATE]: "fast" }, /it must be a whole number from 1 to 4294967 \(Mbit\/s\), or 0 for no limit/],
  ["a fraction", { [RATE]: "1.5" }, /it must be a whole number from 1 to 4294967 \(Mbit\/s\), or 0 for no limit/],
  [
    "a burst without a rate",
    { [BURST]: "5" },
    /there is no rate; set ovn\.kubernetes\.io\/ingress_rate \(Mbit\/s\) as well/,
  ],
  ["a burst below the MTU", { [RATE]: "5", [BURST]: "0" }, /at least one packet of the MTU.* 1 or more \(Mbit\)/],
  ["an absurd burst", { [RATE]: "5", [BURST]: "1e9" }, /it must be a whole number from 1 to 4294967 \(Mbit\)/],
  ["a negative quantity", { [UPSTREAM]: "-1M" }, /it must be a quantity of bit\/s from 1k to 4294967M, such as 10M/],
];

const ref = (name: string) => ({ namespace: "default", name });

async function addPod(kube: FakeKube, name: string, annotations: Readonly<Record<string, string>>): Promise<void> {
  const spec = { nodeName: "n1", hostNetwork: false };
  await kube.create(PODS, { metadata: { ...ref(name), annotations }, spec } as never);
}

/** The records of the active limits: on the Pod, and in its IP object. */
function active(kube: FakeKube, name: string): Qos | undefined {
  const text = kube.object<Pod>(PODS, ref(name))?.metadata.annotations?.[RECORD];
  return text === undefined ? undefined : (JSON.parse(text) as { readonly ovn?: Qos }).ovn;
}

function event(kube: FakeKube, name: string, reason: string): Promise<string> {
  type Event = Pod & {
    readonly reason?: string;
    readonly message?: string;
    readonly involvedObject?: { readonly name?: string };
  };
  const isOurs = (one: Event): boolean => one.reason === reason && one.involvedObject?.name === name;
  return eventually(`Event ${reason} of ${name}`, () => kube.objects<Event>(EVENTS).find(isOurs)?.message);
}

const limits = (server: FakeOvsdb) =>
  server.rows(OVN_NB, "QoS").map(({ match, bandwidth }) => [match, bandwidth["rate"]] as const);

async function start(t: Test) {
  const { kube, server } = await cluster(t);
  candidate(t, kube, server);
  await addPod(kube, "other", { [RATE]: "7" });
  await eventually("the other pod has its limit", () => active(kube, "other")?.ingress);
  return { kube, server };
}

t.test(
  "an invalid setting of a new pod refuses its interface, and the message says what would be accepted",
  async (t) => {
    const { kube, server } = await start(t);
    for (const [index, [what, annotations, accepted]] of INVALID.entries()) {
      // An annotation that the controller writes makes no difference when the pod's author has written it.
      for (const forged of [{}, ALLOCATED]) {
        const name = `new-${index}${forged === ALLOCATED ? "-forged" : ""}`;
        await addPod(kube, name, { ...annotations, ...forged });
        const qos = await eventually(`record of ${name}`, () => active(kube, name));
        t.equal(qos.refused, true, `${what}: refused`);
        t.match(qos.problem, accepted, what);
        t.match(await event(kube, name, "InvalidQoS"), /; the interface is not created$/, what);
        await kube.patch(PODS, ref(name), {
          type: "merge",
          body: { metadata: { annotations: { [UPSTREAM]: null, [BURST]: null, [RATE]: "3" } } },
        });
        await eventually(
          `${what}: the corrected value is active`,
          () => active(kube, name)?.ingress?.rate === 3_000 || undefined,
        );
        t.notOk(active(kube, name)?.refused);
      }
    }
    t.ok(limits(server).some(([match, rate]) => match === 'outport == "other.default"' && rate === 7_000));
  },
);

t.test("an invalid setting of a running pod leaves the last valid one active, and affects no other pod", async (t) => {
  const { kube, server } = await start(t);
  await addPod(kube, "running", { [RATE]: "3" });
  await eventually("its limit", () => active(kube, "running")?.ingress);
  for (const [what, annotations, accepted] of INVALID) {
    const patch = (changed: Readonly<Record<string, string | null>>): Promise<unknown> =>
      kube.patch(PODS, ref("running"), { type: "merge", body: { metadata: { annotations: changed } } });
    await patch({ [RATE]: null, ...annotations });
    const problem = await eventually(what, () => active(kube, "running")?.problem);
    t.match(problem, accepted, what);
    t.match(problem, /; 3 Mbit\/s \(burst 2\.4 Mbit\) stays active$/, what);
    t.match(active(kube, "running"), { ingress: { rate: 3_000, burst: 2_400 } });
    t.strictSame(
      limits(server).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      [
        ['outport == "other.default"', 7_000],
        ['outport == "running.default"', 3_000],
      ],
    );
    await patch({ [UPSTREAM]: null, [BURST]: null, [RATE]: "3" });
    await eventually("it is corrected", () => active(kube, "running")?.problem === undefined || undefined);
  }
  t.match(kube.object(IPS, { name: "running.default" })?.metadata.annotations?.[RECORD], /"rate":3000/);
});

t.test(
  "an invalid setting refuses the interface of a pod that takes a reserved address, whatever its author writes",
  async (t) => {
    const { kube } = await start(t);
    const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
    const spec = { podName: "kept", namespace: "default", subnet: "ovn-default", v4IpAddress: "10.16.0.77" };
    await kube.create(IPS, { metadata: { name: "kept.default", labels }, spec } as never);
    await eventually(
      "it is complete",
      () =>
        kube.object<Pod & { spec: { macAddress?: string } }>(IPS, { name: "kept.default" })?.spec.macAddress ||
        undefined,
    );
    for (const annotations of [{ [RATE]: "fast", ...ALLOCATED }, { [RATE]: "fast" }]) {
      await addPod(kube, "kept", annotations);
      const qos = await eventually("record", () => active(kube, "kept"));
      t.equal(qos.refused, true);
      t.match(await event(kube, "kept", "InvalidQoS"), /; the interface is not created$/);
      await kube.delete(PODS, ref("kept"), { gracePeriodSeconds: 0 });
    }
  },
);
