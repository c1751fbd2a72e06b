// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { addressOf, FABRIC, linksOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer, type Shot } from "../../../hack/traffic/stream.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-failover";
const PORT = 9_000;
const EVERY_MS = 10;
/** What fails, and what stands in for it. */
const [FIRST, SECOND] = ["weft-2", "weft-3"];
/** Flows through an ECMP gateway: with so many some go by each of two nodes (1 in 128 times all go by one). */
const FLOWS = 8;
/** What is still right on a machine with much else to do, in s. The target is 3 s. */
const MOST_S = 10;
/** kubelet's own state of a node takes 40 s; until then it is OVN that tells. */
const WATCH_MS = 20_000;

/** The longest time in which none of the datagrams sent came back, in s. */
function lostSeconds(shots: readonly Shot[]): number {
  let longest = 0;
  let since: number | undefined;
  for (const { sent, echoed } of shots) {
    if (echoed !== undefined) since = undefined;
    else {
      since ??= sent;
      longest = Math.max(longest, sent + EVERY_MS - since);
    }
  }
  return longest / 1000;
}

function noLab(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return (openLab().settings?.nodes ?? 0) >= 3
    ? false
    : "needs three nodes: of two chassis, OVN cannot tell which one is cut off";
}

t.test("another node takes over when a gateway node dies", { skip: noLab(), timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab } = world;
  const namespace = await useNamespace(t, world, NAME);
  const gateway = { gatewayType: "centralized", gatewayNode: `${FIRST},${SECOND}`, natOutgoing: true };
  const kinds = [
    { name: `${NAME}-one`, flows: 1, spec: { cidrBlock: "10.45.0.0/24,fd00:10:45::/120" } },
    { name: `${NAME}-ecmp`, flows: FLOWS, spec: { cidrBlock: "10.46.0.0/24,fd00:10:46::/120", enableEcmp: true } },
  ] as const;
  for (const { name, spec } of kinds) {
    await useSubnet(t, world, name, { ...spec, ...gateway });
    await judged(world, name);
  }
  const pods = await run(
    world,
    kinds.map(({ name }) => idlePod(namespace, name, "weft-1", { "ovn.kubernetes.io/logical_switch": name })),
  );
  // An address of an interface: what listens everywhere replies to UDP from the address of the way back.
  const outside = addressOf(OUTSIDE);
  const echo = await echoServer(lab.node(OUTSIDE).netns, PORT);
  t.teardown(() => echo.stop());
  const active = (node: string): Promise<unknown> =>
    world.subnets.until(
      `${NAME}-one`,
      `leaves by ${node}`,
      (subnet) => subnet?.status?.activateGateway === node,
      120_000,
    );
  const links = (state: "up" | "down"): Promise<unknown> =>
    Promise.all(linksOf(FIRST).map(({ port }) => lab.node(FABRIC).exec(["ip", "link", "set", port, state])));

  const faults = [
    { what: "frozen", begin: async () => lab.pause(FIRST), end: async () => lab.resume(FIRST) },
    { what: "unplugged", begin: () => links("down"), end: () => links("up") },
    { what: "killed", begin: () => lab.kill(FIRST), end: () => lab.up() },
  ];
  for (const { what, begin, end } of faults) {
    await t.test(`${FIRST} is ${what}`, async (t) => {
      await active(FIRST);
      // The sessions of the group are up, and all flows go by the right nodes.
      await delay(6_000);
      const streams = await Promise.all(
        kinds.flatMap(({ name, flows }, i) =>
          [outside.v4, outside.v6].flatMap((address) =>
            Array.from({ length: flows }, async () => ({
              name,
              family: address.includes(":") ? "v6" : "v4",
              stream: await datagramStream(podNetns(pods[i]?.metadata.uid ?? ""), address, PORT, EVERY_MS),
            })),
          ),
        ),
      );
      await delay(1_000);
      const begun = Date.now();
      let taken: number;
      let ended: number;
      try {
        await begin();
        await active(SECOND);
        taken = (Date.now() - begun) / 1000;
        await delay(Math.max(1_000, Math.min(5_000, WATCH_MS - taken * 1000)));
        ended = Date.now();
      } finally {
        await end();
      }
      const lost = await Promise.all(
        streams.map(async ({ name, family, stream }) => {
          const shots = await stream.stop();
          const before = shots.filter(({ sent }) => sent < begun);
          t.ok(
            before.slice(-10).some(({ echoed }) => echoed !== undefined),
            "the flow went through before",
          );
          return { name, family, seconds: lostSeconds(shots.filter(({ sent }) => sent >= begun && sent < ended)) };
        }),
      );
      for (const { name } of kinds) {
        for (const family of ["v4", "v6"]) {
          const of = lost.filter((one) => one.name === name && one.family === family).map(({ seconds }) => seconds);
          const most = Math.max(...of);
          t.comment(`${what}, ${name}, ${family}: ${most.toFixed(2)} s lost of the worst of ${of.length} flows`);
          t.ok(most <= MOST_S, `${name} over ${family} has lost ${most.toFixed(2)} s`);
          t.ok(most > 0, "the flow went by the node that failed");
        }
      }
      t.comment(`${what}: the status named ${SECOND} after ${taken.toFixed(2)} s`);
      await active(FIRST);
    });
  }
});
