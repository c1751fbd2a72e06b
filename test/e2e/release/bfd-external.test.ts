// SPDX-License-Identifier: Apache-2.0

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer, longestSilence } from "../../../hack/traffic/stream.ts";
import { ovnEipKind } from "../../../src/kinds/ovn-eip.ts";
import { providerNetworkKind } from "../../../src/kinds/provider-network.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import { answerBfd, cut, heal } from "../testing/bfd.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import { judged, readiness, useSubnet } from "../testing/subnets.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const VPC = "weft-bfd-out";
const PODS = { subnet: `${VPC}-pods`, v4: "10.94.0.0/24", v6: "fd00:94::/120" } as const;
const NETWORK = "weft-routers";
const EXTERNAL = { subnet: `${VPC}-ext`, v4: "172.31.94.0/24", v6: "fd00:31:94::/112" } as const;
/** What is behind the routers: each of them has the address. */
const BEHIND = { v4: "172.31.95.1", v6: "fd00:31:95::1" } as const;
const RANGES = { v4: "172.31.95.0/24", v6: "fd00:31:95::/64" } as const;
const FAMILIES = ["v4", "v6"] as const;
const ECHO_PORT = 7094;
const EVERY_MS = 20;
/** With so many some go by each router: of UDP the datapath chooses by addresses alone. */
const CLIENTS = 6;
/** What is still right on a machine with much else to do, in s. The target is 3 s. */
const MOST_S = 10;

t.setTimeout(540_000);

let world: World;

/** A router outside the cluster, a network namespace of its own. */
interface Router {
  readonly name: string;
  readonly pid: number;
  readonly netns: string;
  readonly addresses: Readonly<Record<(typeof FAMILIES)[number], string>>;
}

const inside = async ({ netns }: Pick<Router, "netns">, ...command: readonly string[]): Promise<string> =>
  (await promisify(execFile)("nsenter", [`--net=${netns}`, ...command])).stdout;

/** A bridge outside, to which each node's interface `eth9` and two routers are connected. */
async function plug(t: Test): Promise<readonly [Router, Router]> {
  const ext = world.lab.node(OUTSIDE);
  const ip = (...args: readonly string[]) => ext.exec(["ip", ...args]);
  const gone = (link: string) => ext.exec(["ip", "link", "del", link], { allowFailure: true });
  await gone("br-out");
  t.teardown(() => gone("br-out"));
  await ip("link", "add", "br-out", "type", "bridge");
  await ip("link", "set", "br-out", "up");
  const connect = async (port: string, name: string, pid: number): Promise<void> => {
    await gone(port);
    await ip("link", "add", port, "type", "veth", "peer", "name", name, "netns", String(pid));
    t.teardown(() => gone(port));
    await ip("link", "set", port, "master", "br-out", "up");
    const there = { netns: `/proc/${pid}/ns/net` };
    await ext.exec(["ethtool", "-K", port, "tx", "off"]);
    await inside(there, "ethtool", "-K", name, "tx", "off");
    await inside(there, "ip", "link", "set", name, "up");
  };
  for (const node of world.lab.nodes) await connect(`out-${node}`, "eth9", world.lab.node(node).pid);
  const router = async (i: number): Promise<Router> => {
    const child = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "ignore", "inherit"] });
    await once(child, "spawn");
    t.teardown(() => void child.stdin.end());
    const { pid = 0 } = child;
    const { stdout: own } = await promisify(execFile)("readlink", ["/proc/self/ns/net"]);
    // Until then it is in the namespace of the test.
    await until("it has a network namespace", 10_000, async () =>
      promisify(execFile)("readlink", [`/proc/${pid}/ns/net`]).then(({ stdout }) => stdout !== own),
    );
    const addresses = { v4: `172.31.94.${11 + i}`, v6: `fd00:31:94::${11 + i}` };
    const made = { name: `router-${i}`, pid, netns: `/proc/${pid}/ns/net`, addresses };
    await connect(`out-r${i}`, "eth0", pid);
    await inside(made, "ip", "link", "set", "lo", "up");
    await inside(made, "ip", "addr", "add", `${addresses.v4}/24`, "dev", "eth0");
    await inside(made, "ip", "addr", "add", `${addresses.v6}/112`, "dev", "eth0", "nodad");
    await inside(made, "ip", "addr", "add", `${BEHIND.v4}/32`, "dev", "lo");
    await inside(made, "ip", "addr", "add", `${BEHIND.v6}/128`, "dev", "lo", "nodad");
    for (const part of [await answerBfd(made.netns), await echoServer(made.netns, ECHO_PORT)])
      t.teardown(() => part.stop());
    return made;
  };
  return [await router(0), await router(1)];
}

