// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { urlHost } from "../../../hack/traffic/probe.ts";
import { datagramStream, echoServer, longestSilence } from "../../../hack/traffic/stream.ts";
import { ovnEipKind } from "../../../src/kinds/ovn-eip.ts";
import { ovnFipKind } from "../../../src/kinds/ovn-fip.ts";
import { providerNetworkKind } from "../../../src/kinds/provider-network.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { NODES, SERVICES, SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import { ANNOUNCE, isFor, neighborsOf, useBgp } from "../testing/bgp.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { plugOutside } from "../testing/outside-network.ts";
import { addressesOf, idlePod, inNode, run, useNamespace, webPod } from "../testing/pods.ts";
import { useSubnet } from "../testing/subnets.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-bgp-objects";
const NETWORK = "weft-bgp-out";
const ROUTER = { v4: "172.31.80.1", v6: "fd00:31:80::1" } as const;
const CIDRS = ["10.88.0.0/24", "fd00:10:88::/112"] as const;
const INGRESS = ["192.0.2.77", "2001:db8:77::77"] as const;
const ECHO_PORT = 7080;
const EVERY_MS = 10;
/** The clients of a family, each with a source port of its own. */
const STREAMS = 6;
/** The limit on a heavily loaded machine, in s. */
const MOST_S = 5;

t.setTimeout(580_000);

let world: World;

