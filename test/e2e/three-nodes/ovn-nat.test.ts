// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { EXTERNAL, FABRIC, linksOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { type Exec, http, urlHost } from "../../../hack/traffic/probe.ts";
import { datagramStream, echoServer, longestSilence } from "../../../hack/traffic/stream.ts";
import { ovnDnatRuleKind } from "../../../src/kinds/ovn-dnat-rule.ts";
import { ovnEipKind } from "../../../src/kinds/ovn-eip.ts";
import { ovnFipKind } from "../../../src/kinds/ovn-fip.ts";
import { ovnSnatRuleKind } from "../../../src/kinds/ovn-snat-rule.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { type ResourceType, SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inNode, inPod, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { readiness } from "../testing/subnets.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-nat";
const EXTERNAL_SUBNET = "weft-nat-out";
const NETWORK = "weft-nat";
const ROUTER = { v4: "172.31.77.1", v6: "fd00:31:77::1" } as const;
const FAMILIES = ["v4", "v6"] as const;
type Family = (typeof FAMILIES)[number];

const ECHO_PORT = 7077;
/** Interval between two datagrams, in ms. */
const EVERY_MS = 10;
/** The limit on a heavily loaded machine, in s. The target is 3 s. */
const MOST_S = 10;

t.setTimeout(540_000);

let world: World;

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return (openLab().settings?.nodes ?? 0) >= 3 ? false : "needs three nodes: of two chassis, OVN decides nothing";
}

/** The external address with this last number. */
function outside(last: number, family: Family): string {
  return family === "v4" ? `172.31.77.${last}` : `fd00:31:77::${last}`;
}

/** Runs a program of Open vSwitch on a node. */
async function onNode(node: string, ...command: readonly string[]): Promise<string> {
  const [pod] = world.own("ovs", node);
  const name = pod?.metadata.name ?? "";
  const { stdout } = await world.lab.kubectl([
    "-n",
    "kube-system",
    "exec",
    name,
    "-c",
    "openvswitch",
    "--",
    ...command,
  ]);
  return stdout.trim();
}

/** A separate network between nodes and the outside host, which each node reaches through a bridge of Open vSwitch. */
async function plug(t: Test): Promise<void> {
  const ext = world.lab.node(OUTSIDE);
  const ip = (...args: readonly string[]) => ext.exec(["ip", ...args]);
  await ext.exec(["ip", "link", "del", "br-out"], { allowFailure: true });
  t.teardown(async () => {
    await ext.exec(["ip", "link", "del", "br-out"], { allowFailure: true });
  });
  await ip("link", "add", "br-out", "type", "bridge");
  await ip("addr", "add", `${ROUTER.v4}/24`, "dev", "br-out");
  await ip("addr", "add", `${ROUTER.v6}/112`, "dev", "br-out", "nodad");
  await ip("link", "set", "br-out", "up");
  for (const node of world.lab.nodes) {
    const port = `out-${node}`;
    await ext.exec(["ip", "link", "del", port], { allowFailure: true });
    await ip("link", "add", port, "type", "veth", "peer", "name", "eth9", "netns", String(world.lab.node(node).pid));
    await ip("link", "set", port, "master", "br-out", "up");
    await ext.exec(["ethtool", "-K", port, "tx", "off"]);
    await world.lab.node(node).exec(["ethtool", "-K", "eth9", "tx", "off"]);
    await world.lab.node(node).exec(["ip", "link", "set", "eth9", "up"]);
    const type = (await onNode(node, "ovs-vsctl", "get", "bridge", "br-int", "datapath_type")).replaceAll('"', "");
    const bridge = `br-${NETWORK}`;
    await onNode(
      node,
      ...["ovs-vsctl", "--may-exist", "add-br", bridge, "--", "set", "bridge", bridge, `datapath_type=${type}`],
      ...["--", "--may-exist", "add-port", bridge, "eth9"],
      ...["--", "set", "open", ".", `external-ids:ovn-bridge-mappings=${NETWORK}:${bridge}`],
    );
    t.teardown(async () => {
      await onNode(
        node,
        ...[
          "ovs-vsctl",
          "remove",
          "open",
          ".",
          "external-ids",
          "ovn-bridge-mappings",
          "--",
          "--if-exists",
          "del-br",
          bridge,
        ],
      );
      await ext.exec(["ip", "link", "del", port], { allowFailure: true });
    });
  }
}

/** As {@link useObject}. */
const use = (t: Test, type: ResourceType, name: string, spec: object): Promise<void> =>
  useObject(t, world, type, name, spec);

/** A name of a VPC whose port that node hosts while it is alive: the order of the nodes depends on the VPC's name. */
function nameHostedBy(node: string): string {
  const chassis = world.nodes
    .values()
    .map(({ metadata }) => [metadata.name, metadata.annotations?.["ovn.kubernetes.io/chassis"] ?? ""] as const);
  const place = (name: string, of: string): string => createHash("sha256").update(`${name}${of}`).digest("hex");
  for (let i = 0; ; i++) {
    const name = `weft-nat-a${i}`;
    const [best] = chassis.toSorted(([, a], [, b]) => (place(name, a) < place(name, b) ? -1 : 1));
    if (best?.[0] === node) return name;
  }
}

