// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, urlHost } from "../../../hack/traffic/probe.ts";
import { HAIRPIN_SOURCE } from "../../../src/api/names.ts";
import { ovnEipKind } from "../../../src/kinds/ovn-eip.ts";
import { ovnSnatRuleKind } from "../../../src/kinds/ovn-snat-rule.ts";
import { routerLbRuleKind } from "../../../src/kinds/router-lb-rule.ts";
import { PODS, VPCS } from "../../../src/kube/resources.ts";
import { askByHttp, askByUdp, seenBy, seenByUdp } from "../testing/client-address.ts";
import {
  defaultRoutes,
  type ExternalNetwork,
  FAMILIES,
  type OutsideFamily,
  useExternalNetwork,
} from "../testing/external-network.ts";
import { useExternalVlan } from "../testing/external-vlan.ts";
import { checkCells, type NatCell } from "../testing/nat-table.ts";
import { areReady } from "../testing/nat-tenant.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inNode, inPod, type PodManifest, run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-rlb";
const TAG = 300;
const DEFAULT_VPC = "ovn-cluster";
/** Connections of one client by which is seen that all endpoints are used. */
const MANY = 30;
/** Interval between two new connections, in ms. */
const EVERY_MS = 100;
/** The limit for endpoints that go, on a heavily loaded machine, in s. */
const MOST_S = 10;
const REFUSED = /refused|Couldn't connect|reset/;

t.setTimeout(590_000);

const PORTS = [
  { name: "tcp", port: 80, targetPort: 8080, protocol: "TCP" },
  { name: "udp", port: 81, targetPort: 8081, protocol: "UDP" },
] as const;

/** A VPC with endpoints; its external addresses are numbered from `base`. */
interface Tenant {
  readonly vpc: string;
  readonly base: number;
  /** The endpoints of the rule in the network without a VLAN id, one on each node. */
  readonly endpoints: readonly [Thing, Thing];
  /** The only endpoint of the rule in the VLAN. */
  readonly only: Thing;
  /** A pod that leaves with the address after `base`, by an OvnSnatRule. */
  readonly plain: Thing;
}

/** A server that is an endpoint by its label, and is not restarted. */
function endpointPod(pod: PodManifest, label: string): PodManifest {
  const { metadata, spec } = pod;
  return {
    ...pod,
    metadata: { ...metadata, labels: { ...metadata.labels, balanced: label } },
    spec: { ...(spec as object), restartPolicy: "Never" },
  };
}

async function useTenant(
  t: Test,
  world: World,
  { wire, vlan }: { readonly wire: ExternalNetwork; readonly vlan: ExternalNetwork },
  namespace: string,
  { vpc, base, third }: { readonly vpc: string; readonly base: number; readonly third: number },
): Promise<Tenant> {
  const [first = "", second = ""] = world.lab.nodes;
  const id = `${NAME}-${base}`;
  await useSubnet(t, world, id, { vpc, cidrBlock: `10.${third}.0.0/24,fd00:10:${third}::/112` });
  await judged(world, id);
  const inSubnet = { "ovn.kubernetes.io/logical_switch": id };
  const [one, two, only, plain] = (await run(
    world,
    [
      endpointPod(webPod(namespace, `one-${base}`, first, inSubnet), id),
      endpointPod(webPod(namespace, `two-${base}`, second, inSubnet), id),
      webPod(namespace, `only-${base}`, second, inSubnet),
      idlePod(namespace, `plain-${base}`, first, inSubnet),
    ],
    90_000,
  )) as [Thing, Thing, Thing, Thing];
  for (const [network, last] of [
    [wire, base],
    [wire, base + 1],
    [vlan, base],
  ] as const)
    await useObject(t, world, ovnEipKind.type, `${network.name}-${last}`, {
      externalSubnet: network.name,
      v4Ip: network.address(last, "v4"),
      v6Ip: network.address(last, "v6"),
    });
  await useObject(t, world, ovnSnatRuleKind.type, id, { ovnEip: `${wire.name}-${base + 1}`, vpcSubnet: id });
  const rule = { vpc, namespace, ports: PORTS };
  await useObject(t, world, routerLbRuleKind.type, id, {
    ...{ ...rule, ovnEip: `${wire.name}-${base}`, selector: [`balanced: ${id}`] },
  });
  await useObject(t, world, routerLbRuleKind.type, `${id}-vlan`, {
    ...{ ...rule, ovnEip: `${vlan.name}-${base}`, endpoints: addressesOf(only) },
  });
  await areReady(world, ovnSnatRuleKind.type, [id]);
  await areReady(world, routerLbRuleKind.type, [id, `${id}-vlan`]);
  return { vpc, base, endpoints: [one, two], only, plain };
}

