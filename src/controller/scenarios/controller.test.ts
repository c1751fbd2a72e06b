// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { Condition } from "../../api/conditions.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IPS, LEASES, PODS, SUBNETS, VIPS, VIRTUAL_MACHINES } from "../../kube/resources.ts";
import type { Lease } from "../../kube/types.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";
import { SETTINGS } from "../testing/settings.ts";

t.test("a new leader whose watches are silent lists again before it allocates addresses or sweeps", async (t) => {
  const { kube, server } = await cluster(t);
  const first = candidate(t, kube, server);
  await eventually("the first leads", () => first.controller.leading || undefined);
  const second = candidate(t, kube, server);
  await eventually("the second has read everything", () => second.election.synced || undefined);
  kube.stallWatches();
  // As the first one would, if its watches worked.
  const spec = { podName: "a", namespace: "default", subnet: "ovn-default", v4IpAddress: "10.16.0.2" };
  await kube.create(IPS, { metadata: { name: "a.default" }, spec: { ...spec, macAddress: "00:00:00:00:00:0a" } });
  await addPod(kube, "a");
  await addPod(kube, "b");
  await first.election.stop();
  await first.client.close();
  t.equal(await eventually("b has an address", () => addressOf(kube, "b")), "10.16.0.3");
  t.equal(await eventually("a has its address", () => addressOf(kube, "a")), "10.16.0.2");
});

t.test("a former leader writes no statuses, and a leader that leads again writes the missing ones", async (t) => {
  const { kube, server } = await cluster(t);
  const only = candidate(t, kube, server);
  await addPod(kube, "a");
  await eventually("a has its address", () => addressOf(kube, "a"));
  const using = (): unknown =>
    (kube.object<KubeObject>(SUBNETS, { name: "ovn-default" })?.status as Record<string, unknown> | undefined)?.[
      "v4usingIPs"
    ];
  await eventually("it is counted", () => (using() === 1 ? true : undefined));
  const thief = server.connect();
  thief.steal("weft_controller");
  await eventually("leadership is lost", () => (only.controller.leading ? undefined : true));
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  t.equal(using(), 1, "no process has counted again from an empty state");
  await kube.delete(PODS, { namespace: "default", name: "a" }, { gracePeriodSeconds: 0 });
  await thief.close();
  await eventually("the address is released", () =>
    kube.object(IPS, { name: "a.default" }) === undefined ? true : undefined,
  );
  await eventually("it is counted", () => (using() === 0 ? true : undefined));
});

t.test("conditions have the time of day of their change", async (t) => {
  const { kube, server } = await cluster(t);
  const before = Math.floor(Date.now() / 1000) * 1000;
  candidate(t, kube, server);
  const status = (): Record<string, unknown> | undefined =>
    kube.object<KubeObject>(SUBNETS, { name: "ovn-default" })?.status as Record<string, unknown> | undefined;
  const [condition] = await eventually("it is ready", () => status()?.["conditions"] as Condition[] | undefined);
  for (const time of [condition?.lastUpdateTime, condition?.lastTransitionTime]) {
    const ms = Date.parse(time ?? "");
    t.ok(before <= ms && ms <= Date.now(), `${time} is now`);
  }
});

t.test("a status that another client changes is restored", async (t) => {
  const { kube, server } = await cluster(t);
  candidate(t, kube, server);
  const available = (): unknown =>
    (kube.object<KubeObject>(SUBNETS, { name: "ovn-default" })?.status as Record<string, unknown> | undefined)?.[
      "v4availableIPs"
    ];
  await eventually("it is counted", () => (available() === 253 ? true : undefined));
  const body = { status: { v4availableIPs: 7 } };
  await kube.patch(SUBNETS, { name: "ovn-default" }, { type: "merge", body }, { subresource: "status" });
  await eventually("it is right again", () => (available() === 253 ? true : undefined));
});

t.test(
  "a Vip's status has its addresses, or the reason why there are none, and is then not written again",
  async (t) => {
    const { kube, server } = await cluster(t);
    candidate(t, kube, server);
    const vip = (name: string) => kube.object<KubeObject & { status?: { conditions?: unknown[] } }>(VIPS, { name });
    const conditions = (name: string, reason: string) =>
      eventually(`${name} says ${reason}`, () => {
        const found = vip(name)?.status?.conditions;
        return JSON.stringify(found)?.includes(`"reason":"${reason}"`) ? found : undefined;
      });
    await kube.create(VIPS, { metadata: { name: "door" }, spec: { subnet: "ovn-default", v4ip: "10.16.0.1" } });
    t.match(await conditions("door", "AddressIsGateway"), [
      { type: "Validated", status: "False" },
      { type: "Ready", status: "False", message: /^10\.16\.0\.1 is the gateway of subnet "ovn-default"/ },
    ]);
    const body = { spec: { v4ip: "10.16.0.9", macAddress: "02:00:00:00:00:09" } };
    await kube.patch(VIPS, { name: "door" }, { type: "merge", body });
    t.match(await conditions("door", "Ready"), [
      { type: "Validated", status: "True" },
      { type: "Ready", status: "True", message: "it has 10.16.0.9, 02:00:00:00:00:09" },
    ]);
    const { metadata } = vip("door") ?? {};
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    t.equal(vip("door")?.metadata.resourceVersion, metadata?.resourceVersion, "nothing more is written");
    t.notMatch(JSON.stringify(vip("door")?.status), /observedGeneration/, "each status is a new generation of a Vip");
  },
);

