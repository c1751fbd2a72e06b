// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { NODES, PODS, SUBNETS } from "../../../src/kube/resources.ts";
import { capture, castToGroup } from "../testing/link.ts";
import {
  addressesOf,
  idlePod,
  inNode,
  inPod,
  ready,
  remove,
  run,
  standingPods,
  useNamespace,
} from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { countTunnels } from "../testing/tunnels.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const SUBNET = "weft-storage";
const NODE_NETWORKS = "ovn.kubernetes.io/node_networks";
/** The second address of each node, on the bridge that holds its tunnel interface. */
const STORAGE: Readonly<Record<string, string>> = { "weft-1": "172.20.0.11", "weft-2": "172.20.0.12" };
const BASE: Readonly<Record<string, string>> = { "weft-1": "172.19.0.11", "weft-2": "172.19.0.12" };
const PINGS = 20;

let world: World;

function annotate(node: string, value: string | null): Promise<unknown> {
  const body = { metadata: { annotations: { [NODE_NETWORKS]: value } } };
  return world.kube.patch(NODES, { name: node }, { type: "merge", body });
}

function choose(nodeNetwork: string): Promise<unknown> {
  return world.kube.patch(SUBNETS, { name: SUBNET }, { type: "merge", body: { spec: { nodeNetwork } } });
}

/** A node's tunnel addresses in OVN. */
async function encapsOf(node: string): Promise<readonly string[]> {
  const [central] = world.own("ovn-central");
  const exec = ["exec", "-n", "kube-system", central?.metadata.name ?? "", "--", "ovn-sbctl", "--bare"];
  const hosts = await world.lab.kubectl([...exec, "--columns=name", "find", "chassis", `hostname=${node}`]);
  const find = ["--columns=ip", "find", "encap", `chassis_name=${hosts.stdout.trim()}`];
  return (await world.lab.kubectl([...exec, ...find])).stdout.split("\n").filter(Boolean).sort();
}

/** `encap-ip` of a pod's interface. */
function encapIp(node: string, pod: string): string | undefined {
  const face = world
    .ovs(node)
    .podInterfaces()
    .find(({ external_ids: ids }) => ids["pod_name"] === pod);
  return face?.external_ids["encap-ip"];
}

