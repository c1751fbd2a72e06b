// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { Controller } from "../../src/controller/controller.ts";
import { Northbound } from "../../src/controller/databases/northbound.ts";
import { Election } from "../../src/controller/leadership/election.ts";
import { SETTINGS } from "../../src/controller/testing/settings.ts";
import {
  ENDPOINT_SLICES,
  NAMESPACES,
  NODES,
  PODS,
  type ResourceType,
  SERVICES,
  SUBNETS,
  VPCS,
} from "../../src/kube/resources.ts";
import { type FakeKube, fakeKube } from "../../src/kube/testing/fake.ts";
import { ipFromValue } from "../../src/net/address.ts";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import { openOvsdb } from "../../src/ovsdb/open.ts";
import { SYSTEM_CLOCK } from "../../src/time/clock.ts";
import { BenchNode, type NodeCpu } from "./topology-node.ts";
import { OvnServers } from "./topology-servers.ts";

/** How large a cluster is. */
export interface TopologySize {
  /** Besides the default one. */
  readonly vpcs: number;
  /** A third of them are in the default VPC, the others are spread over the VPCs, which use the same ranges. */
  readonly subnets: number;
  readonly nodes: number;
  readonly pods: number;
  /** Each with three endpoints. */
  readonly services: number;
}

/** What one change came to. */
export interface TopologyChange {
  /** From the request until the last transaction that it caused was committed, ms. */
  readonly ms: number;
  readonly transactions: number;
  readonly operations: number;
  /** Units compiled. */
  readonly units: number;
  /** CPU of the controller, and of the API server in the same process, ms. */
  readonly cpuMs: number;
}

/** After so many ms without a change of the database one is over. */
const QUIET_MS = 500;
/** Endpoints of a Service. */
const ENDPOINTS = 3;

const silent = (): void => {};
const LOG = { debug: silent, info: silent, warn: silent, error: silent } as unknown as Logger;

/** A whole controller, an API server in memory, and real servers of OVN. */
export class TopologyWorld {
  readonly kube: FakeKube;
  readonly servers: OvnServers;
  readonly size: TopologySize;
  #running: Running;
  #node: BenchNode | undefined;

  private constructor(kube: FakeKube, servers: OvnServers, size: TopologySize, running: Running) {
    this.kube = kube;
    this.servers = servers;
    this.size = size;
    this.#running = running;
  }

  /** Makes a cluster of that size; resolves when all of it is in the database. */
  static async make(size: TopologySize, say: (text: string) => void): Promise<TopologyWorld> {
    const servers = await OvnServers.start();
    const kube = fakeKube();
    await fill(kube, size);
    say("the controller starts");
    const running = await start(kube, servers);
    const world = new TopologyWorld(kube, servers, size, running);
    for (let waiting = size.pods; waiting > 0; ) {
      await pause(1_000);
      waiting = kube.objects(PODS).filter(({ metadata }) => !metadata.annotations?.[ALLOCATED]).length;
      say(`${size.pods - waiting} of ${size.pods} pods have an address`);
    }
    await addServices(kube, size);
    await world.quiet();
    await servers.synced();
    return world;
  }

  /** Starts Open vSwitch and ovn-controller of the first node, with its pods; those of the others are bound to chassis that do not run. */
  async startNode(say: (text: string) => void): Promise<void> {
    const { pods, nodes, subnets } = this.size;
    const ports = new Map(Array.from({ length: nodes }, (_, n) => [`node-${n}`, [`node-node-${n}`]]));
    for (let n = 0; n < pods; n++) ports.get(`node-${n % nodes}`)?.push(`pod-${n}.ns-${n % subnets}`);
    const [[name = "", own = []] = [], ...others] = ports;
    this.#node = await BenchNode.start(this.servers, name, own, new Map(others), say);
  }

  /** CPU that the programs of the node have used; nothing where it has not been started. */
  nodeCpu(): NodeCpu {
    return this.#node?.cpu() ?? { controllerMs: 0, vswitchdMs: 0 };
  }