t.test("pods created together share transactions, and a single one does not wait for others", async (t) => {
  // The machine's speed does not matter: a transaction waits while records are being written, and the test decides when they are.
  const HELD_MS = 20;
  const held: (() => void)[] = [];
  const hold = (run: () => void): (() => void) => {
    held.push(run);
    return () => {};
  };
  const slow = (ms: number, run: () => void) => (ms === HELD_MS ? hold(run) : SYSTEM_CLOCK.after(ms, run));
  const endless = (ms: number, run: () => void) => (ms === 400 ? () => {} : SYSTEM_CLOCK.after(ms, run));
  const { kube, server } = await cluster(t, { ...SYSTEM_CLOCK, after: slow });
  const clock = { ...SYSTEM_CLOCK, after: endless };
  const { controller } = candidate(t, kube, server, { clock });
  await addPod(kube, "first");
  await eventually("the first has its address", () => addressOf(kube, "first"));
  const before = controller.engine.stats.transactions;
  const names = Array.from({ length: 60 }, (_, index) => `pod-${index}`);
  kube.fail({ verb: "create", type: IPS, delayMs: HELD_MS, times: names.length });
  for (const name of names) await addPod(kube, name);
  for (let left = names.length; left > 0; left--) {
    // The next one is being recorded before this one is done.
    await eventually("another is being recorded", () => held.length >= Math.min(2, left) || undefined);
    held.shift()?.();
  }
  for (const name of names) await eventually(`${name} has its address`, () => addressOf(kube, name));
  const transactions = controller.engine.stats.transactions - before;
  t.ok(transactions <= 10, `${transactions} transactions`);
  await addPod(kube, "alone");
  t.ok(await eventually("the last has its address", () => addressOf(kube, "alone")), "not held back");
});

t.test("a virtual machine's address is kept beyond its pods, or released with them", async (t) => {
  for (const keepVmIp of [true, false]) {
    const { kube, server } = await cluster(t);
    candidate(t, kube, server, { settings: { ...SETTINGS, keepVmIp } });
    await kube.create(VIRTUAL_MACHINES, { metadata: { namespace: "default", name: "vm" } });
    const vmi = {
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachineInstance",
      name: "vm",
      uid: "i",
      controller: true,
    };
    const metadata = { namespace: "default", name: "launcher", ownerReferences: [vmi] };
    await kube.create(PODS, { metadata, spec: { nodeName: "n1", hostNetwork: false } });
    await eventually("it has its address", () => addressOf(kube, "launcher"));
    const record = keepVmIp ? "vm.default" : "launcher.default";
    t.ok(kube.object(IPS, { name: record }), record);
    await kube.delete(PODS, { namespace: "default", name: "launcher" }, { gracePeriodSeconds: 0 });
    await addPod(kube, "after");
    await eventually("what comes after it is served", () => addressOf(kube, "after"));
    if (keepVmIp) t.ok(kube.object(IPS, { name: record }), "it is kept");
    else
      await eventually("it is released", () => (kube.object(IPS, { name: record }) === undefined ? true : undefined));
  }
});

t.test("a leader that loses the lock for a moment is still named by the Lease", async (t) => {
  const { kube, server } = await cluster(t);
  const only = candidate(t, kube, server);
  const holder = () => kube.object<Lease>(LEASES, { namespace: "kube-system", name: "kube-ovn-controller" })?.spec;
  await eventually("it is named", () => holder()?.holderIdentity);
  // The release is slow, and the lock is acquired again before it has ended.
  kube.fail({ verb: "get", type: LEASES, delayMs: 50 });
  const thief = server.connect().steal("weft_controller");
  await eventually("leadership is lost", () => (only.controller.leading ? undefined : true));
  await thief.release();
  await eventually("it leads again", () => only.controller.leading || undefined);
  await new Promise((resolve) => setTimeout(resolve, 150));
  t.equal(holder()?.holderIdentity, "test");
  await only.stop();
  t.equal(holder()?.holderIdentity, undefined, "a stopped controller is not named any more");
});
