// SPDX-License-Identifier: Apache-2.0

import { globSync } from "node:fs";

const UNIT = ["src/**/*.test.ts", "hack/**/*.test.ts", "test/{policy-oracle,histories,stability}/**/*.test.ts"];
/** The longest ones begin first, so that no processor is idle at the end. */
const LONGEST = [
  "test/policy-oracle/",
  "test/histories/",
  "src/ovsdb/raft.",
  "src/controller/",
  "src/policy/",
  "src/ipam/",
  "src/kube/",
];

/** The simulation uses all processors, but not all the time. It takes longest, so it begins first. */
export const SIMULATION: readonly string[] = globSync("test/sim/**/*.test.ts");

/** The tests that need no lab, in the order in which they begin. */
export function unitFiles(): readonly string[] {
  const place = (file: string): number => {
    const index = LONGEST.findIndex((start) => file.startsWith(start));
    return index < 0 ? LONGEST.length : index;
  };
  return globSync(UNIT).sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

export const SMOKE = ["test/e2e/smoke/**/*.test.ts"];
export const RELEASE = ["test/e2e/release/**/*.test.ts"];
/** Tests that must pass without kube-proxy, on a lab of their own. */
export const NO_KUBE_PROXY = [
  "test/e2e/no-kube-proxy/**/*.test.ts",
  ...["reach", "services"].map((name) => `test/e2e/smoke/${name}.test.ts`),
  ...["metallb", "metallb-bgp", "tenants-table"].map((name) => `test/e2e/release/${name}.test.ts`),
];
/** Tests that need three nodes: with two chassis, OVN cannot decide which one is disconnected. */
export const THREE_NODES = ["test/e2e/three-nodes/**/*.test.ts"];
/** Tests on a lab of three nodes, each with a central. */
export const THREE_CENTRALS = ["test/e2e/three-centrals/**/*.test.ts"];
/** Tests that must pass with another plugin for pods' primary interfaces. */
export const NON_PRIMARY = ["test/e2e/non-primary/**/*.test.ts"];
/** Tests that depend on the versions of northd, ovn-controller and the switch. */
export const VERSIONS = [
  ...SMOKE,
  ...["egress-services", "fragments", "services", "sources"].map((name) => `test/e2e/release/${name}.test.ts`),
];

/** Files on one lab that may run side by side. */
export interface PlanStage {
  /** The files of a lane run one after the other, the lanes side by side. */
  readonly lanes: readonly (readonly string[])[];
  /** Whether the unit tests may run at the same time; they leave the processors to it but use them. */
  readonly besideUnitTests: boolean;
}

/**
 * What may run side by side, by its name among the smoke tests. Each makes objects of its own, judges these alone, and touches no
 * process of Weft's and nothing that holds for the whole cluster but what no other lane of its stage knows of. None asks for a time of less than some
 * seconds, or for each datagram, as `policy` and `security-groups` do, which send one every 5 ms: while others make VPCs, some are late or lost.
 */
const SIDE_BY_SIDE: readonly (readonly string[])[] = [
  // The examples wait for most of their time. They have the one BaselineAdminNetworkPolicy, and `weftctl status` of theirs wants each subnet to be ready.
  // The entry points and `supervise` are started in namespaces of their own, beside the lab. No policy of the examples selects pods of `explain`.
  ["docs"],
  ["crds", "reach", "entry-points", "supervise", "explain", "apiserver-to-pods", "vip", "vpc"],
];

/**
 * Tests that have the lab for themselves, and depend as little on times and single datagrams as the files above. All
 * others run when the unit tests have ended.
 */
const BESIDE_UNIT_TESTS: readonly string[] = [
  ...["admin-policy", "attachments", "churn", "cni", "install", "lab", "objects", "refusals", "services"],
];

/**
 * The stages in which the lab tests of some patterns run, those beside the unit tests first. An unknown file runs
 * alone.
 */
export function labStages(patterns: readonly string[]): readonly PlanStage[] {
  const files = globSync(patterns).sort();
  const smoke = (name: string): string => `test/e2e/smoke/${name}.test.ts`;
  const known = [...SIDE_BY_SIDE, ...BESIDE_UNIT_TESTS.map((name) => [name])].flat().map(smoke);
  const stages = [
    SIDE_BY_SIDE.map((lane) => lane.map(smoke)),
    ...BESIDE_UNIT_TESTS.map((name) => [[smoke(name)]]),
    ...files.filter((file) => !known.includes(file)).map((file) => [[file]]),
  ];
  return stages
    .map((lanes) => lanes.map((lane) => lane.filter((file) => files.includes(file))))
    .filter((lanes) => lanes.flat().length > 0)
    .map((lanes) => ({ lanes, besideUnitTests: lanes.flat().every((file) => known.includes(file)) }));
}
