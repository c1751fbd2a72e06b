// SPDX-License-Identifier: Apache-2.0

import type { Random } from "./random.ts";
import type { Action } from "./script.ts";

const NODES = ["n1", "n2", "n3", "n4"] as const;
const SUBNETS = { "way-a": "10.85.0.0/28", "way-b": "10.86.0.0/28" } as const;

/** Mostly enough nodes for groups of three, and a subnet whose gateways they are. */
export function chassisAtFirst(random: Random): Action[] {
  const nodes = random.weighted({ 2: 1, 3: 2, 4: 2 });
  return [
    ...NODES.slice(0, Number(nodes)).map((name, i): Action => {
      return { at: random.int(0, 3_000), do: "node", name, address: `172.18.0.${11 + i}` };
    }),
    { at: random.int(0, 6_000), do: "subnet", ...wayOf(random, "way-a") },
  ];
}

/**
 * At the end of a run, when delayed messages have arrived: all nodes are up, and one after the other dies, with pauses between them, so that it can
 * be checked how soon that is detected. The last one may stay dead.
 */
export function quietDeaths(random: Random, length: number): Action[] {
  const at = length + 100_000;
  const scene = NODES.flatMap((name, i): Action[] => [
    { at, do: "node", name, address: `172.18.0.${11 + i}` },
    { at: at + 2_000, do: "chassis-start", name },
    { at: at + 10_000, do: "chassis-delete", name },
  ]);
  const way: Action = { at, do: "subnet", ...wayOf(random, "way-a") };
  const count = random.int(1, 3);
  const deaths = Array.from({ length: count }, (_, i): Action => {
    const dead = {
      at: length + 170_000 + i * 80_000,
      do: "chassis-dead",
      name: random.pick(["n1", "n2", "n3"]),
    } as const;
    return i === count - 1 && random.chance(0.6) ? dead : { ...dead, for: random.pick([20_000, 55_000]), back: "same" };
  });
  return [...scene, way, ...deaths];
}

/** Events of a node's machine, or of a subnet for which it is a gateway. */
export function chassisAction(random: Random, at: number): Action[] {
  const name = random.pick(NODES);
  const what = random.weighted({ dead: 5, gateways: 3, node: 1, delete: 1, database: 1 });
  switch (what) {
    case "dead": {
      const back = random.pick(["same", "same", "elsewhere", "reinstalled"] as const);
      const encap = `172.18.1.${random.int(1, 4)}`;
      // Some never come back. A short failure is not detected, a longer one only by BFD.
      if (random.chance(0.25)) return [{ at, do: "chassis-dead", name }];
      const ms = random.pick([500, 3_000, 15_000, 60_000]);
      const gone: Action = { at, do: "chassis-dead", name, for: ms, back, encap };
      if (back === "same" || random.chance(0.4)) return [gone];
      return [gone, { at: at + ms + random.int(5_000, 45_000), do: "chassis-delete", name }];
    }
    case "gateways":
      return [{ at, do: "subnet", ...wayOf(random, random.pick(["way-a", "way-b"])) }];
    case "node": {
      const gone: Action = { at, do: "delete-node", name };
      const anew: Action = {
        at: at + random.int(500, 30_000),
        do: "node",
        name,
        address: `172.18.0.${random.int(11, 16)}`,
      };
      return random.chance(0.7) ? [gone, anew] : [gone];
    }
    case "delete":
      return [{ at, do: "chassis-delete", name }];
    case "database":
      return [{ at, do: "sb-down", for: random.int(100, 15_000), forget: random.chance(0.5) }];
  }
}

function wayOf(random: Random, name: keyof typeof SUBNETS) {
  const gatewayNode = random.pick(["n1,n2", "n2,n3,n1", "n3,n1", "n4,n2", "n2"]);
  const spec = { cidrBlock: SUBNETS[name], gatewayType: "centralized", gatewayNode, enableEcmp: random.chance(0.4) };
  return { name, spec };
}
