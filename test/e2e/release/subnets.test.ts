// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf, EXTERNAL } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, ping, urlHost } from "../../../hack/traffic/probe.ts";
import { NAMESPACES, PODS, SUBNETS, VIPS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { callPlugin, configuration, makeNetns } from "../testing/plugin.ts";
import {
  addressesOf,
  idlePod,
  inNode,
  inPod,
  ownReady,
  ready,
  remove,
  run,
  sandboxlessPod,
  standingPods,
  useNamespace,
} from "../testing/pods.ts";
import { reachable } from "../testing/reachable.ts";
import { judged, switchOf, useSubnet } from "../testing/subnets.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const GROW = "weft-grow";

let world: World;

function change(name: string, spec: object): Promise<unknown> {
  return world.kube.patch(SUBNETS, { name }, { type: "merge", body: { spec } });
}

/** A node's routes to a range, as text. */
async function routesTo(node: string, cidr: string): Promise<string> {
  const family = cidr.includes(":") ? "-6" : "-4";
  return (await inNode(world, node)(["ip", family, "route", "show", cidr])).stdout.trim();
}

/** Annotations for a pod in a given subnet. */
function within(subnet: string, more: Record<string, string> = {}): Record<string, string> {
  const annotations = { logical_switch: subnet, ...more };
  return Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`ovn.kubernetes.io/${key}`, value]));
}

/** Waits for the Event that says why a pod has no address. */
function refusal(name: string, text: string): Promise<Thing> {
  return until(`an Event on ${name} that says "${text}"`, 10_000, async () =>
    world.events
      .values()
      .find(
        ({ involvedObject, reason, message }) =>
          involvedObject.name === name && reason === "AcquireAddressFailed" && message.includes(text),
      ),
  ) as Promise<Thing>;
}

