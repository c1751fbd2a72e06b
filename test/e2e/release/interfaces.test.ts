// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { EXTERNAL } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { serverPod } from "../../../hack/traffic/pods.ts";
import { http, ping } from "../../../hack/traffic/probe.ts";
import { podPortName } from "../../../src/api/port-names.ts";
import { ENDPOINT_SLICES, NETWORK_POLICIES, PODS, SERVICES } from "../../../src/kube/resources.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { networkStatus, useMultus } from "../testing/multus.ts";
import { createNetwork, lookInside, macvlanNetwork, ovnNetwork, seenFrom } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inPod, type PodManifest, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-interfaces";
const LAN = `lan.${HOME}.ovn`;
const WIRE = `wire.${HOME}`;
const NETWORKS = "k8s.v1.cni.cncf.io/networks";
/** A range behind a pod that forwards; no other route leads there. */
const BEHIND = ["192.0.2.7", "2001:db8:7::7"] as const;
/** From the network's configuration: it is copied to the status, whose readers may use it. */
const DNS = { nameservers: ["10.53.0.2"], search: ["lan.example"] };
const GATEWAY = ["10.53.0.20", "fd00:10:53::20"] as const;

let world: World;

/** The record of a pod's interface. */
function recordOf(pod: string, provider: string): { readonly addresses: readonly string[]; readonly mac: string } {
  const {
    v4IpAddress: v4 = "",
    v6IpAddress: v6 = "",
    macAddress: mac,
  } = world.ips.get(podPortName(pod, HOME, provider))?.spec ?? {};
  return { addresses: [v4, v6].filter((text) => text !== ""), mac };
}

/** A web server with networks and other annotations. */
function pod(
  name: string,
  node: string,
  networks: string | readonly object[],
  more: Record<string, string> = {},
): PodManifest {
  const text = typeof networks === "string" ? networks : JSON.stringify(networks);
  return webPod(HOME, name, node, { [NETWORKS]: text, ...more });
}

/** A ping of each address, and a TCP connection. */
async function reaches(t: Test, from: Thing, addresses: readonly string[]): Promise<void> {
  t.ok(addresses.length > 0);
  for (const address of addresses) {
    await until(
      `${address} answers ${from.metadata.name}`,
      10_000,
      async () => (await ping(inPod(from), address, 1)).ok,
    );
    t.ok(await connects(inPod(from), address, 8080), `${from.metadata.name} connects to ${address}`);
  }
}