/** Opens a new connection every {@link EVERY_MS} until it is stopped; how long after `since` (ms since the epoch) the last one that failed was begun, in s. */
function newConnections(from: Exec, address: string): { stop(since: number): Promise<number> } {
  const stopping = new AbortController();
  const tries: Promise<{ readonly begun: number; readonly ok: boolean }>[] = [];
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const begun = Date.now();
      tries.push(askByHttp(from, address, 80, "hostname").then((name) => ({ begun, ok: name !== "" })));
      await delay(EVERY_MS);
    }
  };
  const done = loop();
  return {
    async stop(since) {
      stopping.abort();
      await done;
      const failed = (await Promise.all(tries)).filter(({ ok }) => !ok).map(({ begun }) => begun + EVERY_MS - since);
      return Math.max(0, ...failed) / 1_000;
    },
  };
}

t.test("RouterLBRules: who sees which source address, and which endpoints answer", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, NAME);
  const wire = await useExternalNetwork(t, world, NAME, 83);
  const vlan = await useExternalVlan(t, world, wire, TAG, 84);
  const external = { enableExternal: true, extraExternalSubnets: [wire.name, vlan.name] };
  await useObject(t, world, VPCS, NAME, { ...external, staticRoutes: defaultRoutes(wire) });
  const connect = (spec: object) => world.kube.patch(VPCS, { name: DEFAULT_VPC }, { type: "merge", body: { spec } });
  t.teardown(() => connect({ enableExternal: false, extraExternalSubnets: null }));
  await connect(external);
  const networks = { wire, vlan };
  const custom = await useTenant(t, world, networks, namespace, { vpc: NAME, base: 110, third: 85 });
  const main = await useTenant(t, world, networks, namespace, { vpc: DEFAULT_VPC, base: 120, third: 86 });
  await syncNodes(world);

  const outside = inNode(world, OUTSIDE);
  const podAddress = (pod: Thing, family: OutsideFamily): string => addressesOf(pod)[family === "v4" ? 0 : 1];
  const cells = (family: OutsideFamily, { base, only, plain }: Tenant, other: Tenant): readonly NatCell[] => {
    const rule = wire.address(base, family);
    const inVlan = vlan.address(base, family);
    const theirs = wire.address(other.base + 1, family);
    return [
      ["in: TCP", () => seenBy(outside, rule, 80), wire.router[family]],
      ["in: UDP", () => seenByUdp(outside, rule, 81), wire.router[family]],
      [`in, by VLAN ${TAG}: TCP`, () => seenBy(vlan.host, inVlan, 80), vlan.router[family]],
      [`in, by VLAN ${TAG}: UDP`, () => seenByUdp(vlan.host, inVlan, 81), vlan.router[family]],
      ["in, from another VLAN: TCP", () => seenBy(vlan.stranger, inVlan, 80), ""],
      ["same VPC: TCP", () => seenBy(inPod(plain), rule, 80), podAddress(plain, family)],
      ["same VPC: UDP", () => seenByUdp(inPod(plain), rule, 81), podAddress(plain, family)],
      // The pods' switches balance.
      ["hairpin: to the only endpoint, itself", () => seenBy(inPod(only), inVlan, 80), HAIRPIN_SOURCE[family]],
      ["other VPC: TCP", () => seenBy(inPod(other.plain), rule, 80), theirs],
      ["other VPC: UDP", () => seenByUdp(inPod(other.plain), rule, 81), theirs],
      ["in: a port that no rule names", () => seenBy(outside, rule, 82), ""],
    ];
  };
  for (const [own, other] of [
    [custom, main],
    [main, custom],
  ] as const)
    for (const family of FAMILIES)
      await t.test(`VPC ${own.vpc}, ${family}`, async (t) => {
        const address = wire.address(own.base, family);
        // The first packets make the routers resolve each other's MAC addresses.
        await until("the way in works", 30_000, async () => (await seenBy(outside, address, 80)) !== "").catch(
          () => undefined,
        );
        await checkCells(t, `${own.vpc} | ${family}`, cells(family, own, other));
        const names = own.endpoints.map(({ metadata }) => metadata.name);
        for (const [what, ask] of [
          ["TCP", () => askByHttp(outside, address, 80, "hostname")],
          ["UDP", () => askByUdp(outside, address, 81, "hostname")],
        ] as const) {
          const answers = new Map<string, number>();
          for (let i = 0; i < MANY; i++) {
            const name = await ask();
            answers.set(name, (answers.get(name) ?? 0) + 1);
          }
          t.same([...answers.keys()].sort(), [...names].sort(), `${what}: both endpoints answer`);
          t.comment(`${what}: ${names.map((name) => `${name} ${answers.get(name) ?? 0}`).join(", ")} of ${MANY}`);
        }
      });

  for (const own of [custom, main])
    await t.test(`VPC ${own.vpc}: with session affinity a client keeps its endpoint`, async (t) => {
      const name = `${NAME}-${own.base}`;
      const patch = (sessionAffinity: string) =>
        world.kube.patch(routerLbRuleKind.type, { name }, { type: "merge", body: { spec: { sessionAffinity } } });
      await patch("ClientIP");
      for (const family of FAMILIES) {
        const address = wire.address(own.base, family);
        const round = async (): Promise<number> => {
          const names = new Set<string>();
          for (let i = 0; i < MANY / 2; i++) names.add(await askByHttp(outside, address, 80, "hostname"));
          return names.size;
        };
        await until(`${family}: one endpoint answers`, 30_000, async () => (await round()) === 1);
        t.equal(await round(), 1, `${family}: always the same`);
      }
      await patch("None");
    });

  for (const own of [custom, main])
    await t.test(`VPC ${own.vpc}: an endpoint that dies`, async (t) => {
      const [dies, lives] = own.endpoints;
      const addresses = FAMILIES.map((family) => wire.address(own.base, family));
      const clients = addresses.map((address) => newConnections(outside, address));
      await delay(1_000);
      // Its server ends, and with it the pod.
      await http(inPod(dies), "http://127.0.0.1:8080/exit?code=1");
      const died = Date.now();
      await world.pods.until(
        `${namespace}/${dies.metadata.name}`,
        "has failed",
        (pod) => pod?.status?.["phase"] === "Failed",
        30_000,
      );
      const noticed = (Date.now() - died) / 1_000;
      await syncNodes(world);
      await delay(3_000);
      for (const [i, client] of clients.entries()) {
        const lost = await client.stop(died);
        t.ok(lost <= MOST_S, `${FAMILIES[i]}: new connections fail for ${lost.toFixed(2)} s`);
        t.comment(
          `${own.vpc}, ${FAMILIES[i]}: kubelet reported it after ${noticed.toFixed(2)} s, the last connection that failed began after ${lost.toFixed(2)} s`,
        );
      }
      for (const address of addresses) {
        t.equal(await askByHttp(outside, address, 80, "hostname"), lives.metadata.name, "the other one answers TCP");
        t.equal(await askByUdp(outside, address, 81, "hostname"), lives.metadata.name, "and UDP");
      }
    });

  for (const own of [custom, main])
    await t.test(`VPC ${own.vpc}: without endpoints connections are refused`, async (t) => {
      for (const { metadata } of own.endpoints)
        await world.kube.delete(PODS, { namespace, name: metadata.name }, { gracePeriodSeconds: 0 });
      for (const family of FAMILIES) {
        const ask = async () => (await http(outside, `http://${urlHost(wire.address(own.base, family))}/`)).detail;
        await until(`${family}: refused`, 30_000, async () => REFUSED.test(await ask())).catch(() => undefined);
        t.match(await ask(), REFUSED, family);
      }
    });
});
