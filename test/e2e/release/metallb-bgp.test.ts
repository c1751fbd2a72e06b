// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { urlHost } from "../../../hack/traffic/probe.ts";
import { datagramStream, echoServer, longestSilence } from "../../../hack/traffic/stream.ts";
import { PODS, SERVICES } from "../../../src/kube/resources.ts";
import { ANNOUNCE, isFor, neighborsOf, useBgp } from "../testing/bgp.ts";
import { useMetallb } from "../testing/metallb.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { inNode, ownReady, run, useNamespace, webPod } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-mlb-bgp";
const POOL = "metallb.io/address-pool";
/** MetalLB's pools: one that it announces itself, one whose addresses Weft's speakers announce. */
const OWN = { v4: "192.0.2.16-192.0.2.23" } as const;
const HANDED = { v4: "192.0.2.32-192.0.2.39", v6: "2001:db8:32::20-2001:db8:32::27" } as const;
/** The hold time of MetalLB's sessions, in s. */
const HOLD_S = 20;
const ECHO_PORT = 7080;
const EVERY_MS = 50;
/** The clients of each address, each with a source port of its own. */
const STREAMS = 2;

t.setTimeout(900_000);

t.test("MetalLB in BGP mode beside Weft and its speakers", { skip: whyNoLab(), timeout: 880_000 }, async (t) => {
  const world = await openWorld(t);
  const { nodes } = world.lab;
  const namespace = await useNamespace(t, world, NAME);
  const bgp = await useBgp(t, world, NAME);
  const { router } = bgp;
  const sources = await secondAddresses(t, world);
  // A router has one session with an address, so MetalLB's come from other addresses than those of Weft's speakers.
  for (const source of sources.values()) {
    await router.vtysh(
      ...["conf t", `router bgp ${bgp.routerAs}`, `neighbor ${source} remote-as ${bgp.clusterAs}`],
      ...["address-family ipv4 unicast", `neighbor ${source} activate`],
    );
  }
  const metallb = await useMetallb(t, world);
  const peer = { asn: bgp.clusterAs, router: addressOf(OUTSIDE).v4, routerAsn: bgp.routerAs, holdS: HOLD_S };
  await metallb.bgpPool("own", OWN, { ...peer, sources });
  await metallb.bgpPool("handed", HANDED);
  // By ports too, so that the clients are spread over the nodes (Documentation/networking/ip-sysctl.rst).
  for (const family of ["ipv4", "ipv6"])
    await inNode(world, OUTSIDE)(["sysctl", "-qw", `net.${family}.fib_multipath_hash_policy=1`]);

  const pods = await run(
    world,
    nodes.map((node, i) => {
      const pod = webPod(namespace, `web-${i + 1}`, node);
      return { ...pod, metadata: { ...pod.metadata, labels: { app: "web" } } };
    }),
    120_000,
  );
  for (const { metadata } of pods) {
    const server = await echoServer(podNetns(metadata.uid), ECHO_PORT);
    t.teardown(() => server.stop());
  }
  const services = new Objects(world.kube, SERVICES);
  await services.ready();
  t.teardown(() => services.stop());
  const make = async (name: string, annotations: object, more: object): Promise<readonly string[]> => {
    const ports = [
      { name: "web", port: 80, targetPort: 8080 },
      { name: "echo", port: ECHO_PORT, protocol: "UDP" },
    ];
    await world.kube.create<Thing>(SERVICES, {
      metadata: { namespace, name, annotations },
      spec: { type: "LoadBalancer", selector: { app: "web" }, ports, ...more },
    } as never);
    return services.until(`${namespace}/${name}`, "has addresses", (service) => {
      const ingress = (service?.status?.loadBalancer?.ingress ?? []) as readonly { readonly ip: string }[];
      return ingress.length > 0 && ingress.map(({ ip }) => ip);
    });
  };
  const single = { ipFamilyPolicy: "SingleStack", ipFamilies: ["IPv4"] };
  const dual = { ipFamilyPolicy: "RequireDualStack" };
  const own = await make("own", { [POOL]: "own" }, single);
  const local = await make("local", { [POOL]: "own" }, { ...single, externalTrafficPolicy: "Local" });
  const handed = await make("handed", { [POOL]: "handed", [ANNOUNCE]: "true" }, dual);
  const speakersOf = (address: string) => neighborsOf(nodes, "v4", "v6").filter(isFor(address));

  await t.test("a router learns MetalLB's addresses from MetalLB, and clients outside reach them", async (t) => {
    for (const address of [...own, ...local]) {
      await bgp.routedBy(t, `${address} by MetalLB alone`, address, [...sources.values()], 60_000);
      await bgp.answers(t, `http://${address}/hostname`, "web-");
    }
    for (const address of local) await bgp.answers(t, `http://${address}/clientip`, addressOf(OUTSIDE).v4);
  });

  await t.test("Weft's speakers announce those that MetalLB only gives, in both families", async (t) => {
    t.equal(handed.length, 2);
    for (const address of handed) {
      await bgp.routedBy(t, `${address} by Weft alone`, address, speakersOf(address));
      await bgp.answers(t, `http://${urlHost(address)}/hostname`, "web-");
    }
  });

  /** Neighbor → how often its session has ended. */
  const drops = async (): Promise<ReadonlyMap<string, number>> => {
    const text = await router.vtysh("show bgp neighbors json");
    const all = JSON.parse(text) as Readonly<Record<string, { readonly connectionsDropped?: number }>>;
    return new Map(Object.entries(all).map(([neighbor, { connectionsDropped = 0 }]) => [neighbor, connectionsDropped]));
  };
  const undisturbed = async (t: Test, of: readonly string[], work: () => Promise<void>): Promise<void> => {
    const before = await drops();
    await work();
    const after = await drops();
    for (const neighbor of of) t.equal(after.get(neighbor), before.get(neighbor), `the session with ${neighbor} holds`);
  };
  /** Sends to all addresses during an action; the longest time in which one client got no answer is less than the hold time. */
  const reachable = async (t: Test, work: () => Promise<void>): Promise<void> => {
    const { netns } = world.lab.node(OUTSIDE);
    const targets = [...own, ...handed].flatMap((address) => Array.from({ length: STREAMS }, () => address));
    const streams = await Promise.all(targets.map((to) => datagramStream(netns, to, ECHO_PORT, EVERY_MS)));
    const since = performance.now();
    await work().catch(async (error: unknown) => {
      await Promise.all(streams.map((stream) => stream.stop()));
      throw error;
    });
    for (const address of own)
      t.comment(
        `${address}: the kernel's route went ${bgp.changed(address, true, since) === undefined ? "never" : "away"}`,
      );
    for (const [i, stream] of streams.entries()) {
      const shots = await stream.stop();
      const lost = shots.filter(({ echoed }) => echoed === undefined).length;
      const seconds = longestSilence(shots, EVERY_MS);
      t.comment(`${targets[i]}: ${lost} of ${shots.length} lost, ${seconds.toFixed(2)} s at a time`);
      t.ok(seconds < HOLD_S, `${targets[i]}: ${seconds.toFixed(2)} s without an answer`);
      t.ok(shots.length - lost > 100, `${targets[i]} answers`);
    }
  };

  await t.test("restarts of Weft's controller and daemons end no session of MetalLB", async (t) => {
    await undisturbed(t, [...sources.values(), ...neighborsOf(nodes, "v4", "v6")], () =>
      reachable(t, async () => {
        for (const [app, node] of partsOn(nodes)) {
          const [old] = world.own(app, node);
          await world.kube.delete(PODS, { namespace: "kube-system", name: old?.metadata.name ?? "" });
          await ownReady(world, app, node, old?.metadata.uid, 150_000);
        }
      }),
    );
  });

  await t.test("restarts of MetalLB end no session of Weft's speakers, and its routes come back", async (t) => {
    await undisturbed(t, neighborsOf(nodes, "v4", "v6"), () => reachable(t, () => metallb.restart()));
    for (const address of own) {
      await bgp.routedBy(t, `${address} by MetalLB alone`, address, [...sources.values()], 60_000);
      await bgp.answers(t, `http://${address}/hostname`, "web-");
    }
  });
});

/** The controller, and the daemon of each node. */
function partsOn(nodes: readonly string[]): readonly (readonly [app: Parameters<World["own"]>[0], node?: string])[] {
  return [["kube-ovn-controller"], ...nodes.map((node) => ["kube-ovn-cni", node] as const)];
}

/** Gives each node a second IPv4 address in the network of the nodes until the end of the test. */
async function secondAddresses(t: Test, world: World): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const node of world.lab.nodes) {
    const address = addressOf(node).v4.replace(/\d+$/, (last) => `${Number(last) + 100}`);
    await inNode(world, node)(["ip", "address", "replace", `${address}/32`, "dev", "eth0"]);
    t.teardown(() => inNode(world, node)(["ip", "address", "del", `${address}/32`, "dev", "eth0"]));
    found.set(node, address);
  }
  return found;
}
