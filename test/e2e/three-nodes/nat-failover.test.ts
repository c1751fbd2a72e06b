// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { EXTERNAL, OUTSIDE } from "../../../hack/lab/topology.ts";
import { heldConnection } from "../../../hack/traffic/held.ts";
import type { LineProgram } from "../../../hack/traffic/lines.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { externalEipName } from "../../../src/compile/vpc/vpc-external.ts";
import { ovnDnatRuleKind } from "../../../src/kinds/ovn-dnat-rule.ts";
import { ovnEipKind } from "../../../src/kinds/ovn-eip.ts";
import { ovnFipKind } from "../../../src/kinds/ovn-fip.ts";
import { ovnSnatRuleKind } from "../../../src/kinds/ovn-snat-rule.ts";
import { routerLbRuleKind } from "../../../src/kinds/router-lb-rule.ts";
import { SERVICES } from "../../../src/kube/resources.ts";
import { clientAddressServer } from "../testing/client-address.ts";
import {
  defaultRoutes,
  FAMILIES,
  hostedBy,
  type OutsideFamily,
  takenOverFrom,
  useExternalNetwork,
} from "../testing/external-network.ts";
import { SETTLED_MS } from "../testing/failover.ts";
import { areReady } from "../testing/nat-tenant.ts";
import { lostInFault, useVpcAt, wholeNodeFaults, whyNotThreeNodes } from "../testing/node-faults.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, type PodManifest, run, useNamespace } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes, type World } from "../testing/world.ts";

const NAME = "weft-natf";
/** The label of the pods of the Service and the RouterLBRule. */
const BALANCED = { balanced: "yes" } as const;
const ECHO_PORT = 7077;
const FORWARDED_PORT = 7078;
/** Interval between two datagrams, in ms. */
const EVERY_MS = 10;
/** The limit on a heavily loaded machine, in s. The target is 3 s. */
const MOST_S = 10;
/** Until a connection has gone on, in ms: TCP doubles the time between retransmissions, so it may be silent for as long again as the network was. */
const HELD_MS = 20_000;

t.setTimeout(590_000);

/** One stream of datagrams: whose namespace it is sent from, and to which address and port. */
interface Flow {
  readonly what: string;
  readonly from: string;
  readonly address: string;
  readonly port: number;
}

/** A connection that is open over the fault. */
interface Held {
  readonly what: string;
  readonly one: LineProgram;
}

/** Opens a connection for each entry. */
async function holdAll(
  t: Test,
  entries: readonly (readonly [what: string, from: string, to: string])[],
): Promise<readonly Held[]> {
  const held = await Promise.all(
    entries.map(async ([what, from, to]) => ({ what, one: await heldConnection(from, to) })),
  );
  t.teardown(() => Promise.all(held.map(({ one }) => one.stop())));
  return held;
}

/** Waits until each connection has gone on. */
async function goOn(t: Test, held: readonly Held[], begun: number): Promise<void> {
  await Promise.all(
    held.map(async ({ what, one }) => {
      const { length } = one.lines;
      const goes = await one
        .until("it goes on", (lines) => lines.length > length, HELD_MS)
        .then(
          () => true,
          () => false,
        );
      const after = ((Date.now() - begun) / 1_000).toFixed(1);
      t.ok(goes, `the connection ${what} goes on (looked at ${after} s after the fault): ${one.lines.at(-1)}`);
      t.same([...new Set(one.lines)], one.lines.slice(0, 1), "with the same port and source address");
    }),
  );
}

/** Creates the objects of each kind, and waits until they are applied. */
async function applyAll(
  t: Test,
  world: World,
  objects: readonly (readonly [
    kind: typeof ovnFipKind | typeof ovnSnatRuleKind | typeof ovnDnatRuleKind,
    spec: object,
  ])[],
): Promise<void> {
  for (const [{ type }, spec] of objects) {
    await useObject(t, world, type, NAME, spec);
    await areReady(world, type, [NAME]);
  }
}

/** A pod of the Service and the RouterLBRule. */
function balancedPod(...args: Parameters<typeof idlePod>): PodManifest {
  const pod = idlePod(...args);
  return { ...pod, metadata: { ...pod.metadata, labels: BALANCED } };
}

