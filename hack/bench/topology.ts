// SPDX-License-Identifier: Apache-2.0

import { ENDPOINT_SLICES, PODS, VPCS } from "../../src/kube/resources.ts";
import { createProgress } from "../host/progress.ts";
import { type CommittedChange, committedChange } from "./committed-change.ts";
import {
  addTopologyNode,
  addTopologyPod,
  addTopologySubnet,
  endpointsOf,
  type TopologyChange,
  type TopologySize,
  TopologyWorld,
} from "./topology-world.ts";

/** How often each change is made. */
const ROUNDS = 6;

/** The size of the cluster of which each factor is doubled, to see how rows grow. */
const SMALL: TopologySize = { vpcs: 8, subnets: 24, nodes: 6, pods: 120, services: 24 };

/** One kind of change at full size. */
export interface ChangeFigures extends CommittedChange {
  /** Of one node, which has a fiftieth of the pods; means of one change, ms. */
  readonly ovnControllerCpuMs: number;
  readonly vswitchdCpuMs: number;
}

type Used = Pick<ChangeFigures, "northdCpuMs" | "ovnControllerCpuMs" | "vswitchdCpuMs">;

/** The figures of one run. */
export interface TopologyBench {
  readonly at: string;
  readonly size: TopologySize;
  /** Table → rows. */
  readonly rows: Readonly<Record<string, number>>;
  readonly changes: readonly ChangeFigures[];
  /** A controller over a database that is right: ms until everything was compiled, and the transactions that it sent. */
  readonly coldStarts: readonly { readonly ms: number; readonly transactions: number; readonly units: number }[];
  readonly growth: {
    readonly size: TopologySize;
    readonly rows: Readonly<Record<string, number>>;
    /** Factor → rows by table where that factor is doubled, and all of them. */
    readonly doubled: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}

/** What one change is, in a world: the n-th of its kind. */
const CHANGES: readonly {
  readonly what: string;
  readonly change: (world: TopologyWorld, n: number) => Promise<unknown>;
}[] = [
  { what: "one more node", change: ({ kube, size }, n) => addTopologyNode(kube, size.nodes + n) },
  {
    what: "one more subnet of the default VPC",
    change: ({ kube, size }, n) => addTopologySubnet(kube, size.subnets + n, size, "ovn-cluster"),
  },
  {
    what: "one more subnet of another VPC",
    change: ({ kube, size }, n) => addTopologySubnet(kube, size.subnets + ROUNDS + n, size, "vpc-0"),
  },
  { what: "one more pod", change: ({ kube, size }, n) => addTopologyPod(kube, size.pods + n, size) },
  { what: "a pod is gone", change: ({ kube, size }, n) => removePod(kube, size.pods + n, size) },
  { what: "a changed bandwidth limit", change: ({ kube, size }, n) => setRate(kube, n + 1, size) },
  { what: "one endpoint more", change: ({ kube, size }, n) => setEndpoints(kube, n, size, 4) },
  { what: "one endpoint less", change: ({ kube, size }, n) => setEndpoints(kube, n, size, 3) },
  {
    what: "one more static route",
    change: ({ kube }, n) => {
      const routes = Array.from({ length: n + 1 }, (_, i) => ({
        policy: "policyDst",
        cidr: `198.18.${i}.0/24`,
        nextHopIP: "10.128.1.1",
      }));
      return kube.patch(VPCS, { name: "vpc-0" }, { type: "merge", body: { spec: { staticRoutes: routes } } } as never);
    },
  },
];

type World = TopologyWorld["kube"];

async function removePod(kube: World, n: number, size: TopologySize): Promise<void> {
  await kube.delete(PODS, { namespace: `ns-${n % size.subnets}`, name: `pod-${n}` }, { gracePeriodSeconds: 0 });
}

async function setRate(kube: World, mbit: number, size: TopologySize): Promise<void> {
  const ref = { namespace: `ns-${1 % size.subnets}`, name: "pod-1" };
  const annotations = { "ovn.kubernetes.io/ingress_rate": `${mbit}` };
  await kube.patch(PODS, ref, { type: "merge", body: { metadata: { annotations } } } as never);
}

async function setEndpoints(kube: World, n: number, size: TopologySize, count: number): Promise<void> {
  const ref = { namespace: `ns-${n % size.subnets}`, name: `service-${n}-0` };
  const body = { endpoints: endpointsOf(n, size, count) };
  await kube.patch(ENDPOINT_SLICES, ref, { type: "merge", body } as never);
}

/** Measures a large cluster of many VPCs: single changes, a cold start, and how rows grow. */
export async function benchTopology(size: TopologySize): Promise<TopologyBench> {
  const progress = createProgress();
  const named = ({ vpcs, subnets, nodes, pods, services }: TopologySize): string =>
    `${vpcs} VPCs, ${subnets} subnets, ${nodes} nodes, ${pods} pods, ${services} Services`;
  const make = (of: TopologySize): Promise<TopologyWorld> =>
    progress.step(named(of), (step) => TopologyWorld.make(of, (text) => step.update(text)));

  const world = await make(size);
  await progress.step("ovn-controller of one node", (step) => world.startNode((text) => step.update(text)));
  const rows = world.rows();
  const changes: ChangeFigures[] = [];
  for (const { what, change } of CHANGES) {
    const of: TopologyChange[] = [];
    const [cpu, node] = [world.servers.northdCpuMs(), world.nodeCpu()];
    await progress.step(what, async () => {
      for (let n = 0; n < ROUNDS; n++) of.push(await world.measure(() => change(world, n)));
    });
    const now = world.nodeCpu();
    const used = {
      northdCpuMs: world.servers.northdCpuMs() - cpu,
      ovnControllerCpuMs: now.controllerMs - node.controllerMs,
      vswitchdCpuMs: now.vswitchdMs - node.vswitchdMs,
    };
    changes.push(figures(what, of, used));
  }
  const coldStarts = [];
  for (let i = 0; i < 3; i++) coldStarts.push(await progress.step("a cold start", () => world.restart()));
  await world.close();

  const count = async (of: TopologySize): Promise<Readonly<Record<string, number>>> => {
    const small = await make(of);
    const found = small.rows();
    await small.close();
    return found;
  };
  const base = await count(SMALL);
  const doubled: Record<string, Readonly<Record<string, number>>> = {};
  for (const factor of ["vpcs", "subnets", "nodes", "pods", "services"] as const)
    doubled[factor] = await count({ ...SMALL, [factor]: SMALL[factor] * 2 });
  const all = { vpcs: 16, subnets: 48, nodes: 12, pods: 240, services: 48 };
  doubled["all"] = await count(all);
  return {
    at: new Date().toISOString(),
    size,
    rows,
    changes,
    coldStarts,
    growth: { size: SMALL, rows: base, doubled },
  };
}

/** `used`: what all the changes together used. */
function figures(what: string, of: readonly TopologyChange[], used: Used): ChangeFigures {
  return {
    ...committedChange(what, of, used.northdCpuMs),
    ovnControllerCpuMs: used.ovnControllerCpuMs / of.length,
    vswitchdCpuMs: used.vswitchdCpuMs / of.length,
  };
}