/** The node that hosts the external router port of a VPC now. */
async function activeNode(vpc: string): Promise<string> {
  const script = `ovn-sbctl get Chassis $(ovn-sbctl --bare --columns=chassis find Port_Binding logical_port=cr-${vpc}-${EXTERNAL_SUBNET}) hostname`;
  const command = ["-n", "kube-system", "exec", "deploy/ovn-central", "--", "bash", "-c", script];
  const { stdout } = await world.lab.kubectl(command, { allowFailure: true });
  return stdout.trim();
}

/** Sets all links of a node down or up. */
async function links(node: string, state: "up" | "down"): Promise<void> {
  for (const { port } of linksOf(node)) await world.lab.node(FABRIC).exec(["ip", "link", "set", port, state]);
  await world.lab.node(OUTSIDE).exec(["ip", "link", "set", `out-${node}`, state]);
}

/** The source address that a server saw; "" if it was not reached. */
async function seenBy(from: Exec, host: string, port: number): Promise<string> {
  const { ok, detail } = await http(from, `http://${urlHost(host)}:${port}/clientip`);
  return ok ? detail.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") : "";
}

/** The source address that the external host saw. */
async function seenOutside(from: Exec, family: Family): Promise<string> {
  const { ok, detail } = await http(from, `http://${urlHost(EXTERNAL[family])}/`);
  return ok ? detail.trim() : "";
}

