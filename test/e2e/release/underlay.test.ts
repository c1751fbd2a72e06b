// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { datagramStream, echoServer, longestSilence } from "../../../hack/traffic/stream.ts";
import { providerNetworkKind } from "../../../src/kinds/provider-network.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { type ResourceType, SUBNETS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { plugOutside } from "../testing/outside-network.ts";
import { addressesOf, inNode, inPod, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-underlay";
const NETWORK = "weft-out";
const BRIDGE = `br-${NETWORK}`;
const ROUTER = { v4: "172.31.78.1", v6: "fd00:31:78::1" } as const;
const FAMILIES = ["v4", "v6"] as const;
const ECHO_PORT = 7078;
/** Interval between two datagrams, in ms. */
const EVERY_MS = 10;
/** The limit on a heavily loaded machine, in s. */
const MOST_S = 5;

t.setTimeout(540_000);

let world: World;

type Network = Omit<Thing, "status"> & {
  readonly status?: {
    readonly ready?: boolean;
    readonly conditions?: readonly { readonly node?: string; readonly reason?: string; readonly message?: string }[];
  };
};

/** The addresses of the node with that number in the external network. */
function addressOf(i: number, family: (typeof FAMILIES)[number]): string {
  return family === "v4" ? `172.31.78.${11 + i}` : `fd00:31:78::${11 + i}`;
}

/** A network between nodes and the outside host, in which each node has addresses and a route through its interface eth9. */
async function plug(t: Test): Promise<void> {
  await plugOutside(t, world, ROUTER, (i) => ({ v4: addressOf(i, "v4"), v6: addressOf(i, "v6") }));
  for (const node of world.lab.nodes) {
    const route = ["198.51.100.0/24", "via", ROUTER.v4, "dev", "eth9", "metric", "77"];
    await world.lab.node(node).exec(["ip", "route", "add", ...route]);
  }
}

/** As {@link useObject}. */
const use = (t: Test, type: ResourceType, name: string, spec: object): Promise<void> =>
  useObject(t, world, type, name, spec);

/** The addresses and routes of the node on a device in the external network, with a placeholder for the device. */
async function look(node: string, device: string): Promise<string> {
  const own = world.lab.node(node);
  const texts = await Promise.all(
    [
      ["-oneline", "address", "show", "dev", device, "scope", "global"],
      ["route", "show", "dev", device],
      ["-6", "route", "show", "dev", device],
    ].map(async (args) => (await own.exec(["ip", ...args], { allowFailure: true })).stdout),
  );
  const lines = texts
    .join("\n")
    .replaceAll(new RegExp(`\\b${device}\\b`, "g"), "DEVICE")
    .split("\n");
  return lines
    .map((line) =>
      line
        .replace(/^\d+: /, "")
        .replace(/\s+/g, " ")
        .trim(),
    )
    .filter((line) => line !== "" && !line.startsWith("fe80"))
    .sort()
    .join("\n");
}

t.test("a ProviderNetwork, and pods in the external network", { skip: whyNoLab() }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const namespace = await useNamespace(t, world, NAMESPACE);
  await plug(t);
  const networks = new Objects<Network>(world.kube, providerNetworkKind.type);
  await networks.ready();
  t.teardown(() => networks.stop());
  const before = await look(first, "eth9");
  t.match(before, /198\.51\.100\.0\/24/);
  const echo = await echoServer(world.lab.node(first).netns, ECHO_PORT);
  t.teardown(() => echo.stop());
  /** The longest time without an answer of the first node during an action, in s. */
  const measure = async (t: Test, what: string, work: () => Promise<unknown>): Promise<void> => {
    const { netns } = world.lab.node(OUTSIDE);
    const streams = await Promise.all(
      FAMILIES.map((family) => datagramStream(netns, addressOf(0, family), ECHO_PORT, EVERY_MS)),
    );
    try {
      await work();
    } finally {
      for (const [i, stream] of streams.entries()) {
        const shots = await stream.stop();
        const seconds = longestSilence(shots, EVERY_MS);
        const lost = shots.filter(({ echoed }) => echoed === undefined).length;
        t.comment(`${what}, ${FAMILIES[i]}: ${lost} of ${shots.length} lost, ${seconds.toFixed(2)} s at a time`);
        t.ok(shots.length - lost > 10, `${FAMILIES[i]}: the node answers`);
        t.ok(seconds <= MOST_S, `${what}, ${FAMILIES[i]}: ${seconds.toFixed(2)} s without an answer`);
      }
    }
  };
  const isReady = (name: string) =>
    networks.until(name, "is ready", (network) => network?.status?.ready === true, 60_000);

  await whole.test(
    "the interface moves into the bridge with its addresses and routes, and nodes get labels",
    async (t) => {
      await measure(t, "moved in", async () => {
        await use(whole, providerNetworkKind.type, NETWORK, { defaultInterface: "eth9" });
        await isReady(NETWORK);
      });
      await until("the bridge has it all", 10_000, async () => (await look(first, BRIDGE)) === before);
      t.equal(await look(first, BRIDGE), before);
      t.equal(await look(first, "eth9"), "");
      const domain = `${NETWORK}.provider-network.kubernetes.io`;
      const labels = { [`${domain}/ready`]: "true", [`${domain}/interface`]: "eth9", [`${domain}/mtu`]: "1500" };
      await until("the node has the labels", 10_000, async () => {
        const { stdout } = await world.lab.kubectl(["get", "node", first, "-o", "jsonpath={.metadata.labels}"]);
        return Object.entries(labels).every(([name, value]) => stdout.includes(`"${name}":"${value}"`));
      });
    },
  );

  await t.test("an interface that cannot be used is reported, and the node keeps its own connectivity", async (t) => {
    for (const [network, name, expected] of [
      ["weft-none", "eth7", /InterfaceNotFound: there is no interface eth7/],
      ["weft-main", "eth0", /InterfaceInUse: eth0 has the node's only default route/],
      ["weft-tun", "eth1", /InterfaceInUse: eth1 is a port of bridge br-phy/],
      ["weft-twice", "eth9", /InterfaceInUse: eth9 is a port of bridge br-weft-out/],
      ["weft-lo", "lo", /InterfaceNotUsable: lo is a loopback interface/],
      ["weft-ovn", "ovn0", /InterfaceNotUsable: ovn0 is a device of Open vSwitch/],
    ] as const) {
      await use(t, providerNetworkKind.type, network, { defaultInterface: name });
      const found = await networks.until(
        network,
        "tells why",
        (network) =>
          network?.status?.conditions?.find(({ node, message = "" }) => node === first && expected.test(message)) ??
          false,
        30_000,
      );
      t.equal(found.reason, "InitOVSBridgeFailed", name);
    }
    t.match((await world.lab.kubectl(["get", "nodes"])).stdout, new RegExp(`${first} +Ready`));
    t.equal(await look(first, BRIDGE), before, "the network that works goes on");
  });

  await t.test("pods in the external network reach each other and the router, and are reachable", async (t) => {
    await use(t, vlanKind.type, "weft-underlay", { provider: NETWORK, id: 0 });
    await use(t, SUBNETS, "weft-under-pods", {
      vlan: "weft-underlay",
      cidrBlock: "172.31.78.0/24,fd00:31:78::/112",
      gateway: `${ROUTER.v4},${ROUTER.v6}`,
      excludeIps: ["172.31.78.1..172.31.78.99", "fd00:31:78::1..fd00:31:78::99"],
    });
    const on = { "ovn.kubernetes.io/logical_switch": "weft-under-pods" };
    const pods = (await run(
      world,
      [webPod(namespace, "one", first, on), webPod(namespace, "two", second, on)],
      90_000,
    )) as [Thing, Thing];
    const [one, two] = pods;
    const ext = inNode(world, OUTSIDE);
    for (const [i, family] of FAMILIES.entries()) {
      const to = (pod: Thing) => `http://${urlHost(addressesOf(pod)[i] ?? "")}:8080/clientip`;
      for (const [what, from, pod, source] of [
        ["outside to a pod", ext, one, ROUTER[family]],
        ["outside to a pod on the other node", ext, two, ROUTER[family]],
        ["pod to pod", inPod(one), two, addressesOf(one)[i]],
        ["node to its own pod", inNode(world, first), one, addressOf(0, family)],
        ["node to the other's pod", inNode(world, first), two, addressOf(0, family)],
      ] as const) {
        const seen = async () => {
          const { ok, detail } = await http(from, to(pod));
          return ok ? detail.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") : detail;
        };
        await until(what, 20_000, async () => (await seen()) === source).catch(() => undefined);
        t.equal(await seen(), source, `${what}, ${family}`);
      }
    }
    await remove(world, namespace, ["one", "two"]);
  });

  await t.test("when ovs-vswitchd ends, the node still has its addresses", async (t) => {
    const [pod] = world.own("ovs", first);
    const inside = ["-n", "kube-system", "exec", pod?.metadata.name ?? "", "-c", "openvswitch", "--"];
    await measure(t, "ovs-vswitchd killed", async () => {
      await world.lab.kubectl([...inside, "bash", "-c", "kill -9 $(cat /run/openvswitch/ovs-vswitchd.pid)"]);
      await until("the bridge has the addresses again", 60_000, async () => (await look(first, BRIDGE)) === before);
    });
    t.equal(await look(first, BRIDGE), before);
  });

  await t.test("an excluded node, and one whose network is deleted, get their former configuration back", async (t) => {
    await measure(t, "moved back", async () => {
      await world.kube.patch(
        providerNetworkKind.type,
        { name: NETWORK },
        { type: "merge", body: { spec: { excludeNodes: [first] } } },
      );
      await until("the interface has it all", 30_000, async () => (await look(first, "eth9")) === before);
    });
    t.equal(await look(first, "eth9"), before);
    await until("the first node's bridge is gone", 30_000, async () => {
      const { code } = await world.lab.node(first).exec(["ip", "link", "show", BRIDGE], { allowFailure: true });
      return code !== 0;
    });
    await world.kube.delete(providerNetworkKind.type, { name: NETWORK });
    await until("the second node's bridge is gone", 30_000, async () => {
      const { code } = await world.lab.node(second).exec(["ip", "link", "show", BRIDGE], { allowFailure: true });
      return code !== 0;
    });
    t.match(await look(second, "eth9"), /198\.51\.100\.0\/24/);
  });
});
