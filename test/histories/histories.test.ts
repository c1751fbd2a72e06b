// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ovnEipKind } from "../../src/kinds/ovn-eip.ts";
import { NODES, type ResourceType, SERVICES, SUBNETS } from "../../src/kube/resources.ts";
import { fakeKube } from "../../src/kube/testing/fake.ts";
import { addressesGivenTwice } from "./addresses.ts";
import { faultsOf } from "./check.ts";
import { type Edit, histories, historyText } from "./edits.ts";
import type { Body } from "./objects.ts";
import type { Plant } from "./world.ts";

/** Number of histories that `npm test` runs. More: `hack/with-deps node test/histories/main.ts --runs N`. */
const RUNS = 6;

t.setTimeout(600_000);

t.test("after any edits, the rows do not depend on former states, and deleted objects leave nothing", async (t) => {
  const property = fc.asyncProperty(histories(30), async (history) => {
    const faults = await faultsOf(history);
    if (faults.length > 0) throw new Error(`${faults.slice(0, 12).join("\n")}\n${historyText(history)}`);
  });
  const limits = { seed: 1, numRuns: RUNS, interruptAfterTimeLimit: 300_000, markInterruptAsFailure: false };
  const { failed, errorInstance, numRuns } = await fc.check(property, limits);
  t.notOk(failed, errorInstance instanceof Error ? errorInstance.message : "");
  t.comment(`${numRuns} histories`);
});

const PUTS: readonly Edit[] = [
  { after: 0, do: "put", type: NODES, ref: { name: "n2" }, body: {} },
  {
    after: 0,
    do: "put",
    type: SUBNETS,
    ref: { name: "sa" },
    body: { spec: { cidrBlock: "10.50.0.0/24", gatewayType: "centralized", gatewayNode: "n1" } },
  },
  service("10.96.0.9"),
  { ...service("10.96.0.3"), after: 40_000 },
  {
    after: 40_000,
    do: "put",
    type: SERVICES,
    ref: { namespace: "default", name: "s3" },
    body: serviceBody("10.96.0.7"),
  },
  { after: 40_000, do: "delete", type: SERVICES, ref: { namespace: "default", name: "s3" } },
];

function service(clusterIP: string): Edit {
  const ref = { namespace: "default", name: "s1" };
  return { after: 0, do: "put", type: SERVICES, ref, body: serviceBody(clusterIP) };
}

function serviceBody(clusterIP: string): Body {
  const ports = [{ port: 80, protocol: "TCP" }];
  return { spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports } };
}

/** Bugs, and the fault that must be found for each. */
const PLANTS: Readonly<Record<string, { readonly plant: Plant; readonly found: RegExp }>> = {
  "a change that the controller misses": {
    plant: {
      controller: ({ facts }) => {
        const set = facts.set.bind(facts);
        facts.set = (kind, key, fact) => {
          const isMissed = kind === "services" && fact !== undefined && facts.get(kind, key) !== undefined;
          if (!isMissed) set(kind, key, fact);
        };
      },
    },
    found: /^a fresh controller: row .*10\.96\.0\.3/,
  },
  "a row that stays although nothing wants it any more": {
    plant: {
      parts: (parts) => {
        const { northbound } = parts;
        const commit = northbound.commit.bind(northbound);
        northbound.commit = (plan) => commit({ ...plan, deletes: [] });
        return parts;
      },
    },
    found: /^a fresh controller with an empty database: row Load_Balancer .* is not there/,
  },
  "a transaction that is refused": {
    plant: {
      parts: (parts) => {
        const { northbound } = parts;
        const commit = northbound.commit.bind(northbound);
        let count = 0;
        northbound.commit = async (plan) =>
          ++count === 5 ? { kind: "refused", error: new Error("planted") } : await commit(plan);
        return parts;
      },
    },
    found: /^a transaction is refused: planted/,
  },
  "a finalizer that stays": {
    plant: {
      parts: (parts) => {
        const { kube } = parts;
        const patch = kube.patch.bind(kube);
        kube.patch = async (type, ref, change, options) => {
          const isRelease =
            type === SUBNETS && /"op":"remove","path":"\/metadata\/finalizers/.test(JSON.stringify(change.body));
          if (isRelease && ref.name === "sa") return (await kube.get(type, ref)) as never;
          return await patch(type, ref, change, options);
        };
        return parts;
      },
    },
    found: /^when all is deleted, there still is subnets \/sa/,
  },
};

t.test("a history without a mutation has no fault", async (t) => {
  t.same(await faultsOf(PUTS), []);
});

for (const [name, { plant, found }] of Object.entries(PLANTS)) {
  t.test(`a mutation is found: ${name}`, async (t) => {
    const faults = await faultsOf(PUTS, plant);
    t.ok(
      faults.some((fault) => found.test(fault)),
      faults.join("\n") || "nothing was found",
    );
  });
}

t.test("an address that two objects have is found, whatever they are", async (t) => {
  const kube = fakeKube();
  const put = async (type: ResourceType, name: string, spec: object, status: object) => {
    await kube.create(type, { metadata: { name }, spec } as never);
    await kube.patch(type, { name }, { type: "merge", body: { status } }, { subresource: "status" });
  };
  for (const name of ["e1", "e2"]) await put(ovnEipKind.type, name, { externalSubnet: "out" }, { v4Ip: "172.30.0.5" });
  await put(ovnEipKind.type, "e3", { externalSubnet: "out" }, { v4Ip: "172.30.0.6" });
  await put(ovnEipKind.type, "e4", { externalSubnet: "other" }, { v4Ip: "172.30.0.6" });
  t.same(addressesGivenTwice(kube), ["OvnEip e2 and OvnEip e1 have 172.30.0.5 of subnet out"]);
});