  /**
   * Carries out a change and waits until it is in the database and nothing follows from it any more. What northd writes into the northbound database
   * (Logical_Switch_Port `up`, when it has compiled the change) is not part of it. northd and ovn-controller are idle when this returns, so that one change does
   * not run beside the work that the one before made for them.
   */
  async measure(change: () => Promise<unknown>): Promise<TopologyChange> {
    const { engine, committed } = this.#running;
    const before = { ...engine.stats };
    const cpu = process.cpuUsage();
    const started = performance.now();
    await change();
    while (committed() < started) await pause(5);
    await this.quiet();
    const { user, system } = process.cpuUsage(cpu);
    const { transactions, operations, compiled } = engine.stats;
    await this.servers.synced("hv");
    return {
      ms: committed() - started,
      transactions: transactions - before.transactions,
      operations: operations - before.operations,
      units: compiled - before.compiled,
      cpuMs: (user + system) / 1_000,
    };
  }

  /** Resolves when the database has not changed for {@link QUIET_MS} and nothing is left to do. */
  async quiet(): Promise<void> {
    const { engine, northbound } = this.#running;
    let last = performance.now();
    const stop = northbound.subscribe(() => {
      last = performance.now();
    });
    do {
      await pause(50);
      await engine.whenIdle();
    } while (performance.now() - last < QUIET_MS);
    stop();
  }

  /** Ends the controller and starts another one over the same database: ms until it has compiled everything, and what it wrote. */
  async restart(): Promise<{ readonly ms: number; readonly transactions: number; readonly units: number }> {
    await this.#running.stop();
    const started = performance.now();
    this.#running = await start(this.kube, this.servers);
    const ms = performance.now() - started;
    await this.quiet();
    const { transactions, compiled } = this.#running.engine.stats;
    return { ms, transactions, units: compiled };
  }

