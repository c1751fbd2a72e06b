// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf, linksOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import type { LineProgram } from "../../../hack/traffic/lines.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { receiver, sendDatagram, sendThroughTunnel } from "../../../hack/traffic/stream.ts";
import { HAIRPIN_SOURCE } from "../../../src/api/names.ts";
import { PODS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inNode, inPod, run, useNamespace } from "../testing/pods.ts";
import { createPolicy, policyApplies } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-sources";
const SUBNET = "weft-sources";
const PORT = 9000;

/** The settings that give a pod its address in a subnet. */
function placedIn(subnet: string): Record<string, string> {
  return { "ovn.kubernetes.io/logical_switch": subnet };
}

t.test("a pod cannot spoof the address of a node, a gateway or the pod itself", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useSubnet(t, world, SUBNET, { cidrBlock: "10.61.0.0/24,fd00:61::/112" });
  await judged(world, SUBNET);
  await useNamespace(t, world, NAMESPACE);
  const [victim, witness, near, far, routed] = (await run(world, [
    idlePod(NAMESPACE, "victim", first),
    idlePod(NAMESPACE, "witness", first),
    idlePod(NAMESPACE, "near", first),
    idlePod(NAMESPACE, "far", second),
    idlePod(NAMESPACE, "routed", second, placedIn(SUBNET)),
  ])) as [Thing, Thing, Thing, Thing, Thing];
  await createPolicy(world, NAMESPACE, "isolate", {
    podSelector: { matchLabels: { app: "victim" } },
    policyTypes: ["Ingress"],
  });
  await policyApplies(world, NAMESPACE, "isolate");

  const node = world.nodes.get(first);
  const internal: readonly { type: string; address: string }[] = node?.status.addresses ?? [];
  const join = String(node?.metadata.annotations?.["ovn.kubernetes.io/ip_address"]).split(",");
  const gateway = String(world.subnets.get("ovn-default")?.spec.gateway).split(",");
  const forged = [
    ...internal.flatMap(({ type, address }) => (type === "InternalIP" ? [address] : [])),
    ...join,
    ...gateway,
    HAIRPIN_SOURCE.v4,
    HAIRPIN_SOURCE.v6,
  ];
  const netns = (pod: Thing): string => podNetns(pod.metadata.uid);
  const to = (address: string, pod: Thing): string => addressesOf(pod)[address.includes(":") ? 1 : 0];

  const lastOf = (pod: Thing): string => `${addressesOf(pod)[0]} 9`;
  /** Sends a datagram to a pod that must receive it, and waits until it has arrived. */
  const sendLast = async (from: Thing, to: Thing, listener: LineProgram): Promise<void> => {
    await sendDatagram(netns(from), "", addressesOf(to)[0], PORT, 9);
    await listener.until("the last datagram comes", (lines) => lines.includes(lastOf(from)), 20_000);
  };
  /**
   * The datagrams that `target` receives of those that `from` sends from each of the forged addresses and finally from its own. The last datagram is for `open`, a pod on
   * the target's node that must receive it: when it has arrived, the earlier ones have arrived too.
   */
  const received = async (from: Thing, target: Thing, open: Thing): Promise<readonly string[]> => {
    const listener = await receiver(netns(target), PORT);
    const last = open === target ? listener : await receiver(netns(open), PORT);
    for (const source of forged) {
      const six = source.includes(":");
      const added = `${source}/${six ? 128 : 32}`;
      await inPod(from)(["ip", "addr", "add", added, "dev", "eth0", ...(six ? ["nodad"] : [])]);
      await sendDatagram(netns(from), source, to(source, target), PORT, 8);
      await inPod(from)(["ip", "addr", "del", added, "dev", "eth0"]);
    }
    if (open !== target) await sendDatagram(netns(from), "", addressesOf(target)[0], PORT, 9);
    await sendLast(from, open, last);
    if (open !== target) await last.stop();
    return listener.stop();
  };

  for (const [how, from] of Object.entries({
    "of its node": near,
    "of another node": far,
    "of another subnet": routed,
  })) {
    await t.test(`an isolated pod receives nothing from a pod ${how}, whatever source address it uses`, async (t) => {
      t.same(await received(from, victim, witness), []);
    });
  }
  await t.test("packets with a spoofed source do not reach a pod without policies either", async (t) => {
    t.same(await received(near, far, far), [lastOf(near)]);
    t.same(await received(routed, far, far), [lastOf(routed)]);
  });
  await t.test("its own node reaches it, and another node does not", async (t) => {
    for (const address of addressesOf(victim)) {
      t.ok((await ping(inNode(world, first), address)).ok, `${first} to ${address}`);
      t.notOk((await ping(inNode(world, second), address, 1)).ok, `${second} to ${address}`);
    }
  });
  const target = async () => ({
    mac: String(near.metadata.annotations?.["ovn.kubernetes.io/mac_address"]),
    address: addressesOf(near)[0],
    keys: await tunnelKeys(world, `${near.metadata.name}.${NAMESPACE}`),
  });
  await t.test("a node can send any packet into the tunnels, which have no authentication", async (t) => {
    const listener = await receiver(netns(near), PORT);
    const pod = await target();
    for (const { address } of linksOf(first))
      await sendThroughTunnel(world.lab.node(second).netns, address.v4, pod, PORT);
    await sendLast(far, near, listener);
    t.match(await listener.stop(), [`${HAIRPIN_SOURCE.v4} 5`]);
  });
  await t.test("pods cannot send to tunnel ports of nodes or to OVN's databases", async (t) => {
    // A pod without policies, so that only the checked component can drop the packet.
    const listener = await receiver(netns(near), PORT);
    const pod = await target();
    for (const { address } of linksOf(first)) {
      for (const from of [far, near]) {
        await sendThroughTunnel(netns(from), address.v4, pod, PORT);
        for (const port of [6641, 6642, 6643, 6649, 6650]) {
          const { code } = await inPod(from)(["curl", "-s", "--connect-timeout", "1", `http://${address.v4}:${port}`]);
          t.equal(code, 28, `${from.metadata.name} to ${address.v4}:${port}: no answer in time`);
        }
      }
    }
    await sendLast(far, near, listener);
    t.same(await listener.stop(), [lastOf(far)]);
  });
  await t.test("an outside host cannot spoof the address of a pod", async (t) => {
    const outside = inNode(world, OUTSIDE);
    const listener = await receiver(netns(near), PORT);
    const from = (source: string, to: string): Promise<void> =>
      sendDatagram(world.lab.node(OUTSIDE).netns, source, to, PORT, 8);
    const node = addressOf(second);
    for (const [i, sources] of [
      [addressesOf(far)[0], HAIRPIN_SOURCE.v4],
      [addressesOf(far)[1], HAIRPIN_SOURCE.v6],
    ].entries()) {
      const [to = "", bits] = [addressesOf(near)[i], i === 0 ? 32 : 128];
      const change = async (verb: "add" | "del"): Promise<void> => {
        for (const source of sources) await outside(["ip", "addr", verb, `${source}/${bits}`, "dev", "lo"]);
        await outside(["ip", "route", verb, `${to}/${bits}`, "via", i === 0 ? node.v4 : node.v6]);
      };
      await change("add");
      for (const source of [...sources, addressOf(OUTSIDE)[i === 0 ? "v4" : "v6"]]) await from(source, to);
      await change("del");
    }
    const own = addressOf(OUTSIDE);
    const ours = [own.v4, own.v6].map((address) => `${address} 8`);
    await listener.until("the host's own datagrams come", (lines) => ours.every((one) => lines.includes(one)), 20_000);
    t.same(await listener.stop(), ours);
  });
  await t.test("a pod that requests an address of the nodes' subnet gets an Event that it is for nodes", async (t) => {
    await world.kube.create(PODS, idlePod(NAMESPACE, "passing", first, placedIn("join")));
    const told = await when(
      (listener) => world.events.subscribe(listener),
      () =>
        world.events
          .values()
          .find(({ involvedObject: { name }, message }) => name === "passing" && message.includes("for nodes")),
      "an Event says why pod passing has no address",
      20_000,
    );
    t.match(told.message, /Subnet "join" is reserved for nodes/);
  });
});

/** The tunnel keys of a logical port's switch and of the port. */
async function tunnelKeys({ lab }: World, port: string): Promise<readonly [number, number]> {
  const script = `read -r key datapath < <(ovn-sbctl --bare --columns=tunnel_key,datapath find Port_Binding logical_port=${port} | xargs)
    echo $(ovn-sbctl get Datapath_Binding $datapath tunnel_key) $key`;
  const command = ["-n", "kube-system", "exec", "deploy/ovn-central", "--", "bash", "-c", script];
  const [datapath = 0, key = 0] = (await lab.kubectl(command)).stdout.trim().split(" ").map(Number);
  return [datapath, key];
}
