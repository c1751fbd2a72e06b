// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { podPortName } from "../../../src/api/port-names.ts";
import { podSteps } from "../../../src/cli/pod.ts";
import { NETWORK_ATTACHMENTS, PODS, SUBNETS } from "../../../src/kube/resources.ts";
import { expectPodEvent } from "../testing/events.ts";
import { useMultus } from "../testing/multus.ts";
import { createNetwork, macvlanNetwork, ovnNetwork } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, ready, run, useNamespace } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-odd-orders";
const NETWORKS = "k8s.v1.cni.cncf.io/networks";
const RECORD = "weft.kubeovn.io/qos";
const provider = (name: string): string => `${name}.${HOME}.ovn`;
const ours = (keys: Readonly<Record<string, string>>, of = "ovn"): Record<string, string> =>
  Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${of}.kubernetes.io/${key}`, value]));

/** A limit as in the record, in kbit. */
const limit = (rate: number, burst = rate * 800): object => ({ rate: rate * 1_000, burst });

class Cluster {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  annotate(name: string, annotations: Readonly<Record<string, string | null>>): Promise<unknown> {
    return this.world.kube.patch(
      PODS,
      { namespace: HOME, name },
      { type: "merge", body: { metadata: { annotations } } },
    );
  }

  /** Resolves when the recorded active limits of an interface are these, whatever problem is recorded in addition. */
  async isActive(name: string, wanted: object, of = "ovn"): Promise<void> {
    const has = (): string => {
      const all = JSON.parse(this.world.pods.get(`${HOME}/${name}`)?.metadata.annotations?.[RECORD] ?? "{}");
      const { problem: _, ...active } = all[of] ?? {};
      return JSON.stringify(active);
    };
    await when(
      (listener) => this.world.pods.subscribe(listener),
      () => has() === JSON.stringify(wanted),
      `${JSON.stringify(wanted)} is active on ${name}, not ${has()}`,
      15_000,
    );
  }

  /** kbit/s of the QoS rows of a port, to it and from it. */
  rates(port: string): readonly (number | undefined)[] {
    const rows = [...this.world.nb.mirror.rows("QoS")].filter(({ external_ids: ids }) => ids["port"] === port);
    return (["to-lport", "from-lport"] as const).map(
      (direction) => rows.find((row) => row.direction === direction)?.bandwidth["rate"],
    );
  }

  /** The first Event of a pod with such a message. */
  async says(t: Test, name: string, reason: string, wanted: RegExp, ms = 20_000): Promise<void> {
    await expectPodEvent(t, this.world, { namespace: HOME, name }, reason, wanted, ms);
  }

  /** Resolves when the problem of an interface is in the record, which is written after its Event. */
  async isRecorded(name: string, problem: string): Promise<void> {
    await this.world.pods.until(
      `${HOME}/${name}`,
      `has the problem ${problem}`,
      (one) => one?.metadata.annotations?.[RECORD]?.includes(JSON.stringify(problem).slice(1, -1)) === true,
    );
  }

  /** The output of `weftctl pod`, by lines. */
  async shown(name: string): Promise<readonly string[]> {
    const steps = await podSteps(this.world.kube, HOME, name);
    return steps.map(({ what, ok, detail }) => `${ok ? "ok" : "NOT OK"} ${what}: ${detail}`);
  }
}

t.test("limits of pods in unusual orders", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world = await openWorld(t);
  const cluster = new Cluster(world);
  await useNamespace(t, world, HOME);
  const pod = (name: string, annotations: Record<string, string>) => idlePod(HOME, name, "weft-1", annotations);

  await t.test("a new pod with an invalid rate waits, says so, and starts when it is corrected", async (t) => {
    await world.kube.create(PODS, pod("absurd", ours({ ingress_rate: "99999999", egress_burst: "5" })));
    await cluster.says(t, "absurd", "InvalidQoS", /ingress_rate is "99999999".*from 1 to 4294967 \(Mbit\/s\)/);
    await cluster.says(t, "absurd", "InvalidQoS", /egress_burst is "5".*there is no rate; set ovn.*egress_rate/);
    await cluster.says(t, "absurd", "FailedCreatePodSandBox", /ingress_rate is "99999999"/, 60_000);
    t.comment((await cluster.shown("absurd")).join("\n"));
    await cluster.annotate("absurd", ours({ ingress_rate: "9", egress_rate: "8" }));
    await ready(world, HOME, ["absurd"], 90_000);
    await cluster.isActive("absurd", { ingress: limit(9), egress: limit(8, 5_000) });
  });

  await t.test("of annotations that are changed while the pod is created the last ones are used", async (t) => {
    await world.kube.create(PODS, pod("hasty", ours({ ingress_rate: "5" })));
    for (const rate of ["6", "bad", "7"])
      await cluster.annotate("hasty", ours({ ingress_rate: rate })).catch((error) => t.comment(String(error)));
    await ready(world, HOME, ["hasty"]);
    await cluster.isActive("hasty", { ingress: limit(7) });
    t.strictSame(cluster.rates(`hasty.${HOME}`), [7_000, undefined]);
  });

  await t.test("of twenty changes within a second the last one is used", async (t) => {
    for (let rate = 11; rate <= 30; rate++) await cluster.annotate("hasty", ours({ ingress_rate: `${rate}` }));
    await cluster.isActive("hasty", { ingress: limit(30) });
    t.strictSame(cluster.rates(`hasty.${HOME}`), [30_000, undefined]);
  });

  await t.test(
    "the bandwidth plugin's annotation is used only while ours is absent, and an invalid one leaves the last limit active",
    async (t) => {
      await cluster.annotate("hasty", { "kubernetes.io/ingress-bandwidth": "20M" });
      await cluster.annotate("hasty", ours({ ingress_rate: "12" }));
      await cluster.isActive("hasty", { ingress: limit(12) });
      await cluster.annotate("hasty", { "ovn.kubernetes.io/ingress_rate": null });
      await cluster.isActive("hasty", { ingress: limit(20) });
      for (const text of ["10m", "-5M", "1P", "fast", "0"]) {
        await cluster.annotate("hasty", { "kubernetes.io/ingress-bandwidth": text });
        const escaped = text.replace("-", "\\-");
        await cluster.says(
          t,
          "hasty",
          "InvalidQoS",
          new RegExp(`ingress-bandwidth is "${escaped}".*20 Mbit/s \\(burst 16 Mbit\\) stays active`),
        );
        t.strictSame(cluster.rates(`hasty.${HOME}`), [20_000, undefined]);
      }
      await cluster.isRecorded("hasty", 'ingress-bandwidth is "0"');
      t.match(
        (await cluster.shown("hasty")).at(-1),
        /^NOT OK QoS of ovn: to the pod 20 Mbit.*: annotation kubernetes\.io\/ingress-bandwidth is "0"/,
      );
      await cluster.annotate("hasty", { "kubernetes.io/ingress-bandwidth": null });
      await cluster.isActive("hasty", {});
      t.strictSame(cluster.rates(`hasty.${HOME}`), [undefined, undefined]);
    },
  );

  await t.test("a pod that is deleted and created again has none of the former limits", async (t) => {
    await cluster.annotate("hasty", ours({ ingress_rate: "3", egress_rate: "3" }));
    await cluster.isActive("hasty", { ingress: limit(3), egress: limit(3) });
    await world.kube.delete(PODS, { namespace: HOME, name: "hasty" }, { gracePeriodSeconds: 0 });
    await world.pods.gone(`${HOME}/hasty`);
    await run(world, [pod("hasty", ours({ egress_rate: "4" }))]);
    await cluster.isActive("hasty", { egress: limit(4) });
    t.strictSame(cluster.rates(`hasty.${HOME}`), [undefined, 4_000]);
  });

  await t.test("limits of a pod on its node's network are reported as not enforced", async (t) => {
    const host = pod("host", ours({ ingress_rate: "5" }));
    await world.kube.create(PODS, { ...host, spec: { ...(host.spec as object), hostNetwork: true } });
    await ready(world, HOME, ["host"]);
    const shown = (await cluster.shown("host")).join("\n");
    t.comment(shown);
    t.match(shown, /NOT OK .*ingress_rate/);
  });
});

t.test("secondary interfaces in unusual orders", { skip: whyNoLab(), timeout: 400_000 }, async (t) => {
  const world = await openWorld(t);
  const cluster = new Cluster(world);
  await useMultus(t, world);
  await useNamespace(t, world, HOME);
  const spec = { provider: provider("lan"), cidrBlock: "10.58.0.0/24" };
  await useSubnet(t, world, "odd-lan", spec);
  // Two addresses in addition to the gateway's.
  await useSubnet(t, world, "odd-tight", { provider: provider("tight"), cidrBlock: "10.58.1.0/30", excludeIps: [] });
  await useSubnet(t, world, "odd-wire", { provider: `wire.${HOME}`, cidrBlock: "10.58.2.0/24" });
  for (const name of ["lan", "tight"]) await createNetwork(world, HOME, name, ovnNetwork(name, HOME));
  await createNetwork(world, HOME, "wire", macvlanNetwork("wire", HOME));
  for (const name of ["odd-lan", "odd-tight", "odd-wire"]) await judged(world, name);
  const pod = (name: string, networks: string, annotations: Record<string, string> = {}) =>
    idlePod(HOME, name, "weft-1", { [NETWORKS]: networks, ...annotations });
  const lan = provider("lan");

  await t.test("each interface's limit is shown, and one that cannot be enforced has an Event", async (t) => {
    const limits = { ...ours({ ingress_rate: "6", egress_rate: "7" }, lan), ...ours({ egress_rate: "9" }) };
    await run(world, [
      pod("first", "lan,wire", {
        ...limits,
        ...ours({ ingress_rate: "5" }, `wire.${HOME}`),
        ...ours({ ingress_rate: "5" }, `lan.other.ovn`),
      }),
    ]);
    await cluster.isActive("first", { ingress: limit(6), egress: limit(7) }, lan);
    const shown = (await cluster.shown("first")).join("\n");
    t.comment(shown);
    t.match(shown, `ok QoS of ${lan}: to the pod 6 Mbit/s (burst 4.8 Mbit), from the pod 7 Mbit/s (burst 5.6 Mbit)`);
    t.match(shown, "ok QoS of ovn: from the pod 9 Mbit/s (burst 7.2 Mbit)");
    await cluster.says(t, "first", "QoSNotApplied", /interface of wire\.weft-odd-orders: another plugin creates it/);
    await cluster.says(
      t,
      "first",
      "InterfaceNotFound",
      /lan\.other\.ovn\.kubernetes\.io\/ingress_rate belong to no interface/,
    );
  });

  await t.test(
    "a deleted definition removes nothing from a running pod, whose limits can still be changed",
    async (t) => {
      const port = podPortName("first", HOME, lan);
      const row = world.nb.port(port)?._uuid;
      await world.kube.delete(NETWORK_ATTACHMENTS, { namespace: HOME, name: "lan" });
      await cluster.annotate("first", ours({ ingress_rate: "8" }, lan));
      await cluster.isActive("first", { ingress: limit(8), egress: limit(7) }, lan);
      t.equal(world.nb.port(port)?._uuid, row);
      t.strictSame(cluster.rates(port), [8_000, 7_000]);
      await cluster.annotate("first", ours({ ingress_rate: "77777777" }, lan));
      await cluster.says(
        t,
        "first",
        "InvalidQoS",
        /ingress_rate is "77777777".*8 Mbit\/s \(burst 6.4 Mbit\) stays active/,
      );
      await cluster.isRecorded("first", 'ingress_rate is "77777777"');
      t.match((await cluster.shown("first")).join("\n"), `NOT OK QoS of ${lan}: to the pod 8 Mbit/s (burst 6.4 Mbit)`);
      // A new pod cannot use it.
      await world.kube.create(PODS, pod("late", "lan"));
      await cluster.says(
        t,
        "late",
        "AcquireAddressFailed",
        /NetworkAttachmentDefinition "weft-odd-orders\/lan", which the pod names, does not exist/,
      );
      await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
      await ready(world, HOME, ["late"], 120_000);
      t.equal(world.nb.port(port)?._uuid, row);
    },
  );

  await t.test("a subnet that is deleted stays until its pods are gone, and can then be created again", async (t) => {
    const port = podPortName("first", HOME, lan);
    const row = world.nb.port(port)?._uuid;
    await world.kube.delete(SUBNETS, { name: "odd-lan" });
    await world.kube.create(PODS, pod("later", "lan"));
    await cluster.says(t, "later", "AcquireAddressFailed", /No subnet has the provider "lan\.weft-odd-orders\.ovn"/);
    t.equal(world.nb.port(port)?._uuid, row, "the port of a pod that runs stays");
    await cluster.annotate("first", ours({ ingress_rate: "10" }, lan));
    await cluster.isActive("first", { ingress: limit(10), egress: limit(7) }, lan);
    for (const name of ["first", "late"]) {
      await world.kube.delete(PODS, { namespace: HOME, name }, { gracePeriodSeconds: 0 });
      await world.pods.gone(`${HOME}/${name}`);
    }
    await world.subnets.gone("odd-lan", 60_000);
    await world.kube.create<Thing>(SUBNETS, { metadata: { name: "odd-lan" }, spec, status: undefined } as never);
    await ready(world, HOME, ["later"], 120_000);
    t.match(world.ips.get(podPortName("later", HOME, lan))?.spec.v4IpAddress, /^10\.58\.0\./);
  });

  await t.test(
    "a pod that requests more interfaces than there are addresses starts when addresses are released",
    async (t) => {
      const [holder] = await run(world, [pod("holder", "tight")]);
      await world.kube.create(PODS, pod("greedy", "lan,tight"));
      await cluster.says(t, "greedy", "AcquireAddressFailed", /odd-tight/);
      await cluster.says(t, "greedy", "FailedCreatePodSandBox", /odd-tight/, 90_000);
      t.comment((await cluster.shown("greedy")).join("\n"));
      await world.kube.delete(PODS, { namespace: HOME, name: holder?.metadata.name ?? "" }, { gracePeriodSeconds: 0 });
      await ready(world, HOME, ["greedy"], 120_000);
    },
  );
});
