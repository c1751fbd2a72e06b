// SPDX-License-Identifier: Apache-2.0

import { EXTERNAL_GATEWAY_LABEL, NODE } from "../../src/api/annotations.ts";
import { ovnDnatRuleKind } from "../../src/kinds/ovn-dnat-rule.ts";
import { ovnEipKind } from "../../src/kinds/ovn-eip.ts";
import { ovnFipKind } from "../../src/kinds/ovn-fip.ts";
import { vlanKind } from "../../src/kinds/vlan.ts";
import type { CustomObject } from "../../src/kube/object.ts";
import { NODES, type ResourceType, SUBNETS, VPCS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import type { Progress } from "../host/progress.ts";
import { type CommittedChange, committedChange } from "./committed-change.ts";
import { type TopologyChange, type TopologySize, TopologyWorld } from "./topology-world.ts";

/** How often each change is made. */
const ROUNDS = 6;
const VPC = "vpc-0";
/** Rules for ports that share an external address. */
const PORTS_OF_EIP = 100;
/** Of each three subnets the first is in the default VPC; floating IPs are for pods of the second, ports for those of the third. */
const THIRDS = 3;
/** Pods of one subnet, a /24. */
const PODS_OF_SUBNET = 200;

/** What so many rules come to. */
export interface RuleFigures {
  readonly fips: number;
  readonly dnats: number;
  /** Until all rules were applied, s. */
  readonly seconds: number;
  /** Table → rows, before and after the rules. */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  readonly changes: readonly CommittedChange[];
}

/** Measures changes of rules in a VPC that has so many floating IPs, and as many forwarded ports. */
export async function measureRules(count: number, progress: Progress): Promise<RuleFigures> {
  const size: TopologySize = {
    vpcs: 1,
    subnets: THIRDS * Math.ceil(count / PODS_OF_SUBNET),
    nodes: 3,
    pods: THIRDS * count,
    services: 0,
  };
  const world = await progress.step(`${size.pods} pods`, (step) =>
    TopologyWorld.make(size, (text) => step.update(text)),
  );
  try {
    await progress.step("the external network", () => connect(world));
    const before = world.rows();
    const started = performance.now();
    await progress.step(`${count} OvnFips and ${count} OvnDnatRules`, async () => {
      // Those that are measured use addresses that exist before.
      for (let n = 0; n < count + ROUNDS; n++) await addEip(world.kube, `fip-${n}`);
      for (let n = 0; n <= count / PORTS_OF_EIP; n++) await addEip(world.kube, `ports-${n}`);
      for (let n = 0; n < count; n++) {
        await addFip(world, n, n);
        await addDnat(world, n, n);
      }
      await applied(world.kube, ovnFipKind.type, count);
      await applied(world.kube, ovnDnatRuleKind.type, count);
      await world.quiet();
    });
    const seconds = (performance.now() - started) / 1_000;
    await world.servers.synced();
    const after = world.rows();
    const changes: CommittedChange[] = [];
    for (const { what, change } of changesOf(count)) {
      const of: TopologyChange[] = [];
      const cpu = world.servers.northdCpuMs();
      await progress.step(what, async () => {
        for (let n = 0; n < ROUNDS; n++) of.push(await world.measure(() => change(world, n)));
      });
      changes.push(committedChange(what, of, world.servers.northdCpuMs() - cpu));
    }
    return { fips: count, dnats: count, seconds, before, after, changes };
  } finally {
    await world.close();
  }
}

function changesOf(count: number) {
  return [
    // For the pods of the first rules, which are deleted before.
    {
      what: "one floating IP less",
      change: ({ kube }: TopologyWorld, n: number) => kube.delete(ovnFipKind.type, { name: `fip-${n}` }),
    },
    { what: "one more floating IP", change: (world: TopologyWorld, n: number) => addFip(world, count + n, n) },
    {
      what: "one forwarded port less",
      change: ({ kube }: TopologyWorld, n: number) => kube.delete(ovnDnatRuleKind.type, { name: `dnat-${n}` }),
    },
    { what: "one more forwarded port", change: (world: TopologyWorld, n: number) => addDnat(world, count + n, n) },
  ] as const;
}

/** Gateway nodes, the external subnet, and the VPC's port in it. */
async function connect({ kube, size }: TopologyWorld): Promise<void> {
  for (let n = 0; n < size.nodes; n++) {
    const metadata = { labels: { [EXTERNAL_GATEWAY_LABEL]: "true" }, annotations: { [NODE.chassis]: `chassis-${n}` } };
    await kube.patch(NODES, { name: `node-${n}` }, { type: "merge", body: { metadata } } as never);
  }
  await make(kube, vlanKind.type, "external", { id: 0, provider: "external" });
  await make(kube, SUBNETS, "external", { vlan: "external", cidrBlock: "172.30.0.0/16", gateway: "172.30.0.1" });
  const staticRoutes = [{ cidr: "0.0.0.0/0", nextHopIP: "172.30.0.1" }];
  const body = { spec: { enableExternal: true, staticRoutes } };
  await kube.patch(VPCS, { name: VPC }, { type: "merge", body } as never);
  await applied(kube, ovnEipKind.type, 1);
}

function make(kube: FakeKube, type: ResourceType, name: string, spec: object): Promise<unknown> {
  return kube.create(type, { metadata: { name }, spec } as never);
}

function addEip(kube: FakeKube, name: string): Promise<unknown> {
  return make(kube, ovnEipKind.type, name, { externalSubnet: "external" });
}

/** IP of the n-th pod of the second (1) or third (2) subnets. */
function ipName(n: number, third: 1 | 2, subnets: number): string {
  const pod = n * THIRDS + third;
  return `pod-${pod}.ns-${pod % subnets}`;
}

function addFip({ kube, size }: TopologyWorld, n: number, pod: number): Promise<unknown> {
  return make(kube, ovnFipKind.type, `fip-${n}`, { ovnEip: `fip-${n}`, ipName: ipName(pod, 1, size.subnets) });
}

function addDnat({ kube, size }: TopologyWorld, n: number, pod: number): Promise<unknown> {
  const ovnEip = `ports-${Math.floor(n / PORTS_OF_EIP)}`;
  const ports = { externalPort: `${8_000 + n}`, internalPort: "80", protocol: "tcp" };
  return make(kube, ovnDnatRuleKind.type, `dnat-${n}`, { ovnEip, ipName: ipName(pod, 2, size.subnets), ...ports });
}

/** Waits until so many objects say that they are applied. */
async function applied(kube: FakeKube, type: ResourceType, count: number): Promise<void> {
  const ready = (): number =>
    kube.objects<CustomObject<object, { readonly ready?: boolean }>>(type).filter(({ status }) => status?.ready).length;
  while (ready() < count) await new Promise((resolve) => setTimeout(resolve, 100));
}
