// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { CRDS, IP_POOLS, IPS, PODS, STATEFUL_SETS, VIPS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inPod, isReady, remove, run, standingPods, useNamespace } from "../testing/pods.ts";
import { when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

let world: World;
let namespace: string;

/** `kubectl apply` of one object of the test's namespace. */
async function apply(object: object): Promise<void> {
  await world.lab.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
}

/** A workload of `kind` whose pods do nothing and have these annotations. */
function workload(kind: string, name: string, annotations: Record<string, string>, spec: object): object {
  const pod = idlePod(namespace, name);
  const ours = Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [`ovn.kubernetes.io/${key}`, value]),
  );
  const labels = { app: name };
  const isJob = kind === "Job";
  const template = {
    metadata: { labels, annotations: ours },
    spec: { ...(pod.spec as object), ...(isJob && { restartPolicy: "Never" }) },
  };
  return {
    apiVersion: isJob ? "batch/v1" : "apps/v1",
    kind,
    metadata: { name, namespace },
    spec: { ...(!isJob && { selector: { matchLabels: labels } }), template, ...spec },
  };
}

function podsOf(app: string): readonly Thing[] {
  return world.pods
    .values()
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.["app"] === app);
}

/** Waits until this number of pods of a workload is Ready and no others are left; returns them by name. */
async function settled(app: string, count: number): Promise<readonly Thing[]> {
  const pods = await when(
    (listener) => world.pods.subscribe(listener),
    () => {
      const all = podsOf(app);
      return all.length === count && all.every((pod) => isReady(pod)) && all;
    },
    `${count} Ready pods of ${app}`,
    60_000,
  );
  return [...pods].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function v4(pods: readonly Thing[]): readonly string[] {
  return pods.map((pod) => addressesOf(pod)[0]);
}

/** Deletes a workload and waits until its pods and their addresses are deleted. */
async function discard(kind: string, name: string): Promise<void> {
  const pods = podsOf(name).map(({ metadata }) => metadata.name);
  await world.lab.kubectl(["-n", namespace, "delete", kind, name, "--wait=false"]);
  for (const pod of pods) {
    await world.pods.gone(`${namespace}/${pod}`);
    await world.ips.gone(`${pod}.${namespace}`);
  }
}

/** Deletes a pod, and waits until it is deleted. */
async function kill(name: string): Promise<void> {
  const uid = world.pods.get(`${namespace}/${name}`)?.metadata.uid;
  await world.kube.delete(PODS, { namespace, name }, { gracePeriodSeconds: 0 });
  await world.pods.until(`${namespace}/${name}`, "is another one", (pod) => pod?.metadata.uid !== uid);
}

function scale(name: string, replicas: number): Promise<unknown> {
  const body = { spec: { replicas } };
  return world.kube.patch(STATEFUL_SETS, { namespace, name }, { type: "merge", body }, { subresource: "scale" });
}

t.test("addresses of workloads", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  const [client] = await standingPods(world);
  namespace = await useNamespace(t, world, "weft-workloads");
  const pools = new Objects(world.kube, IP_POOLS);
  await pools.ready();
  t.teardown(() => pools.stop());

  await t.test("a Deployment uses addresses of a list, and its next pods use the free ones", async (t) => {
    const list = ["10.16.90.1", "10.16.90.2", "10.16.90.3"];
    await apply(workload("Deployment", "web", { ip_pool: list.join(",") }, { replicas: 2 }));
    const first = v4(await settled("web", 2));
    t.ok(
      first.every((address) => list.includes(address)),
      `${first}`,
    );
    t.equal(new Set(first).size, 2);
    const gone = podsOf("web").map(({ metadata }) => metadata.uid);
    await world.lab.kubectl(["-n", namespace, "rollout", "restart", "deployment/web"]);
    await when(
      (listener) => world.pods.subscribe(listener),
      () =>
        podsOf("web").every((pod) => isReady(pod) && !gone.includes(pod.metadata.uid)) && podsOf("web").length === 2,
      "two new pods",
      60_000,
    );
    const second = v4(await settled("web", 2));
    t.ok(
      second.every((address) => list.includes(address)),
      `${second}`,
    );
    await discard("deployment", "web");
  });

  await t.test(
    "a DaemonSet uses addresses of an IPPool, a Job a fixed one, which is free again when the Job has ended",
    async (t) => {
      const spec = { subnet: "ovn-default", ips: ["10.16.91.1..10.16.91.2", "fd00:10:16::9101..fd00:10:16::9102"] };
      await world.kube.create<Thing>(IP_POOLS, { metadata: { name: "weft-agents" }, spec, status: {} });
      await pools.until("weft-agents", "has its room counted", (pool) => pool?.status?.v4AvailableIPs === 2);
      await apply(workload("DaemonSet", "agent", { ip_pool: "weft-agents" }, {}));
      t.strictSame([...v4(await settled("agent", 2))].sort(), ["10.16.91.1", "10.16.91.2"]);
      await pools.until(
        "weft-agents",
        "is full",
        (pool) => pool?.status?.v4UsingIPs === 2 && pool.status.v6AvailableIPs === 0,
      );
      // A third one must wait, and its Event names the owners.
      const ours = { "ovn.kubernetes.io/ip_pool": "weft-agents" };
      await world.kube.create(PODS, idlePod(namespace, "third", "weft-1", ours));
      await when(
        (listener) => world.events.subscribe(listener),
        () =>
          world.events
            .values()
            .find(
              ({ involvedObject, message }) => involvedObject.name === "third" && /in use by IP "agent-/.test(message),
            ),
        "an Event that names who is in the pool",
        10_000,
      );
      await world.kube.delete(IP_POOLS, { name: "weft-agents" });
      await pools.until("weft-agents", "says who keeps it", (pool) =>
        (pool?.status?.conditions ?? []).some(
          ({ reason, message }: { reason: string; message: string }) =>
            reason === "InUse" && message.includes("agent-"),
        ),
      );
      await remove(world, namespace, ["third"]);
      await discard("daemonset", "agent");
      await pools.gone("weft-agents");

      const job = workload("Job", "once", { ip_address: "10.16.91.9" }, {}) as { spec: { template: { spec: object } } };
      const container = {
        ...(idlePod(namespace, "x").spec as { containers: object[] }).containers[0],
        command: ["true"],
      };
      job.spec.template.spec = { ...job.spec.template.spec, containers: [container] };
      await apply(job);
      const [pod] = await when(
        (listener) => world.pods.subscribe(listener),
        () => podsOf("once").some(({ status }) => status.phase === "Succeeded") && podsOf("once"),
        "the Job's pod has ended",
        60_000,
      );
      t.equal(pod?.metadata.annotations?.["ovn.kubernetes.io/ip_address"]?.split(",")[0], "10.16.91.9");
      await world.ips.gone(`${pod?.metadata.name}.${namespace}`);
      await discard("job", "once");
    },
  );

  await t.test(
    "a StatefulSet's pods keep their addresses; a start ordinal is respected; scaling down releases them",
    async (t) => {
      const set = { serviceName: "db", replicas: 3, ordinals: { start: 5 }, podManagementPolicy: "Parallel" };
      await apply(workload("StatefulSet", "db", {}, set));
      const pods = await settled("db", 3);
      t.strictSame(
        pods.map(({ metadata }) => metadata.name),
        ["db-5", "db-6", "db-7"],
      );
      const before = v4(pods);
      for (const name of ["db-5", "db-6", "db-7"]) await kill(name);
      t.strictSame(v4(await settled("db", 3)), before, "after the death of all");
      // As when a node is drained: the pod starts on the other node, with its address.
      const node: string = world.pods.get(`${namespace}/db-6`)!.spec.nodeName;
      await world.lab.kubectl(["cordon", node]);
      try {
        await kill("db-6");
        const [, moved] = await settled("db", 3);
        t.not(moved!.spec.nodeName, node, "it has moved");
        t.equal(addressesOf(moved!)[0], before[1], "with its address");
        t.match(await ping(inPod(client!), before[1]!), { ok: true }, "which is reached there");
      } finally {
        await world.lab.kubectl(["uncordon", node]);
      }
      await scale("db", 1);
      await world.ips.gone(`db-7.${namespace}`);
      await world.ips.gone(`db-6.${namespace}`);
      t.equal(v4(await settled("db", 1))[0], before[0], "the one that stays keeps its");
      await scale("db", 2);
      const again = v4(await settled("db", 2));
      t.equal(again[0], before[0]);
      t.notOk(before.includes(again[1]!), "an address that was released is not given again at once");
      await discard("statefulset", "db");
    },
  );

  await t.test("a StatefulSet's list is used by ordinal, also after it was scaled down and up again", async (t) => {
    const pairs = [1, 2, 3].map((n) => `10.16.92.${n},fd00:10:16::920${n}`);
    const list = workload("StatefulSet", "list", { ip_pool: pairs.join(";") }, { serviceName: "list", replicas: 3 });
    await apply({ ...list, spec: { ...(list as { spec: object }).spec, podManagementPolicy: "Parallel" } });
    t.strictSame(
      (await settled("list", 3)).map((pod) => addressesOf(pod).join()),
      pairs,
    );
    await scale("list", 1);
    await settled("list", 1);
    await world.ips.gone(`list-2.${namespace}`);
    await scale("list", 3);
    t.strictSame(
      (await settled("list", 3)).map((pod) => addressesOf(pod).join()),
      pairs,
    );
    await discard("statefulset", "list");
  });

  await t.test("a virtual machine keeps its address: its next pod has it, on any node", async (t) => {
    const machines = {
      group: "kubevirt.io",
      version: "v1",
      plural: "virtualmachines",
      namespaced: true,
      kind: "VirtualMachine",
    };
    const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
    const versions = [{ name: "v1", served: true, storage: true, schema }];
    const names = {
      kind: "VirtualMachine",
      plural: "virtualmachines",
      singular: "virtualmachine",
      listKind: "VirtualMachineList",
    };
    const name = "virtualmachines.kubevirt.io";
    await world.kube
      .create(CRDS, {
        metadata: { name },
        spec: { group: "kubevirt.io", scope: "Namespaced", names, versions },
      } as never)
      .catch((error: unknown) => {
        if (!(error instanceof KubeError && error.code === "exists")) throw error;
      });
    t.teardown(() => world.kube.delete(CRDS, { name }));
    await world.lab.kubectl(["wait", "crd", name, "--for=condition=Established", "--timeout=20s"]);
    const owner = { namespace, name: "vm" };
    await world.kube.create(machines, { metadata: owner, spec: {} } as never);
    const launcher = (pod: string, node: string) => {
      const manifest = idlePod(namespace, pod, node);
      const vmi = {
        apiVersion: "kubevirt.io/v1",
        kind: "VirtualMachineInstance",
        name: "vm",
        uid: "vmi-1",
        controller: true,
      };
      return { ...manifest, metadata: { ...manifest.metadata, ownerReferences: [vmi] } };
    };
    const [first] = await run(world, [launcher("virt-launcher-vm-a", "weft-1")]);
    const before = addressesOf(first!);
    t.equal(first!.metadata.annotations?.["ovn.kubernetes.io/virtualmachine"], "vm");
    t.match(world.ips.get(`vm.${namespace}`)?.spec, {
      podName: "vm",
      podType: "VirtualMachine",
      v4IpAddress: before[0],
    });
    t.ok(world.nb.port(`vm.${namespace}`), "its port has the machine's name");
    await world.kube.delete(PODS, { namespace, name: "virt-launcher-vm-a" }, { gracePeriodSeconds: 0 });
    await world.pods.gone(`${namespace}/virt-launcher-vm-a`);
    const [second] = await run(world, [launcher("virt-launcher-vm-b", "weft-2")]);
    t.strictSame(addressesOf(second!), before);
    t.match(await ping(inPod(client!), before[0]!), { ok: true });
    await world.kube.delete(machines, owner);
    t.ok(world.ips.get(`vm.${namespace}`), "a pod that still runs has it still");
    await world.kube.delete(PODS, { namespace, name: "virt-launcher-vm-b" }, { gracePeriodSeconds: 0 });
    await world.ips.gone(`vm.${namespace}`, 60_000);
  });

  await t.test("a pod that requests one family has only that one, also in a dual-stack subnet", async (t) => {
    const wish = (family: string) => ({ "ovn.kubernetes.io/ip_family": family });
    const [four, six] = await run(world, [
      idlePod(namespace, "four", "weft-1", wish("ipv4")),
      idlePod(namespace, "six", "weft-2", wish("ipv6")),
    ]);
    t.equal(addressesOf(four!)[1], "(none)");
    t.equal(addressesOf(six!)[0], "(none)");
    t.match(await ping(inPod(client!), addressesOf(four!)[0]), { ok: true });
    t.match(await ping(inPod(client!), addressesOf(six!)[1]), { ok: true });
    t.match(world.ips.get(`six.${namespace}`)?.spec, { v4IpAddress: "", v6IpAddress: addressesOf(six!)[1] });
    await remove(world, namespace, ["four", "six"]);
  });

  await t.test("a user's reservation exists before its pod, and is kept after it", async (t) => {
    const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
    const spec = { subnet: "ovn-default", podName: "kept", namespace, v4IpAddress: "10.16.93.1" };
    await world.kube.create<Thing>(IPS, { metadata: { name: `kept.${namespace}`, labels }, spec, status: {} });
    await world.ips.until(`kept.${namespace}`, "is complete", (ip) => ip?.spec.macAddress && ip.spec.v6IpAddress);
    const reserved = world.ips.get(`kept.${namespace}`)!.spec;
    const [pod] = await run(world, [idlePod(namespace, "kept", "weft-1")]);
    t.strictSame(addressesOf(pod!), ["10.16.93.1", reserved.v6IpAddress]);
    await world.kube.delete(PODS, { namespace, name: "kept" }, { gracePeriodSeconds: 0 });
    await world.nb.until("its port is gone", () => world.nb.port(`kept.${namespace}`) === undefined);
    const [again] = await run(world, [idlePod(namespace, "kept", "weft-2")]);
    t.strictSame(addressesOf(again!), ["10.16.93.1", reserved.v6IpAddress]);
    await world.kube.delete(PODS, { namespace, name: "kept" }, { gracePeriodSeconds: 0 });
    await world.pods.gone(`${namespace}/kept`);
    await world.kube.delete(IPS, { name: `kept.${namespace}` });
    await world.ips.gone(`kept.${namespace}`);
  });

  await t.test(
    "a load balancer's Vip answers with the router's MAC; a pod may send from a Vip that it names",
    async (t) => {
      const vips = new Objects(world.kube, VIPS);
      await vips.ready();
      t.teardown(() => vips.stop());
      for (const [name, type] of [
        ["weft-lb", "switch_lb_vip"],
        ["weft-pair", ""],
      ] as const) {
        await world.kube.create<Thing>(VIPS, {
          metadata: { name },
          spec: { subnet: "ovn-default", namespace, ...(type !== "" && { type }) },
          status: {},
        });
        // In case the test fails before it deletes them.
        t.teardown(async () => {
          if (vips.get(name) !== undefined) await world.kube.delete(VIPS, { name });
        });
      }
      const lb = await vips.until("weft-lb", "has its addresses", (vip) => vip?.status?.v4ip && vip.status);
      const pair = await vips.until("weft-pair", "has its addresses", (vip) => vip?.status?.mac && vip.status);
      const router = [...world.nb.mirror.rows("Logical_Router_Port")].find(
        ({ name }) => name === "ovn-cluster-ovn-default",
      );
      const answered = (): readonly string[] =>
        world.nb.port("ovn-default-ovn-cluster")?.options["arp_proxy"]?.split(" ") ?? [];
      await world.nb.until("the router's port answers for the load balancer's addresses", () =>
        [lb.v4ip, lb.v6ip].every((address) => answered().includes(address)),
      );
      const wishes = { "ovn.kubernetes.io/aaps": "weft-pair", "ovn.kubernetes.io/port_security": "true" };
      const [pod] = await run(world, [idlePod(namespace, "pair", "weft-1", wishes)]);
      const [four, six] = addressesOf(pod!);
      const mac = pod!.metadata.annotations?.["ovn.kubernetes.io/mac_address"];
      t.strictSame(world.nb.port(`pair.${namespace}`)?.port_security, [
        `${mac} ${four} ${six} ${pair.v4ip} ${pair.v6ip}`,
      ]);
      await until("it answers with the router's MAC", 10_000, async () => {
        const { stdout } = await inPod(pod!)(["busybox", "arping", "-c", "1", "-w", "2", "-I", "eth0", lb.v4ip]);
        // Without leading zeros.
        const [, found = ""] = /\[([\da-f:]+)\]/i.exec(stdout) ?? [];
        return (
          found
            .split(":")
            .map((byte) => byte.padStart(2, "0"))
            .join(":")
            .toLowerCase() === router!.mac
        );
      });
      await inPod(pod!)(["ip", "address", "add", `${pair.v4ip}/32`, "dev", "eth0"]);
      await inPod(pod!)(["busybox", "arping", "-U", "-c", "1", "-I", "eth0", pair.v4ip]);
      const as = ["busybox", "ping", "-c", "1", "-W", "1", "-I", pair.v4ip, addressesOf(client!)[0]];
      await until("it is let out with the Vip's address", 15_000, async () => (await inPod(pod!)(as)).code === 0);
      const [stranger] = await run(world, [
        idlePod(namespace, "stranger", "weft-1", { "ovn.kubernetes.io/port_security": "true" }),
      ]);
      await inPod(stranger!)(["ip", "address", "add", "10.16.93.200/32", "dev", "eth0"]);
      const stolen = ["busybox", "ping", "-c", "1", "-W", "1", "-I", "10.16.93.200", addressesOf(client!)[0]];
      t.not((await inPod(stranger!)(stolen)).code, 0, "and another one's is not");
      await remove(world, namespace, ["pair", "stranger"]);
      for (const name of ["weft-lb", "weft-pair"]) {
        await world.kube.delete(VIPS, { name });
        await vips.gone(name);
      }
      await world.nb.until("and no longer for them", () => !answered().includes(lb.v4ip));
    },
  );

  await t.test("a pod uses a Vip's address as its own, and the Vip keeps it afterwards", async (t) => {
    const vips = new Objects(world.kube, VIPS);
    await vips.ready();
    t.teardown(() => vips.stop());
    const spec = { subnet: "ovn-default", namespace, v4ip: "10.16.95.1" };
    await world.kube.create<Thing>(VIPS, { metadata: { name: "weft-own" }, spec, status: {} });
    const { v4ip, v6ip, mac } = await vips.until(
      "weft-own",
      "has its addresses",
      (vip) => vip?.status?.mac && vip.status,
    );
    const own = { "ovn.kubernetes.io/vip": "weft-own" };
    const [pod] = await run(world, [idlePod(namespace, "own", "weft-1", own)]);
    t.strictSame(addressesOf(pod!), [v4ip, v6ip]);
    t.equal(pod!.metadata.annotations?.["ovn.kubernetes.io/mac_address"], mac);
    for (const address of addressesOf(pod!)) t.match(await ping(inPod(client!), address), { ok: true }, address);
    await remove(world, namespace, ["own"]);
    const [again] = await run(world, [idlePod(namespace, "heir", "weft-2", own)]);
    t.strictSame(addressesOf(again!), [v4ip, v6ip]);
    await remove(world, namespace, ["heir"]);
    await world.kube.delete(VIPS, { name: "weft-own" });
    await vips.gone("weft-own");
  });

  await t.test("an IPPool's address set follows it", async () => {
    const set = () => [...world.nb.mirror.rows("Address_Set")].find(({ name }) => name === "weft.set")?.addresses;
    const spec = { subnet: "ovn-default", ips: ["10.16.94.0/30", "10.16.94.9"], enableAddressSet: true };
    await world.kube.create<Thing>(IP_POOLS, { metadata: { name: "weft-set" }, spec, status: {} });
    await world.nb.until(
      "the set is there",
      () => set()?.join() === "10.16.94.0/30,10.16.94.9/32" || set()?.join() === "10.16.94.0/30,10.16.94.9",
    );
    const change = (body: object) =>
      world.kube.patch(IP_POOLS, { name: "weft-set" }, { type: "merge", body: { spec: body } });
    await change({ ips: ["10.16.94.0/30"] });
    await world.nb.until("it has become smaller", () => set()?.join() === "10.16.94.0/30");
    await change({ enableAddressSet: false });
    await world.nb.until("it is gone", () => set() === undefined);
    await world.kube.delete(IP_POOLS, { name: "weft-set" });
    await pools.gone("weft-set");
  });
});
