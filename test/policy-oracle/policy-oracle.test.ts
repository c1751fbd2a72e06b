// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import type { ApiPod, NetworkPolicy, OracleWorld } from "./api.ts";
import { disagreement } from "./compare.ts";
import { anyPolicyWorlds, networkPolicyWorlds } from "./generate.ts";
import { isAllowed } from "./oracle.ts";
import { tiedDisagreement, tiedWorlds } from "./ties.ts";

/** Enough to find likely faults; `node test/policy-oracle/main.ts` runs any number, and the release tests thousands. */
const BOUNDS = { numRuns: 150 } as const;

for (const [kinds, worlds] of Object.entries({
  NetworkPolicies: networkPolicyWorlds,
  "policies of all kinds": anyPolicyWorlds,
})) {
  t.test(`compiled ${kinds} allow what the specifications allow, pair by pair`, async () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const found = disagreement(world);
        if (found !== undefined) throw new Error(found);
      }),
      BOUNDS,
    );
  });
}

t.test("policies with the same priority decide as one of them does", async () => {
  fc.assert(
    fc.property(tiedWorlds, (world) => {
      const found = tiedDisagreement(world);
      if (found !== undefined) throw new Error(found);
    }),
    { ...BOUNDS, numRuns: 50 },
  );
});

function pod(name: string, ip: string, labels: Readonly<Record<string, string>> = {}): ApiPod {
  return {
    metadata: { name, namespace: "x", labels },
    spec: { nodeName: "n1", containers: [{ ports: [{ name: "web", containerPort: 80 }] }] },
    status: { podIPs: [{ ip }] },
  };
}

t.test("the oracle itself agrees with the examples of the specification", async (t) => {
  const [a, b] = [pod("a", "10.16.0.2", { app: "a" }), pod("b", "10.16.0.3", { app: "b" })];
  const reaches = (spec: NetworkPolicy["spec"] | undefined, port = 80, address = "10.16.0.2") => {
    const policies =
      spec === undefined ? [] : [{ kind: "NetworkPolicy", metadata: { name: "p", namespace: "x" }, spec } as const];
    const world: OracleWorld = {
      namespaces: [{ metadata: { name: "x", labels: {} } }],
      pods: [a, b],
      nodes: [],
      policies,
    };
    return isAllowed(
      world,
      { address, ...(address === "10.16.0.2" && { pod: a }) },
      { address: "10.16.0.3", pod: b },
      {
        protocol: "TCP",
        port,
      },
    );
  };
  t.equal(reaches(undefined), true, "without policies everything is allowed");
  t.equal(reaches({ podSelector: {} }), false, "a policy without rules isolates for ingress");
  t.equal(reaches({ podSelector: {}, policyTypes: ["Egress"] }), false, "and for egress if it says so");
  t.equal(reaches({ podSelector: { matchLabels: { app: "a" } } }), true, "ingress isolation leaves egress alone");
  t.equal(reaches({ podSelector: {}, ingress: [{}] }), true, "an empty rule allows everything");
  const named = { podSelector: {}, ingress: [{ ports: [{ port: "web" }] }] };
  t.strictSame([reaches(named), reaches(named, 81)], [true, false], "a named port is the receiver's");
  const block = {
    podSelector: {},
    ingress: [{ from: [{ ipBlock: { cidr: "192.0.2.0/24", except: ["192.0.2.1/32"] } }] }],
  };
  t.equal(reaches(block, 80, "192.0.2.2"), true, "a stranger in the block");
  t.equal(reaches(block, 80, "192.0.2.1"), false, "a stranger in its exception");
});
