// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { FABRIC, linksOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { longestSilence, type Shot } from "../../../hack/traffic/stream.ts";
import { externalEipName } from "../../../src/compile/vpc/vpc-external.ts";
import { VPCS } from "../../../src/kube/resources.ts";
import { type ExternalNetwork, gatewayOrder } from "./external-network.ts";
import { useObject } from "./use-object.ts";
import { type World, whyNoLab } from "./world.ts";

/** Why a test of nodes that OVN replaces is skipped; false if it is not. */
export function whyNotThreeNodes(): string | false {
  const lab = whyNoLab();
  if (lab !== false) return lab;
  return (openLab().settings?.nodes ?? 0) >= 3 ? false : "needs three nodes: of two chassis, OVN decides nothing";
}

/** A way in which a whole node fails. */
export interface WholeNodeFault {
  readonly what: string;
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
}

/** The ways in which a node that is connected to a network outside (`useExternalNetwork`) fails. After the last one its interface there does not come back. */
export function wholeNodeFaults({ lab }: World, node: string): readonly WholeNodeFault[] {
  const links = async (state: "up" | "down"): Promise<void> => {
    for (const link of linksOf(node)) await lab.node(FABRIC).exec(["ip", "link", "set", link.port, state]);
    await lab.node(OUTSIDE).exec(["ip", "link", "set", `out-${node}`, state]);
  };
  return [
    { what: "frozen", begin: async () => lab.pause(node), end: async () => lab.resume(node) },
    { what: "unplugged", begin: () => links("down"), end: () => links("up") },
    { what: "killed", begin: () => lab.kill(node), end: () => lab.up() },
  ];
}

/** When a fault began, until when losses count, and when the node was let go on; in ms since 1970. */
export interface FaultTimes {
  readonly begun: number;
  readonly ended: number;
  readonly restored: number;
}

/** The longest silence of a flow with a datagram every `everyMs` in a fault, in s. It must have gone through before, and the silence be at most `mostS`. */
export function lostInFault(
  t: Test,
  flow: string,
  shots: readonly Shot[],
  { begun, ended, restored }: FaultTimes,
  { everyMs, mostS }: { readonly everyMs: number; readonly mostS: number },
): number {
  const before = shots.filter(({ sent }) => sent < begun).slice(-20);
  t.ok(
    before.some(({ echoed }) => echoed !== undefined),
    `${flow}: it went through before`,
  );
  // What a frozen node kept in its sockets and forwards when it goes on was lost for as long.
  const meanwhile = shots
    .filter(({ sent }) => sent >= begun && sent < ended)
    .map(({ sent, echoed }) => (echoed === undefined || echoed >= restored ? { sent } : { sent, echoed }));
  const seconds = longestSilence(meanwhile, everyMs);
  t.ok(seconds <= mostS, `${flow}: ${seconds.toFixed(2)} s lost`);
  return seconds;
}

/** Creates a VPC whose port in a network outside is hosted by a node while that is alive. Returns its name, which begins with `name`. */
export async function useVpcAt(
  t: Test,
  world: World,
  { network, host }: { readonly network: ExternalNetwork; readonly host: string },
  name: string,
  more: object,
): Promise<string> {
  const spec = { enableExternal: true, extraExternalSubnets: [network.name], ...more };
  // The order of the nodes follows from the VPC's name.
  for (let i = 0; i < 30; i++) {
    const vpc = `${name}-${i}`;
    await useObject(t, world, VPCS, vpc, spec);
    const [first] = await gatewayOrder(world, externalEipName(vpc, network.name));
    if (first === host) return vpc;
    await world.kube.delete(VPCS, { name: vpc });
  }
  throw new Error(`none of 30 VPCs has its port on ${host}`);
}
