// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "tap";
import { addressOf, FABRIC, linksOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer, longestSilence } from "../../../hack/traffic/stream.ts";
import type { Thing } from "./objects.ts";
import { idlePod, isReady, run, useNamespace } from "./pods.ts";
import { judged, useSubnet } from "./subnets.ts";
import { when } from "./when.ts";
import type { World } from "./world.ts";

const PORT = 9_000;
const EVERY_MS = 10;
/**
 * Number of pods on each node with an ECMP gateway: enough that some use each of two nodes. Flows of one pod would not suffice: Open vSwitch's userspace datapath
 * chooses by addresses alone for UDP (`hash(sym_l4)`, OVS lib/flow.c, `flow_hash_symmetric_l4`).
 */
const PODS = 5;
/** Minimum loss of a flow through a node that fails, in s: less than the detection time of BFD. */
const LEAST_S = 0.3;
/** The limit on a heavily loaded machine, in s. The target is 3 s. */
const MOST_S = 10;
/** The Ready condition of a node changes after 40 s; before that only the tunnels show a failure. */
const WATCH_MS = 20_000;

/** The nodes of a test: traffic of a centralized subnet leaves through `first`, or else through `second`. */
export interface FailoverNodes {
  readonly first: string;
  readonly second: string;
  /** The nodes of its pods. */
  readonly pods: readonly string[];
}

/** A failure and the expected effect. */
export interface NodeFault {
  readonly what: string;
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
  /** Resolves when the fault has taken effect, as far as objects show it. */
  effective(): Promise<unknown>;
  /**
   * The effect on the flows of the pods on a node: `all` or `some` of them use the failed part, `none` does and
   * continues, or it is not known beforehand.
   */
  loses(flows: { readonly node: string; readonly ecmp: boolean }): "all" | "some" | "none" | "unknown";
}

/** Subnets with a gateway each and with ECMP, their pods, and an echo server outside. */
export interface FailoverWorld {
  /** Resolves when the subnet without ECMP names a node as its active gateway. */
  active(node: string): Promise<unknown>;
  /** Takes the ports of a node's links in the fabric down or up. */
  links(node: string, state: "up" | "down", bridges?: readonly string[]): Promise<unknown>;
  /** Injects a fault while each pod sends a datagram each 10 ms, and checks how many of them are lost. */
  suffer(t: Test, fault: NodeFault): Promise<void>;
}

/** The loss of one flow. */
interface Loss {
  readonly node: string;
  readonly ecmp: boolean;
  readonly seconds: number;
}

/** Checks which flows used the failed part. The loss of a stream without a fault depends on the machine, so unaffected streams are used for comparison. */
function judgeShares(t: Test, lost: readonly Loss[], loses: NodeFault["loses"]): void {
  const stopped: number[] = [];
  const kept: number[] = [];
  for (const [flows, of] of Map.groupBy(lost, ({ node, ecmp }) => `${ecmp ? "ECMP" : "one gateway"}, from ${node}`)) {
    const seconds = of.map(({ seconds }) => seconds);
    const by = seconds.filter((s) => s > LEAST_S);
    const share = loses(of[0]!);
    if (share === "all") t.equal(by.length, of.length, `${flows}: all went by what failed`);
    if (share === "some") t.ok(by.length > 0, `${flows}: some went by what failed`);
    if (share === "all") stopped.push(...seconds);
    if (share === "none") kept.push(...seconds);
  }
  if (kept.length > 0 && stopped.length > 0)
    t.ok(
      Math.max(...kept) < Math.min(...stopped) / 2,
      `the others keep going: ${kept.join(", ")} s lost, and ${stopped.join(", ")} s`,
    );
}

/** Moves the controller to other nodes: otherwise it could fail together with the node. */
async function moveController(world: World, from: string): Promise<void> {
  const there = world.own("kube-ovn-controller", from);
  if (there.length === 0) return;
  await world.lab.kubectl(["cordon", from]);
  try {
    for (const { metadata } of there) await world.lab.kubectl(["-n", "kube-system", "delete", "pod", metadata.name]);
    await when(
      (listener) => world.pods.subscribe(listener),
      () => {
        const running = world.own("kube-ovn-controller");
        return running.length > 0 && running.every((pod) => pod.spec.nodeName !== from && isReady(pod));
      },
      `the controller runs, and not on ${from}`,
      60_000,
    );
  } finally {
    await world.lab.kubectl(["uncordon", from]);
  }
}

