// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { DEFAULT_VPC, PROBE_NETWORK } from "../../api/names.ts";
import { nodePortName } from "../../api/port-names.ts";
import { rowUuid } from "../../desired/identity.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IPS, NAMESPACES, NODES, PODS, type ResourceType, SUBNETS, VPCS } from "../../kube/resources.ts";
import { type FakeKube, fakeKube } from "../../kube/testing/fake.ts";
import type { Pod } from "../../kube/types.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert, mutate } from "../../ovsdb/operation.ts";
import { type FakeOvsdb, fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { candidate, eventually } from "../testing/cluster.ts";

/** The match of the policy for traffic of a node's pods to the outside. */
const LEAVING = (node: string): string =>
  `ip4.src == $weft_distributed_ip4 && is_chassis_resident("${nodePortName(node)}")`;

/** Creates one object, or several of the same age. */
type Make = (world: World) => Promise<void>;

/** A cluster whose objects are created in their order. */
class World {
  readonly kube: FakeKube;
  readonly server: FakeOvsdb;
  readonly #t: Test;
  #age = 0;
  #running: ReturnType<typeof candidate> | undefined;
  /** `namespace/pod` → its subnet and node. */
  readonly pods = new Map<string, { readonly subnet: string; readonly node: string }>();

  constructor(t: Test) {
    this.#t = t;
    this.kube = fakeKube({ clock: { ...SYSTEM_CLOCK, wall: () => SYSTEM_CLOCK.wall() + this.#age } });
    this.server = fakeOvsdb(OVN_NB);
    t.teardown(() => this.server.close());
  }

  async make(type: ResourceType, name: string, spec?: object, namespace?: string): Promise<void> {
    this.#age += 60_000;
    await this.kube.create(type, { metadata: { name, ...(namespace && { namespace }) }, ...(spec && { spec }) });
  }

  async addPod(name: string, subnet: string, node: string, namespace = "default"): Promise<void> {
    this.pods.set(`${namespace}/${name}`, { subnet, node });
    const annotations = { "ovn.kubernetes.io/logical_switch": subnet };
    const spec = { nodeName: node, hostNetwork: false };
    await this.kube.create(PODS, { metadata: { namespace, name, annotations }, spec });
  }

  async removePod(name: string): Promise<void> {
    this.pods.delete(`default/${name}`);
    await this.kube.delete(PODS, { namespace: "default", name }, { gracePeriodSeconds: 0 });
    await this.gone(IPS, `${name}.default`);
  }

  async remove(type: ResourceType, name: string): Promise<void> {
    await this.kube.delete(type, { name });
    await this.gone(type, name);
  }

  gone(type: ResourceType, name: string): Promise<unknown> {
    return eventually(`${name} is gone`, () => this.kube.object(type, { name }) === undefined || undefined);
  }

  /** A controller that replaces the former one. */
  async restart(): Promise<void> {
    await this.stop();
    this.#running = candidate(this.#t, this.kube, this.server);
    const { controller } = this.#running;
    await eventually("it leads", () => controller.leading || undefined);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  /** Asserts that every pod has its address and its port, and that no row is in a wrong one. */
  async settled(): Promise<void> {
    for (const key of this.pods.keys()) {
      const [namespace = "", name = ""] = key.split("/");
      const pod = (): Pod | undefined => this.kube.object<Pod>(PODS, { namespace, name });
      await eventually(`${key} has its address`, () => pod()?.metadata.annotations?.["ovn.kubernetes.io/routed"]);
    }
    for (const { metadata } of this.kube.objects(NODES)) {
      const node = (): KubeObject | undefined => this.kube.object(NODES, metadata);
      await eventually(
        `${metadata.name} has joined`,
        () => node()?.metadata.annotations?.["ovn.kubernetes.io/ip_address"],
      );
    }
    await eventually("it is quiet", () => this.#running?.controller.engine.idle || undefined);
    await eventually("each subnet is ready", () => (this.#notReady().length === 0 ? true : undefined)).catch(() =>
      this.#t.fail(`not ready: ${this.#notReady().join()}`),
    );
    this.#judgeRouters();
    this.#judgeGroups();
  }

  #notReady(): readonly string[] {
    return this.kube.objects<Subnet>(SUBNETS).flatMap(({ metadata, status }) => {
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      return ready?.status === "True" ? [] : `${metadata.name} ${JSON.stringify(ready)}`;
    });
  }

  #judgeRouters(): void {
    const t = this.#t;
    const ports = new Map(this.server.rows(OVN_NB, "Logical_Switch_Port").map((row) => [row._uuid, row]));
    const routers = new Map(this.server.rows(OVN_NB, "Logical_Router_Port").map((row) => [row._uuid, row]));
    const switches = new Map(this.server.rows(OVN_NB, "Logical_Switch").map((row) => [row.name, row]));
    const subnets = this.kube.objects<Subnet>(SUBNETS);
    const names = [...ports.values(), ...routers.values()].map(({ name }) => name);
    t.same([...new Set(names)].sort(), names.sort(), "no two ports have one name, be they a router's or a switch's");
    for (const router of this.server.rows(OVN_NB, "Logical_Router")) {
      const own = subnets.filter(({ spec }) => spec.vpc === router.name);
      const networks = router.ports.map((port) => routers.get(port)?.networks.join() ?? "no port").sort();
      const { v4, v6 } = PROBE_NETWORK;
      const probes = router.name === DEFAULT_VPC ? [] : [`${v4.router}/30,${v6.router}/126`];
      const wanted = own.map(({ spec }) => `${spec.gateway}/${spec.cidrBlock?.split("/")[1]}`);
      t.same(networks, [...wanted, ...probes].sort(), `router ${router.name} has the ports of its subnets`);
      for (const { metadata, spec } of own) {
        const peers = (switches.get(metadata.name)?.ports ?? []).flatMap((port) => ports.get(port) ?? []);
        const uplink = peers.filter(({ type }) => type === "router");
        t.equal(uplink.length, 1, `switch ${metadata.name} has one port to its router`);
        const peer = router.ports.find((port) => routers.get(port)?.name === uplink[0]?.options["router-port"]);
        t.match(routers.get(peer ?? "")?.networks.join(), `${spec.gateway}/`, "which is the subnet's own");
        const pods = peers.flatMap(({ external_ids }) => external_ids["pod"] ?? []).sort();
        const wantedPods = [...this.pods].flatMap(([pod, { subnet }]) => (subnet === metadata.name ? pod : []));
        t.same(pods, wantedPods.sort(), `switch ${metadata.name} has its pods`);
      }
    }
  }

  #judgeGroups(): void {
    const t = this.#t;
    const podOf = new Map(
      this.server.rows(OVN_NB, "Logical_Switch_Port").map((row) => [row._uuid, row.external_ids["pod"]]),
    );
    const groups = this.server.rows(OVN_NB, "Port_Group");
    const policies = this.server.rows(OVN_NB, "Logical_Router_Policy");
    const membersOf = (key: "np" | "vpc", value: string): readonly unknown[] => {
      const [group, ...more] = groups.filter(({ external_ids }) => external_ids[key] === value);
      t.same(more, [], `${value} has one group`);
      return group?.ports.map((port) => podOf.get(port)).sort() ?? [`no group ${value}`];
    };
    const vpcs = new Map(this.kube.objects<Subnet>(SUBNETS).map(({ metadata, spec }) => [metadata.name, spec.vpc]));
    const podsWhere = (test: (vpc: string, node: string) => boolean): readonly string[] =>
      [...this.pods]
        .flatMap(([pod, { subnet, node }]) => (test(vpcs.get(subnet) ?? DEFAULT_VPC, node) ? pod : []))
        .sort();
    for (const { metadata } of this.kube.objects(VPCS).filter(({ metadata: { name } }) => name !== DEFAULT_VPC)) {
      const { name } = metadata;
      const wanted = podsWhere((vpc) => vpc === name);
      t.same(membersOf("vpc", name), wanted, `the group of VPC ${name}`);
    }
    for (const { metadata: node } of this.kube.objects(NODES)) {
      const wanted = podsWhere((vpc, on) => vpc === DEFAULT_VPC && on === node.name);
      t.same(membersOf("np", `node/${node.name}`), wanted, `the group of node ${node.name}`);
      const via = policies.filter(({ match }) => match === LEAVING(node.name)).map(({ external_ids }) => external_ids);
      t.match(via, [{ node: node.name }], "its pods leave by it");
    }
  }

  /** Names of the Port_Groups of nodes (`node/…`), by node. */
  groupNames(...nps: readonly string[]): readonly (string | undefined)[] {
    const groups = this.server.rows(OVN_NB, "Port_Group");
    return nps.map((np) => groups.find(({ external_ids }) => external_ids["np"] === np)?.name);
  }

  /** The router port of a subnet by its gateway's address. */
  routerPort(network: string) {
    return this.server.rows(OVN_NB, "Logical_Router_Port").find(({ networks }) => networks.includes(network));
  }
}

// Each test waits a lot, so they run in parallel.
t.jobs = 16;
const APART = { buffered: true };

interface Subnet extends KubeObject {
  readonly spec: { readonly vpc?: string; readonly cidrBlock?: string; readonly gateway?: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function world(t: Test, nodes: readonly string[] = ["n1"]): Promise<World> {
  const made = new World(t);
  await made.make(NAMESPACES, "default");
  for (const node of nodes) await made.make(NODES, node);
  await made.restart();
  return made;
}

const tenant =
  (vpc: string, subnet: string, cidr: string): Make =>
  async (world) => {
    await world.make(VPCS, vpc, {});
    await world.make(SUBNETS, subnet, { vpc, cidrBlock: `${cidr}0/24` });
    await world.addPod(`${subnet}-1`, subnet, "n1");
    await world.addPod(`${subnet}-2`, subnet, "n1");
  };

const TENANTS = [
  { vpc: "team", subnet: "a-web", cidr: "10.50.0." },
  { vpc: "team-a", subnet: "web", cidr: "10.50.1." },
] as const;

for (const [elder, younger] of [TENANTS, TENANTS.toReversed()] as const) {
  if (elder === undefined || younger === undefined) continue;
  t.test(
    `two VPCs whose router ports run together are two networks, ${elder.vpc} being the elder`,
    APART,
    async (t) => {
      const cluster = await world(t);
      for (const { vpc, subnet, cidr } of [elder, younger]) {
        await tenant(vpc, subnet, cidr)(cluster);
        await cluster.settled();
      }
      t.equal(cluster.routerPort(`${elder.cidr}1/24`)?.name, "team-a-web");
      const before = cluster.routerPort(`${younger.cidr}1/24`);
      t.match(before?.name, /^team-a-web_[0-9a-f]{20}$/);
      await cluster.restart();
      await cluster.settled();
      t.same(cluster.routerPort(`${younger.cidr}1/24`), before, "a new leader says the same");
      for (const pod of [`${elder.subnet}-1`, `${elder.subnet}-2`]) await cluster.removePod(pod);
      await cluster.remove(SUBNETS, elder.subnet);
      await cluster.remove(VPCS, elder.vpc);
      await cluster.settled();
      const after = cluster.routerPort(`${younger.cidr}1/24`);
      t.match(after, { name: "team-a-web", mac: before?.mac }, "the name that is free, and the MAC that its pods know");
    },
  );
}

t.test("a switch's port to its router and another router's port have different names", APART, async (t) => {
  const cluster = await world(t);
  await tenant("a", "b", "10.50.0.")(cluster);
  await tenant("b", "a", "10.50.1.")(cluster);
  // Both of its own names are `x-x-x`.
  await tenant("x", "x-x", "10.50.2.")(cluster);
  await cluster.settled();
  await cluster.restart();
  await cluster.settled();
});

for (const nodes of [
  ["a-b", "a.b"],
  ["a.b", "a-b"],
] as const) {
  t.test(`nodes ${nodes.join(" and ")} have different groups`, APART, async (t) => {
    const cluster = await world(t, nodes.slice(0, 1));
    await cluster.addPod("first", "ovn-default", nodes[0]);
    await cluster.settled();
    await cluster.make(NODES, nodes[1]);
    await cluster.addPod("second", "ovn-default", nodes[1]);
    await cluster.settled();
    const nps = nodes.map((node) => `node/${node}`);
    const names = cluster.groupNames(...nps);
    t.equal(names[0], "node.a.b", "the elder's name");
    t.match(names[1], /^node\.a\.b_[0-9a-f]{20}$/);
    await cluster.restart();
    await cluster.settled();
    t.same(cluster.groupNames(...nps), names, "a new leader says the same");
    await cluster.removePod("first");
    await cluster.remove(NODES, nodes[0]);
    await eventually("the survivor has the name", () =>
      cluster.groupNames(...nps)[1] === "node.a.b" ? true : undefined,
    );
    await cluster.settled();
    t.same(cluster.groupNames(...nps), [undefined, "node.a.b"]);
  });
}

t.test(
  "a pod that is called like a node's port keeps no node from joining, and the other way round",
  APART,
  async (t) => {
    const cluster = await world(t);
    await cluster.make(NAMESPACES, "y");
    await cluster.addPod("node-x", "ovn-default", "n1", "y");
    await cluster.settled();
    await cluster.make(NODES, "x.y");
    await cluster.make(NODES, "x.y.z");
    await cluster.make(NAMESPACES, "z");
    await cluster.settled();
    await cluster.addPod("node-x.y", "ovn-default", "n1", "z");
    await cluster.settled();
  },
);

t.test(
  "a node keeps the record and the address that an earlier version gave it under another name",
  APART,
  async (t) => {
    const cluster = await world(t);
    await cluster.settled();
    const [v4, mac] = ["100.64.0.99", "02:00:00:00:00:99"];
    const spec = { podName: "w1.lab", nodeName: "w1.lab", namespace: "", subnet: "join", podType: "" };
    await cluster.stop();
    await cluster.make(IPS, "node-w1.lab", {
      ...spec,
      ipAddress: v4,
      v4IpAddress: v4,
      v6IpAddress: "",
      macAddress: mac,
    });
    await cluster.make(NODES, "w1.lab");
    await cluster.restart();
    await cluster.settled();
    const node = cluster.kube.object<KubeObject>(NODES, { name: "w1.lab" });
    t.equal(node?.metadata.annotations?.["ovn.kubernetes.io/ip_address"], v4);
    const records = cluster.kube.objects(IPS).map(({ metadata }) => metadata.name);
    t.same(
      records.filter((name) => name.includes("w1.lab")),
      ["node-w1.lab"],
    );
  },
);

t.test("objects that shared a name in an earlier version are separated by the next leader", APART, async (t) => {
  const cluster = await world(t);
  for (const { vpc, subnet, cidr } of TENANTS) await tenant(vpc, subnet, cidr)(cluster);
  await cluster.settled();
  // The former state: one router port, in both routers, and one subnet without any.
  const ports = cluster.server
    .rows(OVN_NB, "Logical_Router_Port")
    .filter(({ networks }) => /^10\.50\./.test(networks.join()));
  const routers = cluster.server.rows(OVN_NB, "Logical_Router").filter(({ name }) => name.startsWith("team"));
  const shared = rowUuid("Logical_Router_Port", "team-a-web");
  t.ok(ports.some(({ _uuid }) => _uuid === shared));
  const others = ports.map(({ _uuid }) => _uuid).filter((uuid) => uuid !== shared);
  await cluster.stop();
  await cluster.server.edit(OVN_NB, [
    ...routers.map(({ _uuid }) => mutate(OVN_NB, "Logical_Router", _uuid, [["ports", "delete", others]])),
    ...routers.map(({ _uuid }) => mutate(OVN_NB, "Logical_Router", _uuid, [["ports", "insert", [shared]]])),
  ]);
  await cluster.restart();
  await eventually("both have their own", () =>
    TENANTS.every(({ cidr }) => cluster.routerPort(`${cidr}1/24`) !== undefined) ? true : undefined,
  );
  await cluster.settled();
  t.equal(cluster.routerPort("10.50.0.1/24")?._uuid, shared, "whose it was has kept it");
});

t.test("an object that conflicts with another program's row reports that until it is served", APART, async (t) => {
  const cluster = await world(t);
  await cluster.settled();
  const [router] = cluster.server.rows(OVN_NB, "Logical_Router");
  const [foreign, holder] = [rowUuid("Logical_Router_Port", "foreign"), router?._uuid ?? ""];
  const row = { name: "team-a-web", mac: "02:00:00:00:00:01", networks: ["10.99.0.1/24"] };
  await cluster.server.edit(OVN_NB, [
    insert(OVN_NB, "Logical_Router_Port", foreign, row),
    mutate(OVN_NB, "Logical_Router", holder, [["ports", "insert", [foreign]]]),
  ]);
  await cluster.make(VPCS, "team", {});
  await cluster.make(SUBNETS, "a-web", { vpc: "team", cidrBlock: "10.50.0.0/24" });
  const ready = (): { readonly status?: string; readonly reason?: string } | undefined =>
    cluster.kube.object<Subnet>(SUBNETS, { name: "a-web" })?.status?.conditions?.find(({ type }) => type === "Ready");
  await eventually("it says that it is not ready", () => ready()?.reason === "NorthboundRefused" || undefined);
  t.match(ready(), { status: "False", message: /team-a-web/ });
  await cluster.server.edit(OVN_NB, [mutate(OVN_NB, "Logical_Router", holder, [["ports", "delete", [foreign]]])]);
  await cluster.settled();
  t.match(ready(), { status: "True", reason: "Ready" });
});
