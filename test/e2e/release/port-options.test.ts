// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ping } from "../../../hack/traffic/probe.ts";
import { CNI_ERROR } from "../../../src/api/cni-message.ts";
import { NETWORK_ATTACHMENTS, PODS } from "../../../src/kube/resources.ts";
import { countFrames, macOf } from "../testing/frames.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { sendFrame } from "../testing/link.ts";
import { createNetwork, ovnNetwork, useNetworkType } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { callPlugin, configuration, makeNetns } from "../testing/plugin.ts";
import { addressesOf, idlePod, inPod, ready, remove, run, sandboxlessPod, useNamespace } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { when } from "../testing/when.ts";
import { type EventThing, openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const LAYER2 = "weft-layer2";
const DEVICES = "weft-devices";
const FRAMES = 20;
/** No port has these MACs. */
const [UNUSED, STRANGER] = ["02:00:00:00:77:77", "02:00:00:00:66:66"];

/** A frame with IPv4 UDP in it, between MACs that no port has. */
function frame(from: string, to: string): string {
  const ip = "4500001c0001000040110000c0000201c0000202";
  return [to, from]
    .map((mac) => mac.replaceAll(":", ""))
    .join("")
    .concat("0800", ip, "1388138800080000")
    .padEnd(120, "0");
}

t.test("a frame for an unused MAC reaches pods with layer2_forward, and no other", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, LAYER2);
  await useSubnet(t, world, LAYER2, { cidrBlock: "10.78.0.0/24,fd00:10:78::/112" });
  await judged(world, LAYER2);
  const within = { "ovn.kubernetes.io/logical_switch": LAYER2 };
  const forward = { ...within, "ovn.kubernetes.io/layer2_forward": "true" };
  const pods = (await run(world, [
    idlePod(namespace, "sender", "weft-1", within),
    idlePod(namespace, "bridge-near", "weft-1", forward),
    idlePod(namespace, "bridge-far", "weft-2", forward),
    idlePod(namespace, "near", "weft-1", within),
    idlePod(namespace, "far", "weft-2", within),
    idlePod(namespace, "secured", "weft-1", { ...forward, "ovn.kubernetes.io/port_security": "true" }),
  ])) as readonly Thing[];
  const [sender, near] = [pods[0]!, pods[1]!];
  const others = pods.slice(1);
  /** The number of frames from the sender that reach each pod. When its ping is answered, the frames sent before have arrived. */
  const received = async (to: string): Promise<readonly number[]> => {
    const counters = await Promise.all(others.map((pod) => countFrames(pod, [STRANGER])));
    await sendFrame(sender, frame(STRANGER, to), FRAMES);
    for (const pod of others) t.match(await ping(inPod(sender), addressesOf(pod)[0], 10), { ok: true });
    const counts = await Promise.all(counters.map((each) => each.read()));
    await Promise.all(counters.map((each) => each.stop()));
    return counts.map((count) => count[STRANGER] ?? -1);
  };
  t.strictSame(
    await received(UNUSED),
    [FRAMES, FRAMES, 0, 0, 0],
    "bridge-near, bridge-far, near, far, one with port security",
  );
  t.strictSame(
    await received(macOf(near)),
    [FRAMES, 0, 0, 0, 0],
    "a frame for a MAC that a port has is that port's alone",
  );
  const annotations = { "ovn.kubernetes.io/layer2_forward": null };
  await world.kube.patch(
    PODS,
    { namespace, name: "bridge-near" },
    { type: "merge", body: { metadata: { annotations } } },
  );
  await world.nb.until(
    "the port is an ordinary one",
    () => world.nb.port(`bridge-near.${namespace}`)?.addresses.length === 1,
  );
  await syncNodes(world);
  t.strictSame(await received(UNUSED), [0, FRAMES, 0, 0, 0], "when the annotation has been removed");
});

