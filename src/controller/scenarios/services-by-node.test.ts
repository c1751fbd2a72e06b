// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t, { type Test } from "tap";
import {
  addChassis,
  addEndpoints,
  addNode,
  addService,
  addVpc,
  followed,
  sampleFacts,
} from "../../compile/testing/sample-facts.ts";
import { deriverOf } from "../../facts/derivation.ts";
import type { FactStore } from "../../facts/store.ts";
import { nodeNames } from "../../kinds/node-names.ts";
import { zones } from "../../kinds/zones.ts";
import { type Plan, planSize } from "../../reconcile/transaction-plan.ts";
import { engineRig } from "../testing/engine-rig.ts";

const NODES = ["weft-1", "weft-2", "weft-3"];
const TABLES = new Set(["Load_Balancer", "Load_Balancer_Group", "Chassis_Template_Var"]);
const ports = [{ protocol: "TCP", port: 80 }];

interface Rig {
  readonly facts: FactStore;
  readonly idle: () => Promise<void>;
  /** The plans since the last call. */
  readonly plans: () => readonly Plan[];
  /** The rows of Services and nodes' variables. */
  readonly rows: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** An engine over an empty database, with the facts that it follows. */
async function rig(t: Test, prepare: (facts: FactStore) => void = () => undefined): Promise<Rig> {
  const facts = sampleFacts();
  addVpc(facts, "team-a", {});
  prepare(facts);
  followed(facts, deriverOf(facts, zones));
  followed(facts, deriverOf(facts, nodeNames));
  const { engine, northbound, plans, close } = await engineRig(t, facts, { batch: 1_000 });
  return {
    ...{ facts, plans, close },
    idle: () => engine.whenIdle(),
    rows: () =>
      [...northbound.rows()]
        .filter(({ table }) => TABLES.has(table))
        .map(({ table, uuid, columns }) => JSON.stringify([table, uuid, sorted(columns)]))
        .sort(),
  };
}

/** Maps with sorted keys, because the database returns them unordered. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

const endpointOn = (address: string, nodeName: string, zone?: string, byNode = false) => ({
  addresses: [address],
  nodeName,
  hints: {
    ...(zone !== undefined && { forZones: [{ name: zone }] }),
    ...(byNode && { forNodes: [{ name: nodeName }] }),
  },
});

t.test("an endpoint's change is one entry of one node, or one load balancer for its zone", async (t) => {
  const SERVICES = 200;
  const { facts, idle, plans, close } = await rig(t, (facts) => {
    for (const [i, node] of NODES.entries()) {
      addNode(facts, node, `172.18.0.${11 + i}`);
      addChassis(facts, node, `c-${node}`, i === 0 ? "a" : "b");
    }
    for (let i = 0; i < SERVICES; i++) {
      const clusterIPs = [`10.96.0.${i}`];
      addService(facts, `s${i}`, { clusterIPs, ports, ...(i % 2 === 0 && { internalTrafficPolicy: "Local" }) });
      addEndpoints(facts, `s${i}`, `s${i}-1`, {
        ports,
        endpoints: [endpointOn(`10.16.1.${i}`, "weft-1", "a"), endpointOn(`10.16.2.${i}`, "weft-2", "b")],
      });
    }
  });
  t.teardown(close);
  plans();
  const change = async (service: string, endpoints: readonly object[]): Promise<Plan> => {
    addEndpoints(facts, service, `${service}-1`, { ports, endpoints: endpoints as never });
    await idle();
    const [plan, ...more] = plans();
    t.same(more, []);
    return plan as Plan;
  };
  const [one, two] = [endpointOn("10.16.1.8", "weft-1", "a"), endpointOn("10.16.2.8", "weft-2", "b")];
  const added = await change("s8", [one, two, endpointOn("10.16.2.208", "weft-2", "b")]);
  t.equal(planSize(added), 1);
  t.match(added.mutations, [{ table: "Chassis_Template_Var", insert: { length: 1 }, delete: { length: 1 } }]);
  const moved = await change("s8", [one, two, endpointOn("10.16.3.8", "weft-3", "b")]);
  t.equal(planSize(moved), 2, "the node that it leaves, and the one that it comes to");
  const [near, far] = [endpointOn("10.16.1.9", "weft-1", "a"), endpointOn("10.16.2.9", "weft-2", "b")];
  const zonal = await change("s9", [near, far, endpointOn("10.16.2.209", "weft-2", "b")]);
  t.equal(planSize(zonal), 1, "the other zone's is left alone");
  t.match(zonal.updates, [{ row: { label: "service/default/s9/tcp/zone4/b" } }]);
  const [here, there] = [endpointOn("10.16.1.11", "weft-1", "a", true), endpointOn("10.16.2.11", "weft-2", "b", true)];
  await change("s11", [here, there]);
  const more = await change("s11", [here, there, endpointOn("10.16.2.211", "weft-2", "b", true)]);
  t.equal(planSize(more), 2, "with node hints: its node's entry, and the load balancer of its zone's other nodes");
  await change("s11", [endpointOn("10.16.1.11", "weft-1", "a"), endpointOn("10.16.2.11", "weft-2", "b")]);

  addNode(facts, "weft-4", "172.18.0.14");
  addChassis(facts, "weft-4", "c-weft-4", "b");
  await idle();
  const touched = plans().flatMap(({ inserts, updates, mutations }) => [
    ...inserts.map(({ table }) => table),
    ...updates.map(({ row }) => row.table),
    ...mutations.map(({ table }) => table),
  ]);
  t.notOk(touched.includes("Load_Balancer"), "one more node touches no Service");
});

/** One change of a random history: an object is set to one of its variants, or deleted. */
const STEP = fc.oneof(
  fc.record({
    kind: fc.constant("service" as const),
    name: fc.constantFrom("x", "y"),
    policy: fc.constantFrom("Local", "Cluster", undefined),
    sticky: fc.boolean(),
    dual: fc.boolean(),
    vpc: fc.constantFrom("", "team-a", "none"),
    external: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("slice" as const),
    name: fc.constantFrom("x", "y"),
    slice: fc.constantFrom("1", "2"),
    endpoints: fc.option(
      fc.array(
        fc.record({
          host: fc.integer({ min: 1, max: 3 }),
          v6: fc.boolean(),
          node: fc.constantFrom(...NODES),
          zone: fc.constantFrom("a", "a", "b", undefined),
          byNode: fc.constantFrom(true, true, false),
          ready: fc.boolean(),
        }),
        { maxLength: 3 },
      ),
      { nil: undefined },
    ),
  }),
  fc.record({
    kind: fc.constant("node" as const),
    name: fc.constantFrom(...NODES),
    chassis: fc.constantFrom("c1", "c2", "c3", undefined),
    zone: fc.constantFrom("a", "b", undefined),
  }),
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

function apply(facts: FactStore, step: Step): void {
  if (step.kind === "service") {
    const { name, policy, sticky, dual, vpc, external } = step;
    const host = name === "x" ? 1 : 2;
    addService(
      facts,
      name,
      {
        clusterIPs: [`10.96.0.${host}`, ...(dual ? [`fd00:10:96::${host}`] : [])],
        ports: [...ports, { name: "more", protocol: "UDP", port: 53 }],
        ...(policy !== undefined && { internalTrafficPolicy: policy }),
        ...(sticky && { sessionAffinity: "ClientIP" }),
        ...(external && { externalIPs: [`192.0.2.${host}`] }),
      },
      { annotations: vpc === "" ? {} : { "ovn.kubernetes.io/vpc": vpc } },
    );
  } else if (step.kind === "slice") {
    const { name, slice, endpoints } = step;
    if (endpoints === undefined) {
      facts.set("endpointSlices", `default/${name}-${slice}`, undefined);
      return;
    }
    addEndpoints(facts, name, `${name}-${slice}`, {
      ports: [...ports, { name: "more", protocol: "UDP", port: 5353 }],
      endpoints: endpoints.map(({ host, v6, node, zone, byNode, ready }) => ({
        ...endpointOn(v6 ? `fd00:10:16::${host}` : `10.16.0.${host}`, node, zone, byNode),
        conditions: { ready, serving: true, terminating: !ready },
      })),
    });
  } else {
    const { name, chassis, zone } = step;
    if (chassis === undefined && zone === "b") {
      facts.set("nodes", name, undefined);
      return;
    }
    addNode(facts, name, `172.18.0.${11 + NODES.indexOf(name)}`);
    if (chassis !== undefined) addChassis(facts, name, chassis, zone);
  }
}

/** The object of a step. */
function subject(step: Step): string {
  return step.kind === "slice" ? `slice/${step.name}/${step.slice}` : `${step.kind}/${step.name}`;
}

t.test(
  "rows of Services and nodes' variables do not depend on the history of their objects",
  { timeout: 120_000 },
  async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(STEP, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
        async (batches) => {
          const grown = await rig(t);
          for (const batch of batches) {
            for (const step of batch) apply(grown.facts, step);
            await grown.idle();
          }
          const last = new Map(batches.flat().map((step) => [subject(step), step]));
          // In reverse order, and all at once.
          const fresh = await rig(t, (facts) => {
            for (const step of [...last.values()].reverse()) apply(facts, step);
          });
          const [a, b] = [grown.rows(), fresh.rows()];
          await Promise.all([grown.close(), fresh.close()]);
          t.strictSame(a, b);
          return JSON.stringify(a) === JSON.stringify(b);
        },
      ),
      { numRuns: 40 },
    );
  },
);