/** Creates the objects with which a fail-over is measured; all names begin with `name`. */
export async function useFailover(t: Test, world: World, name: string, nodes: FailoverNodes): Promise<FailoverWorld> {
  const { lab } = world;
  const { first, second } = nodes;
  t.same(world.own("ovn-central", first), [], `OVN's databases are not on ${first}`);
  await moveController(world, first);
  const namespace = await useNamespace(t, world, name);
  const gateway = { gatewayType: "centralized", gatewayNode: `${first},${second}`, natOutgoing: true };
  const kinds = [
    { subnet: `${name}-one`, count: 1, spec: { cidrBlock: "10.45.0.0/24,fd00:10:45::/120" }, ecmp: false },
    { subnet: `${name}-ecmp`, count: PODS, spec: { cidrBlock: "10.46.0.0/24,fd00:10:46::/120" }, ecmp: true },
  ] as const;
  for (const { subnet, spec, ecmp: enableEcmp } of kinds) {
    await useSubnet(t, world, subnet, { ...spec, ...gateway, enableEcmp });
    await judged(world, subnet);
  }
  const places = kinds.flatMap(({ subnet, ecmp, count }) =>
    nodes.pods.flatMap((node) =>
      Array.from({ length: count }, (_, i) => ({ subnet, ecmp, node, pod: `${subnet}-${node}-${i}` })),
    ),
  );
  const pods: readonly Thing[] = await run(
    world,
    places.map(({ subnet, node, pod }) =>
      idlePod(namespace, pod, node, { "ovn.kubernetes.io/logical_switch": subnet }),
    ),
  );
  // An interface's address: a server that listens on all addresses replies to UDP from the address of the route back.
  const outside = addressOf(OUTSIDE);
  const echo = await echoServer(lab.node(OUTSIDE).netns, PORT);
  t.teardown(() => echo.stop());
  const flows = places.flatMap(({ subnet, ecmp, node }, i) =>
    [outside.v4, outside.v6].map((address) => {
      const family = address.includes(":") ? "v6" : "v4";
      return { subnet, ecmp, node, family, netns: podNetns(pods[i]?.metadata.uid ?? ""), address };
    }),
  );

  return {
    active: (node) =>
      world.subnets.until(
        `${name}-one`,
        `leaves by ${node}`,
        (subnet) => subnet?.status?.activateGateway === node,
        120_000,
      ),
    links: (node, state, bridges = ["br0", "br1"]) =>
      Promise.all(
        linksOf(node).flatMap(({ port, bridge }) =>
          bridges.includes(bridge) ? [lab.node(FABRIC).exec(["ip", "link", "set", port, state])] : [],
        ),
      ),
    async suffer(t, { what, begin, end, effective, loses }) {
      const streams = await Promise.all(
        flows.map(async (flow) => ({
          ...flow,
          stream: await datagramStream(flow.netns, flow.address, PORT, EVERY_MS),
        })),
      );
      await delay(3_000);
      const begun = Date.now();
      let taken: number;
      let ended: number;
      try {
        await begin();
        await effective();
        taken = (Date.now() - begun) / 1000;
        await delay(Math.max(1_000, Math.min(5_000, WATCH_MS - taken * 1000)));
        ended = Date.now();
      } finally {
        await end();
      }
      const lost: Loss[] = [];
      for (const { subnet, ecmp, node, family, stream } of streams) {
        const flow = `${subnet}, ${family}, from ${node}`;
        const shots = await stream.stop();
        const before = shots.filter(({ sent }) => sent < begun);
        const through = before.slice(-10).some(({ echoed }) => echoed !== undefined);
        t.ok(through, `${flow}: it went through before`);
        const seconds = longestSilence(
          shots.filter(({ sent }) => sent >= begun && sent < ended),
          EVERY_MS,
        );
        t.ok(seconds <= MOST_S, `${flow} has lost ${seconds.toFixed(2)} s`);
        t.comment(
          `${what}, ${flow}: ${seconds.toFixed(2)} s lost, ${longestSilence(before, EVERY_MS).toFixed(2)} s before`,
        );
        lost.push({ node, ecmp, seconds });
      }
      judgeShares(t, lost, loses);
      t.comment(`${what}: effective after ${taken.toFixed(2)} s`);
    },
  };
}

/** Faults of the first gateway node, after which the second one takes over. */
function deaths(world: World, { first, second }: FailoverNodes, failover: FailoverWorld): readonly NodeFault[] {
  const { lab } = world;
  const { links, active } = failover;
  const common: Pick<NodeFault, "effective" | "loses"> = {
    effective: () => active(second),
    loses: ({ ecmp }) => (ecmp ? "some" : "all"),
  };
  return [
    { what: "frozen", begin: async () => lab.pause(first), end: async () => lab.resume(first), ...common },
    { what: "unplugged", begin: () => links(first, "down"), end: () => links(first, "up"), ...common },
    { what: "killed", begin: () => lab.kill(first), end: () => lab.up(), ...common },
  ];
}

/** Time after `active`, in ms, until the sessions of a group are up and all flows use the right nodes. */
export const SETTLED_MS = 6_000;

/** Checks with packets that the second gateway node takes over in whatever way the first one dies, and that the first one is used again afterwards. */
export async function sufferDeaths(t: Test, world: World, nodes: FailoverNodes): Promise<void> {
  const failover = await useFailover(t, world, "weft-failover", nodes);
  for (const fault of deaths(world, nodes, failover)) {
    await t.test(`${nodes.first} is ${fault.what}`, async (t) => {
      await failover.active(nodes.first);
      await delay(SETTLED_MS);
      await failover.suffer(t, fault);
      await failover.active(nodes.first);
    });
  }
}
