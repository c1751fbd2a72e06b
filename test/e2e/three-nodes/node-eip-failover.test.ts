// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { OUTSIDE } from "../../../hack/lab/topology.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { nodeEipPortName } from "../../../src/api/names.ts";
import { externalEipName } from "../../../src/compile/vpc/vpc-external.ts";
import { ovnEipKind } from "../../../src/kinds/ovn-eip.ts";
import { FAMILIES, hostedBy, takenOverFrom, useExternalNetwork } from "../testing/external-network.ts";
import { SETTLED_MS } from "../testing/failover.ts";
import { lostInFault, useVpcAt, wholeNodeFaults, whyNotThreeNodes } from "../testing/node-faults.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import { judged, readiness, useSubnet } from "../testing/subnets.ts";
import { useObject } from "../testing/use-object.ts";
import { openWorld, syncNodes } from "../testing/world.ts";

const NAME = "weft-hop";
const ECHO_PORT = 7081;
const EVERY_MS = 10;
/** Enough that some go by each of two next hops: of UDP the userspace datapath chooses by addresses alone. */
const CLIENTS = 4;
/** The limit on a heavily loaded machine, in s. The target is 3 s. */
const MOST_S = 10;
/** What is behind the external network: by the VPC's static routes, and by its policies. */
const BEHIND = {
  routes: { v4: "172.31.82.1", v6: "fd00:31:82::1" },
  policies: { v4: "172.31.83.1", v6: "fd00:31:83::1" },
} as const;
const PODS = { v4: "10.81.0.0/24", v6: "fd00:10:81::/112" } as const;

t.setTimeout(590_000);

t.test("the loss of a node that is one of two next hops", { skip: whyNotThreeNodes() }, async (t) => {
  const world = await openWorld(t);
  const { lab } = world;
  const [central = "", other = "", victim = ""] = lab.nodes;
  t.same(world.own("ovn-central", victim), [], `OVN's databases are not on ${victim}`);
  const namespace = await useNamespace(t, world, NAME);
  const network = await useExternalNetwork(t, world, NAME, 81);
  const outside = lab.node(OUTSIDE);
  const ip = (...args: readonly string[]) => outside.exec(["ip", ...args]);
  const cidrs = (of: keyof typeof BEHIND, family: "v4" | "v6") =>
    family === "v4" ? `${BEHIND[of].v4.replace(/1$/, "0")}/24` : `${BEHIND[of].v6.replace(/1$/, "")}/64`;
  for (const address of Object.values(BEHIND).flatMap(({ v4, v6 }) => [`${v4}/32`, `${v6}/128`])) {
    await ip("addr", "replace", address, "dev", "lo");
    t.teardown(() => ip("addr", "del", address, "dev", "lo"));
  }
  const nodes = [other, victim].map((node, i) => ({
    node,
    address: { v4: network.address(121 + i, "v4"), v6: network.address(121 + i, "v6") },
  }));
  for (const { node, address } of nodes)
    await useObject(t, world, ovnEipKind.type, node, {
      ...{ externalSubnet: network.name, type: "lsp", v4Ip: address.v4, v6Ip: address.v6 },
    });
  const eips = new Objects<Thing>(world.kube, ovnEipKind.type);
  await eips.ready();
  t.teardown(() => eips.stop());
  for (const { node } of nodes) await eips.until(node, "is Ready", (eip) => readiness(eip)?.status === "True", 60_000);
  const vpc = await useVpcAt(t, world, { network, host: other }, NAME, {
    enableBfd: true,
    staticRoutes: FAMILIES.flatMap((family) => [
      ...nodes.map(({ address }) => ({ cidr: cidrs("routes", family), nextHopIP: address[family] })),
      { cidr: family === "v4" ? "0.0.0.0/0" : "::/0", nextHopIP: network.router[family] },
    ]),
    policyRoutes: FAMILIES.map((family) => ({
      priority: 1000,
      match: `ip${family.slice(1)}.dst == ${cidrs("policies", family)}`,
      action: "reroute",
      nextHopIP: nodes.map(({ address }) => address[family]).join(","),
    })),
  });
  await useSubnet(t, world, `${NAME}-pods`, { vpc, cidrBlock: `${PODS.v4},${PODS.v6}` });
  await judged(world, `${NAME}-pods`);
  const port = await world.nb.until("the VPC has a port outside", () =>
    [...world.nb.mirror.rows("Logical_Router_Port")].find(({ name }) => name === externalEipName(vpc, network.name)),
  );
  for (const [address = ""] of port.networks.map((text) => text.split("/"))) {
    const way = address.includes(":") ? ["-6", "route", "replace", PODS.v6] : ["route", "replace", PODS.v4];
    await ip(...way, "via", address);
  }
  const pods = await run(
    world,
    Array.from({ length: CLIENTS }, (_, i) =>
      idlePod(namespace, `client-${i}`, i % 2 === 0 ? central : other, {
        "ovn.kubernetes.io/logical_switch": `${NAME}-pods`,
      }),
    ),
    90_000,
  );
  const echo = await echoServer(outside.netns, ECHO_PORT);
  t.teardown(() => echo.stop());
  await syncNodes(world);

  const flows = pods.flatMap(({ metadata }) =>
    FAMILIES.flatMap((family) =>
      (["routes", "policies"] as const).map((way) => ({
        what: `${metadata.name}, by ${way}, ${family}`,
        netns: podNetns(metadata.uid),
        address: BEHIND[way][family],
      })),
    ),
  );
  const own = nodeEipPortName(victim);
  for (const { what, begin, end } of wholeNodeFaults(world, victim)) {
    await t.test(`the node is ${what}: another one takes its address over`, async (t) => {
      await hostedBy(world, own, victim);
      await delay(SETTLED_MS);
      const streams = await Promise.all(
        flows.map(async (flow) => ({
          ...flow,
          stream: await datagramStream(flow.netns, flow.address, ECHO_PORT, EVERY_MS),
        })),
      );
      await delay(3_000);
      const begun = Date.now();
      let ended: number;
      let restored: number;
      try {
        await begin();
        t.equal(await takenOverFrom(world, own, victim), other, "the other next hop has its address");
        await delay(Math.max(3_000, begun + 8_000 - Date.now()));
        ended = Date.now();
        await delay(1_500);
      } finally {
        restored = Date.now();
        await end();
      }
      const lost: number[] = [];
      const [times, limits] = [
        { begun, ended, restored },
        { everyMs: EVERY_MS, mostS: MOST_S },
      ];
      for (const { what: flow, stream } of streams) lost.push(lostInFault(t, flow, await stream.stop(), times, limits));
      lost.sort((a, b) => a - b);
      t.comment(`${what}: ${lost.map((seconds) => seconds.toFixed(2)).join(", ")} s lost`);
      t.ok(lost.at(-1)! > 0.3, "some flows went by the node that failed");
      t.ok(lost[0]! < lost.at(-1)! / 2, "and others by the other one");
    });
  }
});