t.test("subnets change while pods run in them", { skip: whyNoLab() }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const standing = await standingPods(world);
  const namespace = await useNamespace(t, world, "weft-subnets");

  await t.test("a subnet of one family in a dual-stack cluster", async (t) => {
    for (const [name, cidrBlock, side, external] of [
      ["weft-four", "10.70.0.0/24", 0, EXTERNAL.v4],
      ["weft-six", "fd00:10:70::/120", 1, EXTERNAL.v6],
    ] as const) {
      await useSubnet(t, world, name, { cidrBlock, natOutgoing: true });
      await judged(world, name);
      const [here, there] = await run(world, [
        idlePod(namespace, `${name}-1`, "weft-1", within(name)),
        idlePod(namespace, `${name}-2`, "weft-2", within(name)),
      ]);
      t.equal(addressesOf(here!)[1 - side], "(none)", `${name} has no address of the other family`);
      for (const to of [addressesOf(there!)[side]!, addressesOf(standing[3]!)[side]!])
        await until(`${to} answers`, 10_000, async () => (await ping(inPod(here!), to, 1)).ok);
      const as = side === 0 ? addressOf("weft-1").v4 : addressOf("weft-1").v6;
      t.match(
        await http(inPod(here!), `http://${urlHost(external)}/`, as),
        { ok: true },
        `${name} reaches ${external}`,
      );
      await remove(world, namespace, [`${name}-1`, `${name}-2`]);
    }
  });

  await t.test(
    "a subnet is enlarged in place: its pods keep running, its new addresses are allocated and reachable from everywhere",
    async (t) => {
      // Only one address in addition to the gateway's.
      await useSubnet(whole, world, GROW, { cidrBlock: "10.71.0.0/30", natOutgoing: true });
      await judged(world, GROW);
      const [old] = await run(world, [idlePod(namespace, "old", "weft-1", within(GROW))]);
      t.equal(addressesOf(old!)[0], "10.71.0.2");
      const port = world.nb.port(`old.${namespace}`)!;
      const before = { uuid: port._uuid, addresses: port.addresses, sandbox: old!.status.startTime };
      await world.kube.create(PODS, idlePod(namespace, "next", "weft-2", within(GROW)));
      await refusal("next", `NoAvailableAddress: Subnet "${GROW}" has no free IPv4 address: all 1 are in use`);

      await change(GROW, { cidrBlock: "10.71.0.0/23" });
      const [next] = await ready(world, namespace, ["next"]);
      t.equal(addressesOf(next!)[0], "10.71.0.3", "the waiting pod gets its address without a restart");
      const [far] = await run(world, [
        idlePod(namespace, "far", "weft-2", within(GROW, { ip_address: "10.71.1.200" })),
      ]);
      const now = world.nb.port(`old.${namespace}`)!;
      t.strictSame({ uuid: now._uuid, addresses: now.addresses }, { uuid: before.uuid, addresses: before.addresses });
      t.equal(
        world.pods.get(`${namespace}/old`)?.status.startTime,
        before.sandbox,
        "the pod that was there is the same",
      );
      for (const [from, to] of [
        [old!, far!],
        [far!, old!],
        [next!, far!],
        [standing[0]!, far!],
        [far!, standing[0]!],
      ] as const) {
        const [address] = addressesOf(to);
        await until(
          `${from.metadata.name} reaches ${address}`,
          10_000,
          async () => (await ping(inPod(from), address, 1)).ok,
        );
      }
      for (const node of world.lab.nodes)
        await until(
          `${node} reaches the new range`,
          10_000,
          async () => (await ping(inNode(world, node), "10.71.1.200", 1)).ok,
        );
      const leaves = async () => (await http(inPod(far!), `http://${EXTERNAL.v4}/`, addressOf("weft-2").v4)).ok;
      await until("a pod of the new range leaves as its node", 10_000, leaves);
      const status = await world.subnets.until(GROW, "counts the new room", (subnet) =>
        subnet?.status?.v4usingIPs === 3 && subnet.status.v4availableIPs === 506 ? subnet.status : false,
      );
      t.match(status, {
        v4usingIPrange: "10.71.0.2-10.71.0.3,10.71.1.200",
        v4availableIPrange: "10.71.0.4-10.71.1.199,10.71.1.201-10.71.1.254",
      });
      const annotated = await world.pods.until(`${namespace}/old`, "has its larger subnet", (pod) =>
        pod?.metadata.annotations?.["ovn.kubernetes.io/cidr"] === "10.71.0.0/23" ? pod : false,
      );
      t.equal(annotated.metadata.annotations?.["ovn.kubernetes.io/ip_address"], "10.71.0.2");
    },
  );

  await t.test("an invalid range is refused, and all pods keep their network", async (t) => {
    await useSubnet(t, world, "weft-beside", { cidrBlock: "10.71.2.0/24" });
    await judged(world, "weft-beside");
    const beside = switchOf(world, "weft-beside");
    const [old, far] = ["old", "far"].map((name) => world.pods.get(`${namespace}/${name}`)!);
    for (const [cidrBlock, reason, says] of [
      ["10.71.0.0/22", "SubnetConflict", "overlaps 10.71.2.0/24 of subnet weft-beside"],
      ["10.71.0.0/24", "AddressesInUse", `does not contain 10.71.1.200, which is in use by IP far.${namespace}`],
    ] as const) {
      await change(GROW, { cidrBlock });
      const conditions = await world.subnets.until(GROW, `says ${reason}`, (subnet) => {
        const list: readonly { type: string; status: string; reason: string; message: string }[] =
          subnet?.status?.conditions ?? [];
        return list.some((condition) => condition.reason === reason) && list;
      });
      t.match(
        conditions.find(({ type }) => type === "Validated"),
        { status: "False", message: says },
      );
      t.match(
        conditions.find(({ type }) => type === "Ready"),
        { status: "True", message: "the last accepted cidrBlock 10.71.0.0/23" },
      );
      t.match(await ping(inPod(old!), addressesOf(far!)[0]), { ok: true }, `${cidrBlock}: its pods reach each other`);
      t.match(await ping(inNode(world, "weft-1"), addressesOf(far!)[0]), { ok: true }, "and nodes reach them");
      t.strictSame(switchOf(world, "weft-beside"), beside, "its neighbour is as it was");
    }
    await change(GROW, { cidrBlock: "10.71.0.0/23" });
    await judged(world, GROW);
  });

  await t.test(
    "a subnet that is deleted while it has pods, or has an invalid edit, serves them until they are deleted",
    async (t) => {
      const cidrs = ["10.77.0.0/24", "fd00:10:77::/112"];
      await useSubnet(t, world, "weft-leaving", { cidrBlock: cidrs.join(), natOutgoing: true });
      await judged(world, "weft-leaving");
      const [near, far] = await run(world, [
        idlePod(namespace, "leaving-1", "weft-1", within("weft-leaving")),
        idlePod(namespace, "leaving-2", "weft-2", within("weft-leaving")),
      ]);
      const leaves = async (pod: Thing, node: string) =>
        (await http(inPod(pod), `http://${EXTERNAL.v4}/`, addressOf(node).v4)).ok;
      await until("its pods leave as their node", 10_000, async () => leaves(near!, "weft-1"));
      let markers = 0;
      /** A node with a route to a newer subnet has processed all earlier changes. */
      const seenByNodes = async (): Promise<void> => {
        const name = `weft-after-${++markers}`;
        const cidr = `10.78.${markers}.0/24`;
        await useSubnet(t, world, name, { cidrBlock: cidr });
        for (const node of world.lab.nodes)
          await until(`${node} has a route to ${cidr}`, 10_000, async () => (await routesTo(node, cidr)) !== "");
      };
      const goesOn = async (when: string): Promise<void> => {
        await seenByNodes();
        for (const [pod, node] of [
          [near!, "weft-1"],
          [far!, "weft-2"],
        ] as const) {
          for (const address of addressesOf(pod))
            t.match(await ping(inNode(world, node), address), { ok: true }, `${when}: ${node} reaches its ${address}`);
          t.ok(await leaves(pod, node), `${when}: ${pod.metadata.name} leaves as ${node}`);
        }
        t.match(await ping(inPod(near!), addressesOf(far!)[0]), { ok: true }, `${when}: its pods reach each other`);
        t.match(await ping(inPod(standing[0]!), addressesOf(far!)[1]), { ok: true }, `${when}: others reach them`);
      };

      const match = "ip4.src == 10.16.0.0/33";
      // An invalid drop rule deliberately drops everything except packets from the pod's node, so an allow rule is used.
      const acls = [{ direction: "to-lport", priority: 1000, match, action: "allow-related" }];
      for (const name of ["weft-leaving", "ovn-default"]) {
        await change(name, { acls });
        await world.subnets.until(name, "says what is wrong", (subnet) =>
          JSON.stringify(subnet?.status?.conditions ?? "").includes("/33"),
        );
        await goesOn(`a mistake in the acls of ${name}`);
        t.match(await ping(inNode(world, "weft-1"), addressesOf(standing[0]!)[0]), { ok: true });
        await change(name, { acls: null });
        await judged(world, name);
      }

      await world.kube.delete(SUBNETS, { name: "weft-leaving" });
      const inUse = await judged(world, "weft-leaving", "InUse");
      t.match(inUse, { status: "False", message: `leaving-1.${namespace}` });
      await goesOn("while it is being deleted");
      const former = await ownReady(world, "kube-ovn-cni", "weft-1");
      await world.kube.delete(PODS, { namespace: "kube-system", name: former.metadata.name });
      await world.pods.gone(`kube-system/${former.metadata.name}`);
      await ownReady(world, "kube-ovn-cni", "weft-1");
      await goesOn("by a daemon that has started since");

      await remove(world, namespace, ["leaving-1", "leaving-2"]);
      await world.subnets.gone("weft-leaving");
      for (const node of world.lab.nodes)
        for (const cidr of cidrs)
          await until(`${node} has no route to ${cidr}`, 10_000, async () => (await routesTo(node, cidr)) === "");
    },
  );

  await t.test("addresses are excluded and released while pods run", async (t) => {
    await change(GROW, { excludeIps: ["10.71.0.4..10.71.1.199", "10.71.1.201..10.71.1.254"] });
    await world.subnets.until(GROW, "has nothing left", (subnet) => subnet?.status?.v4availableIPs === 0);
    await world.kube.create(PODS, idlePod(namespace, "excluded", "weft-1", within(GROW)));
    await refusal("excluded", "shorten excludeIps");
    const byName = within(GROW, { ip_address: "10.71.1.5" });
    const [named] = await run(world, [idlePod(namespace, "named", "weft-1", byName)]);
    t.equal(addressesOf(named!)[0], "10.71.1.5", "who asks for an excluded one by name has it");
    await change(GROW, { excludeIps: ["10.71.0.4..10.71.1.253"] });
    const [pod] = await ready(world, namespace, ["excluded"]);
    t.equal(addressesOf(pod!)[0], "10.71.1.254");
    await world.subnets.until(GROW, "has its gateway among the excluded", (subnet) =>
      subnet?.spec.excludeIps.includes("10.71.0.1"),
    );
  });

  await t.test(
    "a namespace with several subnets uses the first until it is full; a label binds it to another one",
    async (t) => {
      const several = await useNamespace(t, world, "weft-several");
      await useSubnet(t, world, "weft-s1", { cidrBlock: "10.72.1.0/30", namespaces: [several] });
      await useSubnet(t, world, "weft-s2", { cidrBlock: "10.72.2.0/30", namespaces: [several] });
      await useSubnet(t, world, "weft-s3", {
        cidrBlock: "10.72.3.0/30",
        namespaceSelectors: [{ matchLabels: { tier: "gold" } }],
      });
      for (const name of ["weft-s1", "weft-s2", "weft-s3"]) await judged(world, name);
      const [first] = await run(world, [idlePod(several, "first", "weft-1")]);
      const [second] = await run(world, [idlePod(several, "second", "weft-2")]);
      t.strictSame(
        [first!, second!].map((pod) => addressesOf(pod)[0]),
        ["10.72.1.2", "10.72.2.2"],
      );
      await world.kube.create(PODS, idlePod(several, "third", "weft-1"));
      const full = await refusal("third", 'Subnet "weft-s2" has no free IPv4 address');
      t.match((full as unknown as { message: string }).message, 'Subnet "weft-s1" has no free');
      const labels = { metadata: { labels: { tier: "gold" } } };
      await world.kube.patch(NAMESPACES, { name: several }, { type: "merge", body: labels });
      const [third] = await ready(world, several, ["third"]);
      t.equal(addressesOf(third!)[0], "10.72.3.2");
      const annotation = await world.namespaces.until(several, "names its subnets", (object) => {
        const text = object?.metadata.annotations?.["ovn.kubernetes.io/logical_switch"];
        return text === "weft-s1,weft-s2,weft-s3" && text;
      });
      t.ok(annotation);
      await remove(world, several, ["first", "second", "third"]);
    },
  );

  await t.test(
    "a subnet without addresses: its ports have a MAC only, and its condition says what is not supported",
    async (t) => {
      await useSubnet(t, world, "weft-macs", { vlan: "no-such-vlan" });
      const condition = await judged(world, "weft-macs", "NoProviderNetwork");
      t.equal(condition.status, "False");
      t.match(condition.message, "spec.vlan");
      const subnet = await world.subnets.until(
        "weft-macs",
        "has its protocol",
        (object) => object?.spec.protocol && object,
      );
      t.equal(subnet.spec.protocol, "Mac");
      // The container runtime accepts no pod without an address, so the test calls the plugin itself.
      const manifest = sandboxlessPod(namespace, "macs", "weft-1");
      await world.kube.create(PODS, {
        ...manifest,
        metadata: { ...manifest.metadata, annotations: within("weft-macs", { mac_address: "02:00:00:00:77:01" }) },
      });
      const pod = await world.pods.until(`${namespace}/macs`, "has its network", (object) =>
        object?.metadata.annotations?.["ovn.kubernetes.io/routed"] === "true" ? object : false,
      );
      t.match(world.ips.get(`macs.${namespace}`)?.spec, {
        subnet: "weft-macs",
        macAddress: "02:00:00:00:77:01",
        v4IpAddress: "",
        v6IpAddress: "",
      });
      t.strictSame(world.nb.port(`macs.${namespace}`)?.addresses, ["02:00:00:00:77:01"]);
      const netns = await makeNetns(t, world, "weft-1", "weft-macs");
      const { name, uid } = pod.metadata;
      const attachment = { container: "macs-0123456789abcdef", netns, ifName: "eth0", pod: { namespace, name, uid } };
      const added = await callPlugin(world, "weft-1", "ADD", configuration("1.1.0"), attachment);
      t.match(added, { code: 0, out: { interfaces: [{ name: "eth0", mac: "02:00:00:00:77:01" }] } });
      t.notOk(added.out.ips?.length, "and no address");
      await callPlugin(world, "weft-1", "DEL", configuration("1.1.0"), attachment);
      const taken = within("weft-macs", { mac_address: "02:00:00:00:77:01" });
      await world.kube.create(PODS, idlePod(namespace, "macs-too", "weft-1", taken));
      await refusal("macs-too", `AddressConflict: MAC address 02:00:00:00:77:01 is in use by IP "macs.${namespace}"`);
      await remove(world, namespace, ["macs", "macs-too"]);
    },
  );

  await t.test("the smallest subnets of both families work, with any accepted gateway", async (t) => {
    for (const [name, cidrBlock, gateway] of [
      ["weft-small-1", "10.74.1.0/31,fd00:10:74:1::/127", undefined],
      ["weft-small-2", "10.74.2.0/30,fd00:10:74:2::/126", undefined],
      ["weft-small-3", "10.74.3.0/30,fd00:10:74:3::/127", "10.74.3.2,fd00:10:74:3::"],
      ["weft-small-4", "10.74.4.0/29,fd00:10:74:4::/112", "10.74.4.6,fd00:10:74:4::ffff"],
    ] as const) {
      await useSubnet(t, world, name, { cidrBlock, ...(gateway && { gateway }) });
      await judged(world, name);
      const [pod] = await run(world, [idlePod(namespace, name, "weft-1", within(name))]);
      for (const side of [0, 1] as const) {
        const [own, far] = [addressesOf(pod!)[side]!, addressesOf(standing[3]!)[side]!];
        await until(`${name}: ${far} answers`, 10_000, async () => (await ping(inPod(pod!), far, 1)).ok);
        t.match(await ping(inPod(standing[3]!), own), { ok: true }, `${name}: ${own} answers a pod of another node`);
        t.match(await ping(inNode(world, "weft-2"), own), { ok: true }, `${name}: ${own} answers another node`);
      }
      await remove(world, namespace, [name]);
    }
  });

  await t.test("invalid exclusions keep the previous ones", async (t) => {
    const excludeIps = ["10.75.0.2..10.75.0.9", "fd00:10:75::2..fd00:10:75::9"];
    await useSubnet(t, world, "weft-excluded", { cidrBlock: "10.75.0.0/24,fd00:10:75::/112", excludeIps });
    await judged(world, "weft-excluded");
    // The API server compares only the last groups of IPv6 ranges.
    await change("weft-excluded", { excludeIps: [...excludeIps, "fd00:10:75::1:0..fd00:10:75::ff"] });
    const conditions = await world.subnets.until("weft-excluded", "says what it refuses", (subnet) => {
      const list: readonly { type: string; reason: string }[] = subnet?.status?.conditions ?? [];
      return list.some(({ type, reason }) => type === "Validated" && reason === "InvalidExcludeIps") && list;
    });
    t.match(
      conditions.find(({ type }) => type === "Ready"),
      { status: "True" },
    );
    const [pod] = await run(world, [idlePod(namespace, "excluded-on", "weft-1", within("weft-excluded"))]);
    t.strictSame(addressesOf(pod!), ["10.75.0.10", "fd00:10:75::a"]);
    await remove(world, namespace, ["excluded-on"]);
  });

  await t.test("a missing gateway node is in the condition, and the active one in the status", async (t) => {
    await useSubnet(t, world, "weft-gateway", { cidrBlock: "10.76.0.0/24" });
    await judged(world, "weft-gateway");
    await change("weft-gateway", { gatewayType: "centralized", gatewayNode: "nosuch" });
    const lost = await judged(world, "weft-gateway", "NoReadyGateway");
    t.match(
      lost.message,
      'no node of spec.gatewayNode "nosuch" exists: pods of the subnet have no connectivity outside the VPC',
    );
    await change("weft-gateway", { gatewayNode: "weft-2,weft-1" });
    await world.subnets.until(
      "weft-gateway",
      "names its gateway",
      (subnet) => subnet?.status?.activateGateway === "weft-2",
    );
    for (const [reason, message] of [
      ["SubnetGatewayTypeChanged", 'subnet gateway type changes from "distributed" to "centralized"'],
      ["SubnetGatewayNodeChanged", 'gateway node changes from "nosuch" to "weft-2,weft-1"'],
    ] as const) {
      await until(`an Event ${reason}`, 10_000, async () =>
        world.events
          .values()
          .some(
            (event) =>
              event.involvedObject.name === "weft-gateway" && event.reason === reason && event.message === message,
          ),
      );
    }
  });

  await t.test("a subnet is not deleted while a Vip is in it", async (t) => {
    await useSubnet(t, world, "weft-kept", { cidrBlock: "10.73.0.0/28" });
    await judged(world, "weft-kept");
    await world.kube.create<Thing>(VIPS, {
      metadata: { name: "weft-kept" },
      spec: { subnet: "weft-kept" },
      status: {},
    });
    await world.subnets.until("weft-kept", "has it counted", (subnet) => subnet?.status?.v4usingIPs === 1);
    await world.kube.delete(SUBNETS, { name: "weft-kept" });
    t.match((await judged(world, "weft-kept", "InUse")).message, "waiting for addresses to be released: Vip weft-kept");
    await world.kube.delete(VIPS, { name: "weft-kept" });
    await world.subnets.gone("weft-kept");
  });

  const left = world.pods.values().filter(({ metadata }) => metadata.namespace === namespace);
  await remove(
    world,
    namespace,
    left.map(({ metadata }) => metadata.name),
  );
  // Objects that other test files use are unchanged.
  await reachable(standing[0]!, standing[3]!);
});
