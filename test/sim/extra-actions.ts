// SPDX-License-Identifier: Apache-2.0

import { bfdAction, bfdAtFirst } from "./bfd.ts";
import { chassisAction, chassisAtFirst, quietDeaths } from "./chassis.ts";
import { clockJump, clocksAtFirst } from "./clock-jumps.ts";
import { natAction, natAtFirst } from "./nat.ts";
import { Random } from "./random.ts";
import type { Action } from "./script.ts";
import { tenantAction, tenantsAtFirst } from "./tenants.ts";

/**
 * Additions to the scripts of `generate.ts`: each has a separate random stream, so that the rest is
 * unchanged.
 */
export const EXTRAS = ["throws", "hostile", "nodes", "tenants", "chassis", "bfd", "clocks", "nat"] as const;
/** One of {@link EXTRAS}. */
export type Extra = (typeof EXTRAS)[number];
/** The extras that every script may have. */
export const USUAL: readonly Extra[] = [];

/** The actions that one kind of extra adds to the script of a seed; often none. */
export function extraActions(extra: Extra, seed: number, length: number, replicas: number): Action[] {
  const random = new Random(`script/${seed}/${extra}`);
  if (!random.chance(OFTEN.has(extra) ? 0.8 : 0.4)) return [];
  const count = random.int(1, MOST[extra]);
  const last = extra === "chassis" ? quietDeaths(random, length) : [];
  return (BEGINNINGS[extra]?.(random) ?? []).concat(
    last,
    Array.from({ length: count }, () => random.int(1_000, length)).flatMap((at) => MAKERS[extra](random, at, replicas)),
  );
}

/** Maximum number of actions. */
const MOST: Readonly<Record<Extra, number>> = {
  throws: 6,
  hostile: 6,
  nodes: 15,
  tenants: 40,
  chassis: 15,
  bfd: 40,
  clocks: 10,
  nat: 60,
};
/** Those that most seeds have. */
const OFTEN: ReadonlySet<Extra> = new Set(["tenants", "chassis", "bfd", "clocks", "nat"]);

/** The initial objects. */
const BEGINNINGS: Partial<Readonly<Record<Extra, (random: Random) => Action[]>>> = {
  nodes: () => [{ at: 0, do: "daemons" }],
  tenants: tenantsAtFirst,
  chassis: chassisAtFirst,
  bfd: bfdAtFirst,
  clocks: clocksAtFirst,
  nat: natAtFirst,
};

const MAKERS: Readonly<Record<Extra, (random: Random, at: number, replicas: number) => Action[]>> = {
  throws,
  hostile,
  nodes,
  tenants: tenantAction,
  chassis: chassisAction,
  bfd: bfdAction,
  clocks: clockJump,
  nat: natAction,
};

const UNITS = [
  "pod",
  "pod",
  "pod",
  "subnet",
  "subnet",
  "vpc",
  "node",
  "namespace",
  "ippool",
  "vip",
  "group",
  "securitygroup",
];
const PLURALS = ["pods", "pods", "ips", "subnets", "vpcs", "nodes", "namespaces", "statefulsets", "ippools", "vips"];
const KINDS = ["pods", "pods", "ips", "subnets", "subnetSpecs", "nodes", "ipPools", "vips"];
const DERIVED = ["nameCollisions", "groups", "securityGroups"];

/** Events of nodes. */
function nodes(random: Random, at: number): Action[] {
  const pick = random.next();
  const thing = random.next();
  const down = random.pick([10, 500, 4_000, 20_000]);
  const what = random.weighted({
    crash: 4,
    within: 6,
    restart: 2,
    ovs: 2,
    change: 5,
    foreign: 3,
    gc: 1,
    forget: 3,
    mistake: 2,
  });
  switch (what) {
    case "crash":
      return [{ at, do: "daemon-crash", pick, down }];
    case "within":
      return [{ at, do: "daemon-crash", pick, down, steps: random.int(1, 60) }];
    case "restart":
      return [{ at, do: "daemon-restart", pick, down }];
    case "ovs":
      return [{ at, do: "ovs-restart", pick, down, database: random.chance(0.5) }];
    case "change": {
      const how = random.pick(["route", "address", "down", "ovn0", "table", "port", "pair"] as const);
      return [{ at, do: "node-change", pick, thing, how }];
    }
    case "foreign":
      return [{ at, do: "node-foreign", pick, thing, what: random.pick(["link", "route", "rule", "table", "port"]) }];
    case "gc":
      return [{ at, do: "cni-gc", pick }];
    case "forget":
      return [{ at, do: "cni-forget", pick, thing, namespace: random.chance(0.5) }];
    case "mistake": {
      const mended: Action = { at: at + random.int(5_000, 40_000), do: "subnet-mistake", pick, thing, mend: true };
      const made: Action = { at, do: "subnet-mistake", pick, thing, mend: false };
      return random.chance(0.5) ? [made, mended] : [made];
    }
  }
}

const HOSTILE = {
  subnets: 4,
  vpcs: 2,
  ippools: 2,
  vips: 2,
  ips: 2,
  ovneips: 1,
  switchlbrules: 2,
  vpcdnses: 2,
  dnsconfig: 2,
  securitygroups: 1,
  dnsnameresolvers: 1,
  attachments: 1,
  adminpolicies: 1,
  status: 2,
  annotations: 2,
  ports: 0.5,
  names: 1,
  policy: 0.5,
};

/** Unexpected input, once or a few times in a row. */
function hostile(random: Random, at: number): Action[] {
  return Array.from({ length: random.int(1, 3) }, (_, i) => ({
    at: at + i * random.int(1, 500),
    do: "hostile",
    what: random.weighted(HOSTILE),
    pick: random.int(1, 1_000_000),
  }));
}

/** Code that throws, for one object or several or all, for a while; there may be a crash meanwhile, because the successor has the same input. */
function throws(random: Random, at: number): Action[] {
  const where = random.weighted({ read: 3, compile: 3, project: 3, index: 2, derive: 1 });
  const names = { read: UNITS, compile: UNITS, project: PLURALS, index: KINDS, derive: DERIVED }[where];
  const period: Action = {
    at,
    do: "throw",
    site: `${where}:${random.pick(names)}`,
    pick: random.int(1, 1_000_000),
    share: random.pick([0.15, 0.3, 0.5, 1]),
    ...(random.chance(0.3) && { chance: random.pick([0.1, 0.5]) }),
    for: random.int(500, 40_000),
  };
  if (!random.chance(0.25)) return [period];
  return [period, { at: at + random.int(200, 5_000), do: "crash-leader", down: 500, server: "at once" }];
}