t.test("several interfaces of a pod", { skip: whyNoLab(), timeout: 500_000 }, async (t) => {
  world = await openWorld(t);
  await useMultus(t, world);
  await useNamespace(t, world, HOME);
  const cidrBlock = "10.53.0.0/24,fd00:10:53::/120";
  await useSubnet(t, world, "if-lan", { provider: LAN, cidrBlock, natOutgoing: true });
  await useSubnet(t, world, "if-wire", { provider: WIRE, cidrBlock: "172.30.53.0/24" });
  await createNetwork(world, HOME, "lan", { ...ovnNetwork("lan", HOME), dns: DNS });
  await createNetwork(world, HOME, "wire", macvlanNetwork("wire", HOME));
  for (const name of ["if-lan", "if-wire"]) await judged(world, name);
  const before = await takeInventory(world);
  const [peer, router] = (await run(world, [
    pod("peer", "weft-2", "lan,wire"),
    pod("router", "weft-2", [{ name: "lan", ips: [...GATEWAY] }]),
  ])) as readonly [Thing, Thing];
  for (const [family, address] of [
    ["-4", `${BEHIND[0]}/32`],
    ["-6", `${BEHIND[1]}/128`],
  ] as const)
    await inPod(router)(["ip", family, "address", "add", address, "dev", "lo"]);

  await t.test("one network twice, on OVN and of another plugin: each has its own address, MAC and port", async (t) => {
    const fixed = {
      [`${LAN}.net1.kubernetes.io/ip_address`]: "10.53.0.51",
      [`${LAN}.net2.kubernetes.io/mac_address`]: "02:00:00:00:53:52",
      [`wire.${HOME}.kubernetes.io/ip_address.net4`]: "172.30.53.54",
    };
    const [twin] = (await run(world, [pod("twin", "weft-1", "lan,lan,wire,wire", fixed)])) as readonly [Thing];
    const own = { addresses: addressesOf(twin), mac: (await lookInside(twin, "eth0"))?.mac ?? "" };
    const expected = [
      ["eth0", "kube-ovn", own],
      ["net1", `${HOME}/lan`, recordOf("twin", `${LAN}.net1`)],
      ["net2", `${HOME}/lan`, recordOf("twin", `${LAN}.net2`)],
      ["net3", `${HOME}/wire`, recordOf("twin", `${WIRE}.net3`)],
      ["net4", `${HOME}/wire`, recordOf("twin", `${WIRE}.net4`)],
    ] as const;
    t.equal(expected[1][2].addresses[0], "10.53.0.51");
    t.equal(expected[2][2].mac, "02:00:00:00:53:52");
    t.equal(expected[4][2].addresses[0], "172.30.53.54");
    t.equal(new Set(expected.flatMap(([, , { addresses }]) => addresses)).size, 8, "no address twice");
    const status = networkStatus(twin);
    for (const [i, [ifName, network, { addresses, mac }]] of expected.entries()) {
      const inside = await lookInside(twin, ifName);
      t.same(
        inside?.addresses.map((text) => text.split("/")[0]),
        addresses,
        `${ifName} inside the pod`,
      );
      if (mac !== "") t.equal(inside?.mac, mac);
      t.strictSame(
        status[i],
        {
          name: network,
          interface: ifName,
          ips: addresses,
          mac: inside?.mac,
          ...(i === 0 && { default: true }),
          dns: network === `${HOME}/lan` ? DNS : {},
          ...(i === 0 && { gateway: ["10.16.0.1", "fd00:10:16::1"] }),
        },
        `what Multus says of ${ifName}`,
      );
      const servers = i === 0 ? addressesOf(peer) : recordOf("peer", network === `${HOME}/lan` ? LAN : WIRE).addresses;
      for (const [n, server] of servers.entries()) {
        const seen = async (): Promise<boolean> => (await seenFrom(twin, ifName, server)) === addresses[n];
        await until(`${ifName} connects to ${server} as ${addresses[n]}`, 10_000, seen);
      }
    }
    const port = world.nb.port(`twin.${HOME}.${LAN}.net2`);
    t.match(port?.addresses, [`02:00:00:00:53:52 ${expected[2][2].addresses.join(" ")}`]);
    await remove(world, HOME, ["twin"]);
  });

  await t.test("routes: packets take the route that an annotation defines", async (t) => {
    const ways = [
      { dst: "192.0.2.0/24", gw: GATEWAY[0] },
      { dst: "2001:db8:7::/64", gw: GATEWAY[1] },
    ];
    const routes = { [`${LAN}.kubernetes.io/routes`]: JSON.stringify(ways) };
    const [routed] = (await run(world, [pod("routed", "weft-1", "lan", routes)])) as readonly [Thing];
    await reaches(t, routed, BEHIND);
    for (const address of BEHIND)
      t.match(await ping(inPod(peer), address, 1), { ok: false }, `no other pod reaches ${address}`);
    await remove(world, HOME, ["routed"]);
  });

  await t.test("default_route: packets to all destinations leave through the secondary interface", async (t) => {
    const taken = { [`${LAN}.kubernetes.io/default_route`]: "true" };
    const selection = [{ name: "lan", "default-route": [...GATEWAY] }];
    const [ours, chosen] = (await run(world, [
      pod("ours", "weft-1", "lan", taken),
      pod("chosen", "weft-1", selection),
    ])) as readonly [Thing, Thing];
    for (const one of [ours, chosen]) await inPod(one)(["ip", "link", "set", "eth0", "down"]);
    for (const address of [EXTERNAL.v4, EXTERNAL.v6])
      t.match(await ping(inPod(ours), address), { ok: true }, `${address}, outside of the cluster, without eth0`);
    t.match(networkStatus(ours), [{ default: true }, { interface: "net1", gateway: ["10.53.0.1", "fd00:10:53::1"] }]);
    t.match(networkStatus(chosen)[1], { interface: "net1", gateway: [...GATEWAY] });
    for (const address of BEHIND) t.match(await ping(inPod(chosen), address), { ok: true }, address);
    await remove(world, HOME, ["ours", "chosen"]);
  });

  await t.test("a default network: eth0 is an interface of it", async (t) => {
    const annotations = {
      "v1.multus-cni.io/default-network": `${HOME}/lan`,
      [`${LAN}.kubernetes.io/ip_address`]: "10.53.0.90",
      [NETWORKS]: "wire",
    };
    const manifest = serverPod(HOME, "moved", { node: "weft-1", annotations });
    const [moved, aside] = (await run(world, [manifest as PodManifest, webPod(HOME, "aside", "weft-2")])) as readonly [
      Thing,
      Thing,
    ];
    const { addresses, mac } = recordOf("moved", LAN);
    t.equal(addresses[0], "10.53.0.90");
    t.same(addressesOf(moved), addresses, "status.podIPs; its readiness probe has reached it");
    t.strictSame(networkStatus(moved)[0], {
      name: `${HOME}/lan`,
      interface: "eth0",
      ips: addresses,
      mac,
      default: true,
      dns: DNS,
      gateway: ["10.53.0.1", "fd00:10:53::1"],
    });
    t.match(await lookInside(moved, "eth0"), { mac });
    t.equal(world.ips.get(`moved.${HOME}`), undefined, "it has no address of the default subnet");
    await reaches(t, peer, addresses);
    await reaches(t, moved, addressesOf(aside));
    t.match(await ping(inPod(moved), recordOf("peer", WIRE).addresses[0] ?? ""), { ok: true }, "net1");

    const edited = { "v1.multus-cni.io/default-network": null, [NETWORKS]: null };
    const ref = { namespace: HOME, name: "moved" };
    await world.kube.patch(PODS, ref, { type: "merge", body: { metadata: { annotations: edited } } });
    // The address that a new sandbox would get: the controller has processed the edit.
    await world.ips.until(`moved.${HOME}`, "is recorded", (ip) => ip !== undefined);
    await world.nb.until("it has both ports", () =>
      [`moved.${HOME}`, `moved.${HOME}.${LAN}`].every((name) => world.nb.port(name) !== undefined),
    );
    await syncNodes(world);
    t.same(recordOf("moved", LAN), { addresses, mac }, "when the annotations are removed it keeps what it has");
    await reaches(t, peer, addresses);
    await reaches(t, moved, addressesOf(aside));
    t.match(await ping(inPod(moved), recordOf("peer", WIRE).addresses[0] ?? ""), { ok: true }, "net1");
    await remove(world, HOME, ["moved", "aside"]);
  });

  await t.test("a policy applies to the networks that it names, and to no other", async (t) => {
    const [target] = (await run(world, [pod("target", "weft-1", "lan")])) as readonly [Thing];
    const [own, lan] = [addressesOf(target), recordOf("target", LAN).addresses];
    const open = async (addresses: readonly string[], wanted: boolean): Promise<void> => {
      const all = () => Promise.all(addresses.map((address) => connects(inPod(peer), address, 8080)));
      await until(`${addresses} ${wanted ? "open" : "closed"}`, 15_000, async () =>
        (await all()).every((is) => is === wanted),
      );
    };
    for (const [networks, own_, lan_] of [
      [`${HOME}/lan`, true, false],
      ["ovn", false, true],
      [undefined, false, false],
    ] as const) {
      const annotations = networks === undefined ? {} : { "ovn.kubernetes.io/network_policy_for": networks };
      await world.kube.create(NETWORK_POLICIES, {
        metadata: { namespace: HOME, name: "closed", annotations },
        spec: { podSelector: { matchLabels: { app: "target" } }, policyTypes: ["Ingress"] },
      } as PodManifest);
      await open(own, own_);
      await open(lan, lan_);
      t.pass(`for ${networks ?? "all"}`);
      await world.kube.delete(NETWORK_POLICIES, { namespace: HOME, name: "closed" });
      await open([...own, ...lan], true);
    }
    await remove(world, HOME, ["target"]);
  });

  await t.test("a Service with endpoints on a secondary network is balanced there", async (t) => {
    const ports = [{ name: "http", protocol: "TCP", port: 80 }];
    const made = await world.kube.create<Thing>(SERVICES, {
      metadata: { namespace: HOME, name: "web" },
      spec: { ports, ipFamilyPolicy: "RequireDualStack" },
      status: undefined,
    });
    const vips: readonly string[] = made.spec.clusterIPs;
    const ways = vips.map((ip) =>
      ip.includes(":") ? { dst: `${ip}/128`, gw: "fd00:10:53::1" } : { dst: `${ip}/32`, gw: "10.53.0.1" },
    );
    const routes = { [`${LAN}.kubernetes.io/routes`]: JSON.stringify(ways) };
    await run(world, [
      pod("client", "weft-1", "lan", routes),
      pod("first", "weft-1", "lan"),
      pod("second", "weft-2", "lan"),
    ]);
    const client = world.pods.get(`${HOME}/client`)!;
    for (const [i, addressType] of (["IPv4", "IPv6"] as const).entries()) {
      const endpoints = ["first", "second"].map((name) => ({ addresses: [recordOf(name, LAN).addresses[i] ?? ""] }));
      await world.kube.create(ENDPOINT_SLICES, {
        metadata: { namespace: HOME, name: `web-${i}`, labels: { "kubernetes.io/service-name": "web" } },
        ...{ addressType, endpoints, ports: [{ name: "http", protocol: "TCP", port: 8080 }] },
      } as PodManifest);
    }
    await world.nb.until("the Service has endpoints", () =>
      [...world.nb.mirror.rows("Load_Balancer")].some(
        ({ vips: of }) => of[`${vips[0]}:80`]?.includes(":8080") === true,
      ),
    );
    await syncNodes(world);
    const from = recordOf("client", LAN).addresses;
    for (const [i, vip] of vips.entries()) {
      const url = `http://${vip.includes(":") ? `[${vip}]` : vip}:80`;
      const answered = new Set<string>();
      for (let n = 0; n < 20; n++) answered.add((await http(inPod(client), `${url}/hostname`)).detail);
      t.same([...answered].sort(), ["first", "second"], `${vip} has both endpoints`);
      t.match(
        await http(inPod(client), `${url}/clientip`, from[vips.length === 2 ? i : 0] ?? ""),
        { ok: true },
        "by net1",
      );
    }
    await remove(world, HOME, ["client", "first", "second"]);
    await world.kube.delete(SERVICES, { namespace: HOME, name: "web" });
  });

  await t.test("all interfaces are deleted with their pods", async (t) => {
    await remove(world, HOME, ["peer", "router"]);
    await sameInventory(t, world, before, "nothing is left");
  });
});