t.test("NAT of VPCs", { skip: noLab(), timeout: 540_000 }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const namespace = await useNamespace(t, world, NAMESPACE);
  await plug(t);
  for (const node of world.lab.nodes) {
    await world.lab.kubectl(["label", "node", node, "ovn.kubernetes.io/external-gw=true", "--overwrite"]);
    t.teardown(async () => void (await world.lab.kubectl(["label", "node", node, "ovn.kubernetes.io/external-gw-"])));
  }
  const eips = new Objects<Thing>(world.kube, ovnEipKind.type);
  const fips = new Objects<Thing>(world.kube, ovnFipKind.type);
  const snats = new Objects<Thing>(world.kube, ovnSnatRuleKind.type);
  const dnats = new Objects<Thing>(world.kube, ovnDnatRuleKind.type);
  for (const objects of [eips, fips, snats, dnats]) {
    await objects.ready();
    t.teardown(() => objects.stop());
  }
  const isReady = (objects: Objects, name: string) =>
    objects.until(name, "is Ready", (object) => (readiness(object)?.status === "True" ? object : false), 60_000);

  await use(t, vlanKind.type, "weft-nat", { provider: NETWORK });
  await use(t, SUBNETS, EXTERNAL_SUBNET, {
    vlan: "weft-nat",
    cidrBlock: "172.31.77.0/24,fd00:31:77::/112",
    gateway: `${ROUTER.v4},${ROUTER.v6}`,
  });
  const routes = [
    { cidr: "0.0.0.0/0", nextHopIP: ROUTER.v4 },
    { cidr: "::/0", nextHopIP: ROUTER.v6 },
  ];
  const vpc = nameHostedBy(second);
  for (const [name, n] of [
    [vpc, 78],
    ["weft-nat-b", 79],
  ] as const) {
    await use(t, VPCS, name, { enableExternal: true, extraExternalSubnets: [EXTERNAL_SUBNET], staticRoutes: routes });
    await use(t, SUBNETS, `${name}-pods`, { vpc: name, cidrBlock: `10.${n}.0.0/24,fd00:10:${n}::/112` });
  }
  const on = (vpc: string) => ({ "ovn.kubernetes.io/logical_switch": `${vpc}-pods` });
  const [web, far, plain, other] = (await run(
    world,
    [
      webPod(namespace, "web", first, on(vpc)),
      webPod(namespace, "far", second, on(vpc)),
      idlePod(namespace, "plain", first, on(vpc)),
      idlePod(namespace, "other", second, on("weft-nat-b")),
    ],
    90_000,
  )) as [Thing, Thing, Thing, Thing];
  for (const last of [110, 111, 112, 113])
    await use(t, ovnEipKind.type, `weft-nat-${last}`, {
      externalSubnet: EXTERNAL_SUBNET,
      v4Ip: outside(last, "v4"),
      v6Ip: outside(last, "v6"),
    });
  const eip = (last: number) => ({ ovnEip: `weft-nat-${last}` });
  await use(t, ovnFipKind.type, "weft-nat-web", { ...eip(110), ipName: `web.${namespace}`, type: "centralized" });
  await use(t, ovnFipKind.type, "weft-nat-far", { ...eip(111), ipName: `far.${namespace}`, type: "distributed" });
  await use(t, ovnSnatRuleKind.type, "weft-nat-a", { ...eip(112), vpcSubnet: `${vpc}-pods` });
  await use(t, ovnSnatRuleKind.type, "weft-nat-b", { ...eip(113), vpcSubnet: "weft-nat-b-pods" });
  const port = { externalPort: "80", internalPort: "8080", protocol: "tcp" };
  await use(t, ovnDnatRuleKind.type, "weft-nat-far", { ...eip(112), ipName: `far.${namespace}`, ...port });
  for (const name of ["weft-nat-web", "weft-nat-far"]) await isReady(fips, name);
  for (const name of ["weft-nat-a", "weft-nat-b"]) await isReady(snats, name);
  await isReady(dnats, "weft-nat-far");
  await syncNodes(world);

  const ext = inNode(world, OUTSIDE);
  const address = (pod: Thing, family: Family): string => addressesOf(pod)[family === "v4" ? 0 : 1];
  /** The case, and which source address which party sees. */
  const cells = (
    family: Family,
  ): readonly (readonly [what: string, seen: () => Promise<string>, expected: string])[] => [
    ["in, floating IP, centralized", () => seenBy(ext, outside(110, family), 8080), ROUTER[family]],
    ["in, floating IP, distributed", () => seenBy(ext, outside(111, family), 8080), ROUTER[family]],
    ["in, port", () => seenBy(ext, outside(112, family), 80), ROUTER[family]],
    ["out, floating IP, centralized", () => seenOutside(inPod(web), family), outside(110, family)],
    ["out, floating IP, distributed", () => seenOutside(inPod(far), family), outside(111, family)],
    ["out, subnet", () => seenOutside(inPod(plain), family), outside(112, family)],
    ["out, subnet of another VPC", () => seenOutside(inPod(other), family), outside(113, family)],
    ["hairpin, to its own floating IP", () => seenBy(inPod(web), outside(110, family), 8080), outside(110, family)],
    [
      "same VPC, floating IP to floating IP",
      () => seenBy(inPod(web), outside(111, family), 8080),
      outside(110, family),
    ],
    ["same VPC, subnet to floating IP", () => seenBy(inPod(plain), outside(110, family), 8080), outside(112, family)],
    ["same VPC, by the pod's address", () => seenBy(inPod(web), address(far, family), 8080), address(web, family)],
    ["other VPC, subnet to floating IP", () => seenBy(inPod(other), outside(110, family), 8080), outside(113, family)],
    ["other VPC, to distributed", () => seenBy(inPod(other), outside(111, family), 8080), outside(113, family)],
    ["other VPC, to a port", () => seenBy(inPod(other), outside(112, family), 80), outside(113, family)],
    ["other VPC, by the pod's address", () => seenBy(inPod(other), address(far, family), 8080), ""],
  ];
  for (const family of FAMILIES) {
    await t.test(`who sees which source address, ${family}`, async (t) => {
      // The first packets make the routers resolve each other's MAC addresses.
      await until("the way in works", 30_000, async () => (await seenBy(ext, outside(110, family), 8080)) !== "");
      for (const [what, seen, expected] of cells(family)) {
        if (expected !== "") await until(what, 15_000, async () => (await seen()) === expected).catch(() => undefined);
        t.equal(await seen(), expected, what);
      }
    });
  }

  for (const what of ["frozen", "unplugged"] as const) {
    await t.test(`the gateway node is ${what}: the other one takes over the router's port`, async (t) => {
      await until("the second node has the port", 30_000, async () => (await activeNode(vpc)) === second);
      const echo = await echoServer(world.lab.node(OUTSIDE).netns, ECHO_PORT);
      t.teardown(() => echo.stop());
      const streams = await Promise.all(
        FAMILIES.map(async (family) => ({
          family,
          stream: await datagramStream(podNetns(plain.metadata.uid), ROUTER[family], ECHO_PORT, EVERY_MS),
        })),
      );
      const running = new Set(streams);
      t.teardown(() => Promise.all([...running].map(({ stream }) => stream.stop())));
      await delay(3_000);
      const begun = Date.now();
      try {
        await (what === "frozen" ? world.lab.pause(second) : links(second, "down"));
        await until("another node has the port", 30_000, async () => !["", second].includes(await activeNode(vpc)));
        await delay(3_000);
      } finally {
        await (what === "frozen" ? world.lab.resume(second) : links(second, "up"));
      }
      for (const one of streams) {
        const { family, stream } = one;
        running.delete(one);
        const shots = await stream.stop();
        const before = shots.filter(({ sent }) => sent < begun).slice(-10);
        t.ok(
          before.some(({ echoed }) => echoed !== undefined),
          `${family}: it went through before`,
        );
        const seconds = longestSilence(
          shots.filter(({ sent }) => sent >= begun),
          EVERY_MS,
        );
        t.ok(seconds <= MOST_S, `${family}: ${seconds.toFixed(2)} s lost`);
        t.comment(`${what}, ${family}: ${seconds.toFixed(2)} s lost`);
      }
    });
  }
  await remove(world, namespace, ["web", "far", "plain", "other"]);
});