t.test("the tunnels of a subnet use another network of the nodes", { skip: whyNoLab() }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const standing = await standingPods(world);
  const namespace = await useNamespace(t, world, "weft-planes");
  for (const [node, address] of Object.entries(STORAGE)) {
    await inNode(world, node)(["ip", "address", "replace", `${address}/24`, "dev", "br-phy"]);
    t.teardown(() => inNode(world, node)(["ip", "address", "delete", `${address}/24`, "dev", "br-phy"]));
    t.teardown(() => annotate(node, null));
  }
  const ways = [
    { name: "base", from: "172.19.0.0/24", to: "172.19.0.0/24" },
    { name: "storage", from: "172.20.0.0/24", to: "172.20.0.0/24" },
    { name: "mixed", from: "172.19.0.0/24", to: "172.20.0.0/24" },
    { name: "back", from: "172.20.0.0/24", to: "172.19.0.0/24" },
  ];
  const count = await countTunnels(t, world, ways);
  /** Number of tunnel packets per path while one pod pings another, which must answer each time. */
  const pings = async (from: Parameters<typeof inPod>[0], to: string): Promise<Readonly<Record<string, number>>> => {
    await until(`${to} answers`, 15_000, async () => (await ping(inPod(from), to, 1)).ok);
    const before = await count();
    const { stdout } = await inPod(from)(["busybox", "ping", "-i", "0.05", "-c", String(PINGS), "-W", "2", to]);
    t.match(stdout, `${PINGS} packets received`, `${from.metadata.name} reaches ${to}`);
    const after = await count();
    return Object.fromEntries(ways.map(({ name }) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
  };

  await t.test("a node's annotation becomes tunnel addresses of its chassis", async (t) => {
    for (const [node, address] of Object.entries(STORAGE)) {
      await annotate(node, JSON.stringify({ storage: address }));
      const wanted = `${BASE[node]},${address}`;
      await world.ovs(node).until("two addresses", () => world.ovs(node).settings()["ovn-encap-ip"] === wanted);
      t.equal(world.ovs(node).settings()["ovn-encap-ip-default"], BASE[node]);
      await until(`${node} has two Encaps`, 15_000, async () => (await encapsOf(node)).length === 2);
      t.strictSame(await encapsOf(node), [BASE[node], address]);
    }
  });

  await useSubnet(whole, world, SUBNET, { cidrBlock: "10.75.0.0/24,fd00:10:75::/120", nodeNetwork: "storage" });
  await judged(world, SUBNET);
  const within = { "ovn.kubernetes.io/logical_switch": SUBNET };
  const [one, two] = await run(world, [
    idlePod(namespace, "one", "weft-1", within),
    idlePod(namespace, "two", "weft-2", within),
  ]);

  await t.test("packets of its pods are on the wire with these addresses, those of other pods are not", async (t) => {
    t.strictSame([encapIp("weft-1", "one"), encapIp("weft-2", "two")], [STORAGE["weft-1"], STORAGE["weft-2"]]);
    for (const to of addressesOf(two!)) {
      const used = await pings(one!, to);
      t.ok((used["storage"] ?? 0) >= 2 * PINGS, `both ways: ${JSON.stringify(used)}`);
    }
    const others = await pings(standing[0]!, addressesOf(standing[2]!)[0]);
    t.ok((others["base"] ?? 0) >= 2 * PINGS, `both ways: ${JSON.stringify(others)}`);
    t.equal(others["storage"], 0);
  });

  await t.test("multicast uses one tunnel between two nodes, of any network", async (t) => {
    const group = "239.1.2.9";
    const packets = await capture(two!, group);
    const before = await count();
    await castToGroup(one!, group, addressesOf(one!)[0], 5353, PINGS);
    await packets.until("each datagram comes", ({ length }) => length >= PINGS, 20_000);
    const after = await count();
    // The packet after the datagrams arrived: none arrived twice.
    t.ok((await ping(inPod(one!), addressesOf(two!)[0], 10)).ok, "the receiver answers");
    t.equal((await packets.stop()).length, PINGS, "where the networks reach each other");
    const used = Object.fromEntries(ways.map(({ name }) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
    const all = Object.values(used).reduce((sum, packets) => sum + packets, 0);
    t.ok(all >= PINGS && all < 2 * PINGS, `each datagram once: ${JSON.stringify(used)}`);
  });

  await t.test("a pod of the default network reaches them if the networks are routed to each other", async (t) => {
    const used = await pings(standing[0]!, addressesOf(two!)[0]);
    t.comment(JSON.stringify(used));
    t.ok((used["mixed"] ?? 0) >= PINGS, "to the address of the receiver's network");
    t.ok((used["back"] ?? 0) >= PINGS, "and back to the default one");
  });

  await t.test("a change of the subnet reaches running pods", async (t) => {
    await choose("");
    for (const [node, pod] of [
      ["weft-1", "one"],
      ["weft-2", "two"],
    ] as const)
      await world.ovs(node).until(`${pod} has the default address`, () => encapIp(node, pod) === undefined);
    await until(
      "the tunnels have changed",
      15_000,
      async () => (await pings(one!, addressesOf(two!)[0]))["storage"] === 0,
    );
    t.ok(((await pings(one!, addressesOf(two!)[0]))["base"] ?? 0) >= 2 * PINGS);
    await choose("storage");
    const changed = async () => ((await pings(one!, addressesOf(two!)[0]))["storage"] ?? 0) >= 2 * PINGS;
    await until("the tunnels have changed back", 15_000, changed);
  });

  await t.test("a node without the network starts no pod of the subnet, and an Event says so", async (t) => {
    await annotate("weft-2", null);
    const ovs = world.ovs("weft-2");
    await ovs.until("one address", () => ovs.settings()["ovn-encap-ip"] === BASE["weft-2"]);
    await ovs.until("the running pod has the default address", () => encapIp("weft-2", "two") === undefined);
    await until(
      "the running pod is reached",
      15_000,
      async () => (await ping(inPod(one!), addressesOf(two!)[0], 1)).ok,
    );
    await world.kube.create(PODS, idlePod(namespace, "three", "weft-2", within));
    const text = `network "storage" (spec.nodeNetwork of Subnet "${SUBNET}") is not found on this node`;
    const found = () =>
      world.events.values().find(({ involvedObject: of, message }) => of.name === "three" && message.includes(text));
    const event = await until("an Event says why", 30_000, async () => found());
    t.match(event, { type: "Warning", reason: "FailedCreatePodSandBox" });
    const onNode = world.events.values().find(({ reason }) => reason === "NodeNetworkNotFound");
    t.match(onNode, { involvedObject: { kind: "Node", name: "weft-2" }, message: text });
    await annotate("weft-2", JSON.stringify({ storage: STORAGE["weft-2"] }));
    await ready(world, namespace, ["three"]);
    t.equal(encapIp("weft-2", "three"), STORAGE["weft-2"]);
    await ovs.until("the other pod follows", () => encapIp("weft-2", "two") === STORAGE["weft-2"]);
    await remove(world, namespace, ["three"]);
  });

  await t.test(
    "an address that cannot be used leaves the former one active, with a condition or an Event",
    async (t) => {
      const condition = async (pattern: RegExp) =>
        world.nodes.until("weft-2", `has a condition ${pattern}`, (node) => {
          const conditions: readonly { type: string; status: string; message: string }[] =
            node?.status?.conditions ?? [];
          return conditions.find(({ type, message }) => type === "WeftNodeNetworksNotUsed" && pattern.test(message));
        });
      await annotate("weft-2", "{storage");
      await condition(/must be a JSON object .*the former networks stay active: storage 172\.20\.0\.12$/);
      await annotate("weft-2", JSON.stringify({ storage: STORAGE["weft-1"] }));
      await condition(/node weft-1 has the same address 172\.20\.0\.11; 172\.20\.0\.12 stays active$/);
      await annotate("weft-2", JSON.stringify({ storage: "172.20.0.99" }));
      const said = "no interface of this node has the address 172.20.0.99; 172.20.0.12 stays active";
      await until("an Event says why", 15_000, async () =>
        world.events
          .values()
          .find(({ reason, message }) => reason === "NodeNetworkNotUsable" && message.includes(said)),
      );
      const none = (node: { status?: { conditions?: readonly { type: string }[] } } | undefined) =>
        !(node?.status?.conditions ?? []).some(({ type }) => type === "WeftNodeNetworksNotUsed");
      await world.nodes.until("weft-2", "has no such condition", none);
      const used = await pings(one!, addressesOf(two!)[0]);
      t.ok((used["storage"] ?? 0) >= 2 * PINGS, `the former address is used: ${JSON.stringify(used)}`);
      await annotate("weft-2", JSON.stringify({ storage: STORAGE["weft-2"] }));
    },
  );
});