t.test("with enableBfd a VPC does not use routers outside that do not answer BFD", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  const namespace = await useNamespace(t, world, VPC);
  const [one, two] = await plug(t);
  for (const node of world.lab.nodes) {
    await world.lab.kubectl(["label", "node", node, "ovn.kubernetes.io/external-gw=true", "--overwrite"]);
    t.teardown(async () => void (await world.lab.kubectl(["label", "node", node, "ovn.kubernetes.io/external-gw-"])));
  }
  const networks = new Objects<Thing>(world.kube, providerNetworkKind.type);
  await networks.ready();
  t.teardown(() => networks.stop());
  await useObject(t, world, providerNetworkKind.type, NETWORK, { defaultInterface: "eth9" });
  await networks.until(NETWORK, "is ready", (network) => network?.status?.ready === true, 60_000);
  await useObject(t, world, vlanKind.type, NETWORK, { id: 0, provider: NETWORK });
  await useObject(t, world, SUBNETS, EXTERNAL.subnet, {
    vlan: NETWORK,
    cidrBlock: `${EXTERNAL.v4},${EXTERNAL.v6}`,
    gateway: `${one.addresses.v4},${one.addresses.v6}`,
    excludeIps: [`${one.addresses.v4}..172.31.94.12`, `${one.addresses.v6}..fd00:31:94::12`],
  });
  const staticRoutes = FAMILIES.flatMap((family) =>
    [one, two].map(({ addresses }) => ({ cidr: RANGES[family], nextHopIP: addresses[family] })),
  );
  await useObject(t, world, VPCS, VPC, {
    enableExternal: true,
    extraExternalSubnets: [EXTERNAL.subnet],
    enableBfd: true,
    staticRoutes,
  });
  await useSubnet(t, world, PODS.subnet, { vpc: VPC, cidrBlock: `${PODS.v4},${PODS.v6}` });
  await judged(world, PODS.subnet);

  const portName = `${VPC}-${EXTERNAL.subnet}`;
  const port = await world.nb.until("the VPC has a port outside", () =>
    [...world.nb.mirror.rows("Logical_Router_Port")].find(({ name }) => name === portName),
  );
  // The routers' ways back.
  for (const network of port.networks) {
    const [address = ""] = network.split("/");
    const back = address.includes(":") ? ["-6", "route", "add", PODS.v6] : ["route", "add", PODS.v4];
    for (const router of [one, two]) await inside(router, "ip", ...back, "via", address);
  }
  const within = { "ovn.kubernetes.io/logical_switch": PODS.subnet };
  const names = Array.from({ length: CLIENTS }, (_, i) => `c${i}`);
  const pods = await run(
    world,
    names.map((name, i) => idlePod(namespace, name, world.lab.nodes[i % world.lab.nodes.length], within)),
    90_000,
  );

  /** Waits until both sessions with a router have a status, and nodes do what follows. */
  const become = async (
    { name, addresses }: Pick<Router, "name" | "addresses">,
    status: "up" | "down",
  ): Promise<void> => {
    await world.nb.until(
      `the sessions with ${name} are ${status}`,
      () => {
        const rows = [...world.nb.mirror.rows("BFD")].filter(
          (row) => row.logical_port === portName && Object.values(addresses).includes(row.dst_ip),
        );
        return rows.length === FAMILIES.length && rows.every((row) => row.status === status);
      },
      60_000,
    );
    await syncNodes(world);
  };
  const received = async (router: Router): Promise<number> =>
    Number(/RX:.*\n\s*\d+\s+(\d+)/.exec(await inside(router, "ip", "-s", "link", "show", "dev", "eth0"))?.[1]);
  for (const router of [one, two]) await t.resolves(become(router, "up"), `the sessions with ${router.name} are up`);

  const start = () =>
    Promise.all(
      pods.flatMap((pod) =>
        FAMILIES.map(async (family) => ({
          flow: `${pod.metadata.name}, ${family}`,
          stream: await datagramStream(podNetns(pod.metadata.uid), BEHIND[family], ECHO_PORT, EVERY_MS),
        })),
      ),
    );
  const streams = await start();
  await delay(2_000);
  const before = await Promise.all([one, two].map(received));
  await delay(2_000);
  // A flow is 100 datagrams in that time, sessions and neighbour discovery are fewer than 70 packets.
  for (const [i, router] of [one, two].entries())
    t.ok((await received(router)) - (before[i] ?? 0) > 70, `${router.name} has its share`);

  const begun = Date.now();
  await cut(one.netns);
  await t.resolves(become(one, "down"), "the sessions with the router that died are down");
  await world.vpcs.until(VPC, "says which next hop does not answer", (vpc) =>
    readiness(vpc)?.message.includes(`next hop ${one.addresses.v4} does not answer BFD`),
  );
  await delay(1_000);
  const ended = Date.now();
  await heal(one.netns);
  await t.resolves(become(one, "up"), "and up again");
  await delay(1_000);
  const back = Date.now();
  await delay(1_000);
  const lost: number[] = [];
  for (const { flow, stream } of streams) {
    const shots = await stream.stop();
    const some = (from: number, to: number): boolean =>
      shots.some(({ sent, echoed }) => sent >= from && sent < to && echoed !== undefined);
    t.ok(some(begun - 1_000, begun), `${flow}: it goes through before`);
    t.ok(some(ended - 1_000, ended), `${flow}: and by the other router`);
    t.ok(some(back, Date.now()), `${flow}: and when both are back`);
    const meanwhile = shots.filter(({ sent }) => sent >= begun && sent < ended);
    lost.push(longestSilence(meanwhile, EVERY_MS));
    t.ok((lost.at(-1) ?? 0) <= MOST_S, `${flow} has lost ${lost.at(-1)?.toFixed(2)} s`);
  }
  t.comment(`flows lost up to ${Math.max(...lost).toFixed(2)} s`);
  t.ok(Math.max(...lost) > 0.1, "some flows went by the router that died");

  await t.test("nodes with an OvnEip of type lsp are next hops without BFD sessions", async (t) => {
    const hops = await Promise.all(
      world.lab.nodes.map(async (node, i) => {
        const addresses = { v4: `172.31.94.${21 + i}`, v6: `fd00:31:94::${21 + i}` };
        const spec = { externalSubnet: EXTERNAL.subnet, type: "lsp", v4Ip: addresses.v4, v6Ip: addresses.v6 };
        await useObject(t, world, ovnEipKind.type, node, spec);
        return { name: node, addresses };
      }),
    );
    const routes = FAMILIES.flatMap((family) =>
      hops.map(({ addresses }) => ({ cidr: RANGES[family], nextHopIP: addresses[family] })),
    );
    await world.kube.patch(VPCS, { name: VPC }, { type: "merge", body: { spec: { staticRoutes: routes } } });
    await world.nb.until("no session is left", () =>
      [...world.nb.mirror.rows("BFD")].every((row) => row.logical_port !== portName),
    );
    await syncNodes(world);
    // Open vSwitch replaces a router's MAC by one of the node on its way out (ovn-chassis-mac-mappings).
    const set = "set seen { type ether_addr; flags dynamic; size 100; };";
    const rule = `udp dport ${ECHO_PORT} update @seen { ether saddr counter };`;
    const table = `table inet share { ${set} chain in { type filter hook prerouting priority raw; ${rule} }; }`;
    await inside(one, "nft", table);
    t.teardown(() => inside(one, "nft", "delete table inet share"));
    const flows = await start();
    await delay(3_000);
    const shots = await Promise.all(flows.map(async ({ flow, stream }) => ({ flow, shots: await stream.stop() })));
    for (const { flow, shots: all } of shots) {
      // The first packets of a flow wait for the neighbour's address.
      const late = all.slice(-100);
      t.ok(late.filter(({ echoed }) => echoed !== undefined).length > 90, `${flow}: it goes by a node`);
    }
    const counters = (await inside(one, "nft", "list table inet share")).matchAll(/counter packets (\d+)/g);
    const counts = [...counters].map(([, count]) => Number(count));
    t.comment(`packets by node: ${counts.join(", ")}`);
    t.equal(counts.filter((count) => count > 70).length, hops.length, "each node has its share");
  });
});