t.test(
  "SR-IOV, DPDK and internal ports are refused by name, and nothing is left behind",
  { skip: whyNoLab() },
  async (t) => {
    const world: World = await openWorld(t);
    await useNetworkType(t, world);
    const namespace = await useNamespace(t, world, DEVICES);
    const provider = `fast.${namespace}.ovn`;
    await useSubnet(t, world, "devices", { provider, cidrBlock: "10.79.0.0/24" });
    await judged(world, "devices", "NetworkNotFound");
    const before = await takeInventory(world);
    const told = (name: string, text: string): Promise<EventThing> =>
      when(
        (listener) => world.events.subscribe(listener),
        () =>
          world.events
            .values()
            .find(
              ({ involvedObject, reason, message }) =>
                involvedObject.namespace === namespace &&
                involvedObject.name === name &&
                reason === "AcquireAddressFailed" &&
                message.includes(text),
            ),
        `an Event on ${name} that says "${text}"`,
        20_000,
      );
    const ports = (pod: string): readonly string[] =>
      world.lab.nodes.flatMap((node) =>
        world
          .ovs(node)
          .podInterfaces()
          .flatMap(({ name, external_ids: ids }) => (ids["pod_name"] === pod ? name : [])),
      );

    await t.test("by the annotation pod_nic_type", async (t) => {
      for (const [type, what] of [
        ["dpdk-port", "DPDK (vhost-user) is not supported"],
        ["offload-port", "SR-IOV and hardware offload are not supported"],
        ["internal-port", "internal ports of Open vSwitch are not supported"],
      ] as const) {
        await world.kube.create(PODS, idlePod(namespace, type, "weft-1", { "ovn.kubernetes.io/pod_nic_type": type }));
        await told(type, what);
        t.equal(world.ips.get(`${type}.${namespace}`), undefined, "no address");
        t.equal(world.nb.port(`${type}.${namespace}`), undefined, "no port in OVN");
        t.same(ports(type), [], "no port in Open vSwitch");
      }
      await remove(world, namespace, ["dpdk-port", "offload-port"]);
      const body = { metadata: { annotations: { "ovn.kubernetes.io/pod_nic_type": "veth-pair" } } };
      await world.kube.patch(PODS, { namespace, name: "internal-port" }, { type: "merge", body });
      const [mended] = await ready(world, namespace, ["internal-port"], 120_000);
      t.ok(mended, "with a type that is supported it starts");
      await remove(world, namespace, ["internal-port"]);
    });

    await t.test("by the definition of a network; the pod's primary interface is not changed", async (t) => {
      const config = { ...ovnNetwork("fast", namespace), vhost_user_socket_volume_name: "sockets" };
      await createNetwork(world, namespace, "fast", config);
      const [pod] = await run(world, [idlePod(namespace, "fast", "weft-1", { "k8s.v1.cni.cncf.io/networks": "fast" })]);
      await told("fast", "DPDK (vhost-user) is not supported");
      t.match(addressesOf(pod!)[0], /^10\.16\./);
      t.equal(world.ips.get(`fast.${namespace}.${provider}`), undefined, "no address");
      t.equal(ports("fast").length, 1, "its own port only");
      // The request that Multus would send.
      const attachment = {
        container: "fast-0123456789abcdef",
        netns: await makeNetns(t, world, "weft-1", "weft-fast"),
        ifName: "net1",
        pod: { namespace, name: "fast", uid: pod!.metadata.uid },
      };
      const { code, out } = await callPlugin(world, "weft-1", "ADD", configuration("1.0.0", config), attachment);
      t.not(code, 0);
      t.match(out, { code: CNI_ERROR.unsupportedField, msg: /"sockets", but DPDK/ });
      t.equal((await callPlugin(world, "weft-1", "DEL", configuration("1.0.0", config), attachment)).code, 0);
      await remove(world, namespace, ["fast"]);
      await world.kube.delete(NETWORK_ATTACHMENTS, { namespace, name: "fast" });
    });

    await t.test("by a device that Multus adds to the configuration", async (t) => {
      await world.kube.create(PODS, sandboxlessPod(namespace, "vf", "weft-1"));
      const pod = await world.pods.until(
        `${namespace}/vf`,
        "has its address",
        (pod) => pod?.metadata.annotations?.["ovn.kubernetes.io/routed"] === "true" && pod,
      );
      const attachment = {
        container: "vf-0123456789abcdef",
        netns: await makeNetns(t, world, "weft-1", "weft-vf"),
        ifName: "eth0",
        pod: { namespace, name: "vf", uid: pod.metadata.uid },
      };
      const asked = configuration("1.0.0", { deviceID: "0000:3b:00.2" });
      const { code, out } = await callPlugin(world, "weft-1", "ADD", asked, attachment);
      t.not(code, 0);
      t.match(out, { code: CNI_ERROR.unsupportedField, msg: /deviceID "0000:3b:00\.2", but SR-IOV/ });
      t.same(ports("vf"), [], "no port in Open vSwitch");
      t.equal((await callPlugin(world, "weft-1", "DEL", asked, attachment)).code, 0);
      await remove(world, namespace, ["vf"]);
    });
    await sameInventory(t, world, before, "nothing is left");
  },
);