  /** Table → how many rows are ours. */
  rows(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { table } of this.#running.northbound.rows()) counts.set(table, (counts.get(table) ?? 0) + 1);
    return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async close(): Promise<void> {
    await this.#node?.stop();
    await this.#running.stop();
    await this.servers.stop();
  }
}

interface Running {
  readonly engine: Controller["engine"];
  readonly northbound: Northbound;
  /** When the last transaction was committed. */
  committed(): number;
  stop(): Promise<void>;
}

/** Starts a controller; resolves when everything is compiled and committed. */
async function start(kube: FakeKube, servers: OvnServers): Promise<Running> {
  const remotes = [servers.northbound.remote];
  const client = openOvsdb({ remotes, database: OVN_NB.name, maxMessageBytes: 2 ** 30 });
  const northbound = new Northbound(client);
  const commit = northbound.commit.bind(northbound);
  let committed = Number.NEGATIVE_INFINITY;
  northbound.commit = async (plan) => {
    const outcome = await commit(plan);
    committed = performance.now();
    return outcome;
  };
  const settled = Promise.withResolvers<void>();
  let times = 0;
  const settings = { ...SETTINGS, defaultCidr: "10.16.0.0/16", nodeSwitchCidr: "100.64.0.0/16" };
  const parts = {
    ...{ kube, northbound, settings, log: LOG, clock: SYSTEM_CLOCK },
    // Once when everything is read, and once when everything is compiled.
    settled: (): void => void (++times === 2 && settled.resolve()),
  };
  const controller = new Controller(parts);
  const election = new Election(parts, controller, () => settled.reject(new Error("the controller did not start")));
  election.start();
  await settled.promise;
  return {
    engine: controller.engine,
    northbound,
    committed: () => committed,
    async stop() {
      await election.stop();
      await client.close();
    },
  };
}

const ALLOCATED = "ovn.kubernetes.io/allocated";

/** Nodes, VPCs, subnets with a namespace each, and pods with fixed addresses. */
async function fill(kube: FakeKube, size: TopologySize): Promise<void> {
  const make = async (type: ResourceType, metadata: object, rest: object = {}): Promise<void> =>
    void (await kube.create(type, { metadata, ...rest } as never));
  await make(NAMESPACES, { name: "default" });
  for (let n = 0; n < size.nodes; n++) await addTopologyNode(kube, n);
  for (let n = 0; n < size.vpcs; n++) await make(VPCS, { name: `vpc-${n}` }, { spec: {} });
  for (let n = 0; n < size.subnets; n++) {
    await make(NAMESPACES, { name: `ns-${n}` });
    await addTopologySubnet(kube, n, size);
  }
  for (let n = 0; n < size.pods; n++) await addTopologyPod(kube, n, size);
}

/** The n-th node; made-up ones suffice. */
export async function addTopologyNode(kube: FakeKube, n: number): Promise<void> {
  const addresses = [{ type: "InternalIP", address: `192.0.${2 + (n >> 8)}.${n & 255}` }];
  const conditions = [{ type: "Ready", status: "True" }];
  const name = `node-${n}`;
  await kube.create(NODES, { metadata: { name } } as never);
  await kube.patch(NODES, { name }, { type: "merge", body: { status: { addresses, conditions } } } as never, {
    subresource: "status",
  });
}

/** Whether the n-th subnet is in the default VPC. */
function isDefault(n: number, { vpcs }: TopologySize): boolean {
  return vpcs === 0 || n % 3 === 0;
}

/** The n-th subnet, for namespace `ns-<n>`; `vpc`: in that VPC, whatever its number. */
export async function addTopologySubnet(kube: FakeKube, n: number, size: TopologySize, vpc?: string): Promise<void> {
  const own = vpc ?? (isDefault(n, size) ? "ovn-cluster" : `vpc-${Math.floor(n / 3) % size.vpcs}`);
  const cidrBlock = `${rangeOf(n)}.0/24`;
  await kube.create(SUBNETS, {
    metadata: { name: `subnet-${n}` },
    spec: { vpc: own, cidrBlock, namespaces: [`ns-${n}`], natOutgoing: own === "ovn-cluster" },
  } as never);
}

/** The first three numbers of the n-th subnet's addresses. */
function rangeOf(n: number): string {
  return `10.${128 + (n >> 8)}.${n & 255}`;
}

function addressOf(n: number, { subnets }: TopologySize): string {
  const at = Math.floor(n / subnets) + 10;
  return ipFromValue(
    4,
    (10n << 24n) | (BigInt(128 + ((n % subnets) >> 8)) << 16n) | (BigInt((n % subnets) & 255) << 8n) | BigInt(at),
  ).text;
}

/** The n-th pod, in the subnet and on the node of its number. */
export async function addTopologyPod(kube: FakeKube, n: number, size: TopologySize): Promise<void> {
  const namespace = `ns-${n % size.subnets}`;
  const annotations = { "ovn.kubernetes.io/ip_address": addressOf(n, size) };
  const labels = { app: `app-${n % 7}` };
  await kube.create(PODS, {
    metadata: { namespace, name: `pod-${n}`, annotations, labels },
    spec: { nodeName: `node-${n % size.nodes}`, hostNetwork: false },
  } as never);
}

/** Services with an EndpointSlice each, of pods of one namespace. */
async function addServices(kube: FakeKube, size: TopologySize): Promise<void> {
  for (let n = 0; n < size.services; n++) {
    const namespace = `ns-${n % size.subnets}`;
    const name = `service-${n}`;
    const ip = `10.96.${n >> 8}.${n & 255}`;
    await kube.create(SERVICES, {
      metadata: { namespace, name },
      spec: {
        clusterIP: ip,
        clusterIPs: [ip],
        ports: [{ name: "http", port: 80, protocol: "TCP" }],
        selector: { app: "x" },
      },
    } as never);
    await kube.create(ENDPOINT_SLICES, {
      metadata: { namespace, name: `${name}-0`, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: endpointsOf(n, size, ENDPOINTS),
    } as never);
  }
}

/** Endpoints of the n-th Service: pods of its namespace. */
export function endpointsOf(n: number, size: TopologySize, count: number): readonly object[] {
  return Array.from({ length: count }, (_, i) => ({
    addresses: [addressOf((n % size.subnets) + i * size.subnets, size)],
    conditions: { ready: true },
  }));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