t.test("subnets, addresses of Services and OvnEips are announced", { skip: whyNoLab() }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const { nodes } = world.lab;
  const [first = "", second = ""] = nodes;
  const namespace = await useNamespace(t, world, NAME);
  const bgp = await useBgp(t, world, NAME);
  const { answers, routedBy, router } = bgp;
  const by = (to: string, of: readonly string[] = nodes) => neighborsOf(of, "v4", "v6").filter(isFor(to));

  await t.test("a subnet as a whole by every node, or its pods by their own nodes", async (t) => {
    await useSubnet(whole, world, NAME, { cidrBlock: CIDRS.join(",") });
    const announce = (value: string | null) =>
      world.kube.patch(
        SUBNETS,
        { name: NAME },
        { type: "merge", body: { metadata: { annotations: { [ANNOUNCE]: value } } } },
      );
    const on = { "ovn.kubernetes.io/logical_switch": NAME };
    const [pod] = (await run(world, [webPod(namespace, "member", second, on)], 90_000)) as [Thing];
    for (const value of ["cluster", "local", "true"]) {
      await announce(value);
      const isWhole = value !== "local";
      for (const cidr of CIDRS) await routedBy(t, `${cidr}, ${value}`, cidr, isWhole ? by(cidr) : []);
      for (const address of addressesOf(pod)) {
        await routedBy(t, `${address}, ${value}`, address, isWhole ? [] : by(address, [second]));
        await answers(t, `http://${urlHost(address)}:8080/hostname`, "member");
      }
    }
    await announce(null);
    for (const cidr of CIDRS) await routedBy(t, `${cidr}, withdrawn`, cidr, []);
  });

  await t.test("the address that another implementation has given a Service, which Weft leaves alone", async (t) => {
    const services = new Objects(world.kube, SERVICES);
    await services.ready();
    t.teardown(() => services.stop());
    const service = { namespace, name: "web" };
    await world.kube.create(SERVICES, {
      metadata: { ...service, annotations: { [ANNOUNCE]: "true" } },
      spec: {
        ...{ type: "LoadBalancer", loadBalancerClass: "metallb.io/metallb", ipFamilyPolicy: "RequireDualStack" },
        ...{ selector: { app: "member" }, ports: [{ port: 80, targetPort: 8080 }] },
      },
    } as never);
    const status = { loadBalancer: { ingress: INGRESS.map((ip) => ({ ip, ipMode: "VIP" })) } };
    await world.kube.patch(SERVICES, service, { type: "merge", body: { status } }, { subresource: "status" });
    for (const address of INGRESS) {
      await routedBy(t, address, address, by(address));
      await answers(t, `http://${urlHost(address)}/hostname`, "member");
    }
    const local = { spec: { externalTrafficPolicy: "Local" } };
    await world.kube.patch(SERVICES, service, { type: "merge", body: local });
    for (const address of INGRESS) {
      await routedBy(t, `${address}, Local: by the node with the endpoint`, address, by(address, [second]));
      const client = addressOf(OUTSIDE)[address.includes(":") ? "v6" : "v4"];
      await answers(t, `http://${urlHost(address)}/clientip`, client);
    }
    t.match(services.get(`${namespace}/web`)?.status, status, "the status is as the other implementation wrote it");
    t.equal(
      services.get(`${namespace}/web`)?.metadata.finalizers?.some((name) => name.includes("ovn")) ?? false,
      false,
    );
    await world.kube.delete(SERVICES, service);
    for (const address of INGRESS) await routedBy(t, `${address}, withdrawn`, address, []);
  });

  await t.test("an OvnEip with its VPC's router as the next hop", async (t) => {
    await plugOutside(whole, world, ROUTER, (i) => ({ v4: `172.31.80.${11 + i}`, v6: `fd00:31:80::${11 + i}` }));
    const networks = new Objects<Thing>(world.kube, providerNetworkKind.type);
    await networks.ready();
    t.teardown(() => networks.stop());
    await useObject(whole, world, providerNetworkKind.type, NETWORK, { defaultInterface: "eth9" });
    await networks.until(NETWORK, "is ready", (network) => network?.status?.ready === true, 60_000);
    await useObject(whole, world, vlanKind.type, NAME, { provider: NETWORK, id: 0 });
    const external = `${NAME}-out`;
    await useObject(whole, world, SUBNETS, external, {
      ...{ vlan: NAME, cidrBlock: "172.31.80.0/24,fd00:31:80::/112", gateway: `${ROUTER.v4},${ROUTER.v6}` },
      excludeIps: ["172.31.80.1..172.31.80.99", "fd00:31:80::1..fd00:31:80::99"],
    });
    const label = (value: string | null) =>
      world.kube.patch(
        NODES,
        { name: first },
        { type: "merge", body: { metadata: { labels: { "ovn.kubernetes.io/external-gw": value } } } },
      );
    await label("true");
    whole.teardown(() => label(null));
    await useObject(whole, world, VPCS, NAME, {
      ...{ enableExternal: true, extraExternalSubnets: [external] },
      staticRoutes: [
        { cidr: "0.0.0.0/0", nextHopIP: ROUTER.v4 },
        { cidr: "::/0", nextHopIP: ROUTER.v6 },
      ],
    });
    await useSubnet(whole, world, `${NAME}-in`, { vpc: NAME, cidrBlock: "10.89.0.0/24,fd00:10:89::/112" });
    const on = { "ovn.kubernetes.io/logical_switch": `${NAME}-in` };
    await run(world, [webPod(namespace, "inside", second, on)], 90_000);
    const eips = new Objects<Thing>(world.kube, ovnEipKind.type);
    await eips.ready();
    t.teardown(() => eips.stop());
    await useObject(whole, world, ovnEipKind.type, NAME, { externalSubnet: external, type: "nat" });
    await useObject(whole, world, ovnFipKind.type, NAME, { ovnEip: NAME, ipName: `inside.${namespace}` });
    const own = ({ status }: Thing) => [status?.v4Ip, status?.v6Ip] as readonly (string | undefined)[];
    const addresses = (name: string) =>
      eips.until(name, "has addresses", (eip) => eip !== undefined && own(eip).every(Boolean) && own(eip), 30_000);
    const hops = await addresses(`${NAME}-${external}`);
    const given = (await addresses(NAME)) as readonly string[];
    await world.kube.patch(
      ovnEipKind.type,
      { name: NAME },
      { type: "merge", body: { metadata: { annotations: { [ANNOUNCE]: "true" } } } },
    );
    await syncNodes(world);
    for (const [i, address] of given.entries()) {
      await routedBy(t, address, address, by(address));
      const { stdout } = await inNode(world, OUTSIDE)(["ip", "route", "get", address]);
      t.match(stdout, `via ${hops[i]}`, "the outside host sends to the VPC's router");
      await answers(t, `http://${urlHost(address)}:8080/hostname`, "inside");
    }
  });

  await t.test("when a node with a speaker dies, clients reach a pod by the others", async (t) => {
    const [pod] = (await run(world, [idlePod(namespace, "echo", first, { [ANNOUNCE]: "true" })], 90_000)) as [Thing];
    const server = await echoServer(podNetns(pod.metadata.uid), ECHO_PORT);
    t.teardown(() => server.stop());
    for (const address of addressesOf(pod)) await routedBy(t, `${address} by all nodes`, address, by(address));
    const all = neighborsOf(nodes, "v4", "v6");
    const configure = (command: string) =>
      Promise.all(
        all.map((address) => router.vtysh("conf t", `router bgp ${bgp.routerAs}`, command.replace("ADDRESS", address))),
      );
    await configure("neighbor ADDRESS bfd");
    // By ports too, so that the clients are spread over the nodes (Documentation/networking/ip-sysctl.rst).
    for (const family of ["ipv4", "ipv6"])
      await inNode(world, OUTSIDE)(["sysctl", "-qw", `net.${family}.fib_multipath_hash_policy=1`]);
    await until("BFD is up", 30_000, async () => !/down|init/.test(await router.vtysh("show bfd peers brief")), 200);
    await silence(t, pod, async () => {
      const node = world.lab.node(second);
      const drop = "type filter hook prerouting priority raw; iifname eth0 drop;";
      const heal = () => node.exec(["nft", "delete table inet dead"], { allowFailure: true });
      t.teardown(heal);
      await node.exec(["nft", `table inet dead { chain p { ${drop} }; }`]);
      for (const address of addressesOf(pod))
        await routedBy(t, `${address} by the other node`, address, by(address, [first]), 30_000);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await heal();
    });
    for (const address of addressesOf(pod)) await routedBy(t, `${address} by all again`, address, by(address), 90_000);
    await configure("no neighbor ADDRESS bfd");
  });
});

/** Sends to a pod's addresses during an action; the longest time in which one client got no answer is limited. */
async function silence(t: Test, pod: Thing, work: () => Promise<void>): Promise<void> {
  const { netns } = world.lab.node(OUTSIDE);
  const targets = addressesOf(pod).flatMap((address) => Array.from({ length: STREAMS }, () => address));
  const streams = await Promise.all(targets.map((address) => datagramStream(netns, address, ECHO_PORT, EVERY_MS)));
  try {
    await work();
  } finally {
    for (const [i, stream] of streams.entries()) {
      const shots = await stream.stop();
      const seconds = longestSilence(shots, EVERY_MS);
      const lost = shots.filter(({ echoed }) => echoed === undefined).length;
      t.comment(`client ${i} of ${targets[i]}: ${lost} of ${shots.length} lost, ${seconds.toFixed(2)} s at a time`);
      t.ok(seconds <= MOST_S, `${targets[i]}: ${seconds.toFixed(2)} s without an answer`);
      t.ok(shots.length - lost > 100, `${targets[i]} answers`);
    }
  }
}