t.test("the loss of a gateway node of NAT rules and LoadBalancer Services", { skip: whyNotThreeNodes() }, async (t) => {
  const world = await openWorld(t);
  const { lab } = world;
  const [central = "", other = "", victim = ""] = lab.nodes;
  t.same(world.own("ovn-central", victim), [], `OVN's databases are not on ${victim}`);
  const namespace = await useNamespace(t, world, NAME);
  const network = await useExternalNetwork(t, world, NAME, 80);
  // Neither the databases nor the test's pods are on its host.
  const vpc = await useVpcAt(t, world, { network, host: victim }, NAME, { staticRoutes: defaultRoutes(network) });
  const port = externalEipName(vpc, network.name);
  await useSubnet(t, world, `${NAME}-pods`, { vpc, cidrBlock: "10.80.0.0/24,fd00:10:80::/112" });
  await judged(world, `${NAME}-pods`);
  const inVpc = { "ovn.kubernetes.io/logical_switch": `${NAME}-pods` };
  const [floating, plain, target, second] = (await run(
    world,
    [
      idlePod(namespace, "floating", central, inVpc),
      idlePod(namespace, "plain", other, inVpc),
      balancedPod(namespace, "target", other, inVpc),
      balancedPod(namespace, "second", central, inVpc),
    ],
    90_000,
  )) as [Thing, Thing, Thing, Thing];
  for (const last of [110, 111, 112])
    await useObject(t, world, ovnEipKind.type, `${NAME}-${last}`, {
      externalSubnet: network.name,
      v4Ip: network.address(last, "v4"),
      v6Ip: network.address(last, "v6"),
    });
  const forwarded = { externalPort: `${FORWARDED_PORT}`, internalPort: `${ECHO_PORT}`, protocol: "udp" };
  await applyAll(t, world, [
    [ovnFipKind, { ovnEip: `${NAME}-110`, ipName: `floating.${namespace}` }],
    [ovnSnatRuleKind, { ovnEip: `${NAME}-111`, vpcSubnet: `${NAME}-pods` }],
    [ovnDnatRuleKind, { ovnEip: `${NAME}-111`, ipName: `target.${namespace}`, ...forwarded }],
  ]);
  const ports = [
    { name: "udp", port: ECHO_PORT, protocol: "UDP" },
    { name: "tcp", port: 80, protocol: "TCP" },
  ];
  await useObject(t, world, routerLbRuleKind.type, NAME, {
    ...{ ovnEip: `${NAME}-112`, vpc, namespace, ports },
    selector: Object.entries(BALANCED).map(([name, value]) => `${name}: ${value}`),
  });
  await areReady(world, routerLbRuleKind.type, [NAME]);
  const services = new Objects(world.kube, SERVICES);
  await services.ready();
  t.teardown(() => services.stop());
  await world.kube.create<Thing>(SERVICES, {
    metadata: {
      ...{ namespace, name: "balanced" },
      annotations: { "ovn.kubernetes.io/service_external_ip_from_subnet": network.name },
    },
    spec: {
      ...{ type: "LoadBalancer", ipFamilyPolicy: "RequireDualStack", selector: BALANCED },
      ports,
    },
  } as never);
  const balanced = await services.until(`${namespace}/balanced`, "has addresses", (service) => {
    const ips = ((service?.status?.loadBalancer?.ingress ?? []) as readonly { readonly ip: string }[]).map(
      ({ ip }) => ip,
    );
    const of = (six: boolean) => ips.find((ip) => ip.includes(":") === six);
    const [v4, v6] = [of(false), of(true)];
    return v4 !== undefined && v6 !== undefined && { v4, v6 };
  });
  const outside = lab.node(OUTSIDE).netns;
  const netns = ({ metadata }: Thing): string => podNetns(metadata.uid);
  for (const where of [outside, netns(floating), netns(target), netns(second)]) {
    const echo = await echoServer(where, ECHO_PORT);
    t.teardown(() => echo.stop());
  }
  for (const pod of [floating, target, second]) await clientAddressServer(t, netns(pod), addressesOf(pod));
  await syncNodes(world);

  const flows = (family: OutsideFamily): readonly Flow[] => {
    const { router, address } = network;
    const to = { port: ECHO_PORT };
    return [
      { what: "to a floating IP", from: outside, address: address(110, family), ...to },
      { what: "from a floating IP", from: netns(floating), address: router[family], ...to },
      { what: "from a subnet with an OvnSnatRule", from: netns(plain), address: router[family], ...to },
      { what: "to a port of an OvnDnatRule", from: outside, address: address(111, family), port: FORWARDED_PORT },
      { what: "to a LoadBalancer Service", from: outside, address: balanced[family], ...to },
      { what: "to a RouterLBRule", from: outside, address: address(112, family), ...to },
    ].map((flow) => ({ ...flow, what: `${flow.what}, ${family}` }));
  };
  const connections = (family: OutsideFamily): readonly (readonly [string, string, string])[] => {
    const { address } = network;
    const both = [1, 2].flatMap(() => [
      ["to a LoadBalancer Service", outside, balanced[family]] as const,
      ["to a RouterLBRule", outside, address(112, family)] as const,
    ]);
    return [
      ["from a floating IP", netns(floating), EXTERNAL[family]] as const,
      ["from a subnet with an OvnSnatRule", netns(plain), EXTERNAL[family]] as const,
      ["to a floating IP", outside, address(110, family)] as const,
      ...both,
    ].map(([what, from, to]) => [`${what}, ${family}`, from, to]);
  };
  for (const { what, begin, end } of wholeNodeFaults(world, victim)) {
    await t.test(`the gateway node is ${what}: another one takes over`, async (t) => {
      await hostedBy(world, port, victim);
      await delay(SETTLED_MS);
      const held = await holdAll(t, FAMILIES.flatMap(connections));
      const streams = await Promise.all(
        FAMILIES.flatMap(flows).map(async (flow) => ({
          flow,
          stream: await datagramStream(flow.from, flow.address, flow.port, EVERY_MS),
        })),
      );
      await delay(3_000);
      const begun = Date.now();
      let ended: number;
      let restored: number;
      try {
        await begin();
        t.comment(`${await takenOverFrom(world, port, victim)} took over`);
        await delay(Math.max(3_000, begun + 8_000 - Date.now()));
        ended = Date.now();
        await goOn(t, held, begun);
      } finally {
        restored = Date.now();
        await end();
      }
      const lost: number[] = [];
      const [times, limits] = [
        { begun, ended, restored },
        { everyMs: EVERY_MS, mostS: MOST_S },
      ];
      for (const { flow, stream } of streams) lost.push(lostInFault(t, flow.what, await stream.stop(), times, limits));
      t.comment(`${what}: ${Math.min(...lost).toFixed(2)} to ${Math.max(...lost).toFixed(2)} s lost`);
      t.ok(Math.max(...lost) > 0.3, "flows went by the node that failed");
    });
  }
});
