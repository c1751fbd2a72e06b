// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { compileAll } from "../../src/kinds/compile-all.ts";
import { parseIp } from "../../src/net/address.ts";
import { reachChanges } from "../../src/reachability/change.ts";
import { addressEndpoint, type Endpoint, podEndpoint } from "../../src/reachability/endpoint.ts";
import { explain } from "../../src/reachability/explain.ts";
import { matrix } from "../../src/reachability/matrix.ts";
import { Network } from "../../src/reachability/network.ts";
import { PolicyIndex } from "../../src/reachability/policy-index.ts";
import { type ReachSet, reachBetween, reachMinus } from "../../src/reachability/reach-set.ts";
import type { ApiPod, OracleWorld } from "./api.ts";
import { clusterOf } from "./cluster.ts";
import { areConnected, attempts, CONNECTIONS, describe } from "./compare.ts";
import { networkPolicyWorlds } from "./generate.ts";
import { isAllowed } from "./oracle.ts";

const BOUNDS = { numRuns: 100 } as const;

function sideOf(world: OracleWorld): { readonly network: Network; readonly book: PolicyIndex } {
  const facts = clusterOf(world);
  return { network: new Network(facts, compileAll(facts).values()), book: new PolicyIndex(facts) };
}

function keyOf({ metadata }: ApiPod): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** An endpoint with one of its addresses. */
function endOf(network: Network, address: string, pod: ApiPod | undefined): Endpoint | undefined {
  const ip = parseIp(address);
  if (ip === undefined || pod?.spec.hostNetwork === true) return undefined;
  const only = { [ip.family === 4 ? "v4" : "v6"]: ip };
  if (pod === undefined) return addressEndpoint(network, ip);
  return { ...podEndpoint(network, pod.metadata.namespace, pod.metadata.name), source: only, destination: only };
}

t.test("explanations agree with an independent reading of the specification, pair by pair", async () => {
  fc.assert(
    fc.property(networkPolicyWorlds, (world) => {
      const { network, book } = sideOf(world);
      for (const { from, to, connection } of attempts(world)) {
        const specified = isAllowed(world, from, to, connection);
        const [source, target] = [endOf(network, from.address, from.pod), endOf(network, to.address, to.pod)];
        // An unused address of a subnet is not an endpoint.
        if (specified === undefined || source === undefined || target === undefined || target.vacant) continue;
        const { protocol, port } = connection;
        const question = protocol === "ICMP" ? ({ protocol } as const) : { protocol, port };
        const { verdict, paths } = explain(network, book, { from: source, to: target, port: question });
        if ((verdict === "allowed") === specified) continue;
        throw new Error(`${describe({ from, to, connection })} must be ${specified}: ${JSON.stringify(paths)}`);
      }
    }),
    BOUNDS,
  );
});

/** The allowed traffic from each pod to each, by trying each pair separately: `pod pod protocol port`. */
function pairsOf(world: OracleWorld): ReadonlySet<string> {
  const found = new Set<string>();
  for (const from of world.pods) {
    for (const to of world.pods) {
      if (from === to || from.spec.hostNetwork === true || to.spec.hostNetwork === true) continue;
      const families = from.status.podIPs.flatMap(({ ip }) => {
        const other = to.status.podIPs.find((each) => each.ip.includes(":") === ip.includes(":"));
        return other === undefined ? [] : [[ip, other.ip] as const];
      });
      for (const connection of CONNECTIONS) {
        const open = families.every(
          ([a, b]) =>
            areConnected({ address: a, pod: from }, { address: b, pod: to }) &&
            isAllowed(world, { address: a, pod: from }, { address: b, pod: to }, connection) !== false,
        );
        if (families.length > 0 && open)
          found.add(`${keyOf(from)} ${keyOf(to)} ${connection.protocol} ${connection.port}`);
      }
    }
  }
  return found;
}

t.test("a matrix is correct for each pod, although it evaluates only one pod of each class", async () => {
  fc.assert(
    fc.property(networkPolicyWorlds, (world) => {
      const { network, book } = sideOf(world);
      const pods = network.facts.all("pods");
      const expected = pairsOf(world);
      for (const { protocol, port } of CONNECTIONS) {
        const only = { protocol, first: port, last: port };
        const { rows, columns, cells } = matrix(network, book, { from: pods, to: pods, only });
        for (const [i, row] of rows.entries()) {
          for (const [j, column] of columns.entries()) {
            for (const from of row.pods) {
              for (const to of column.pods) {
                const open = cells[i]?.[j]?.reach === "all";
                if (from === to || open === expected.has(`${from} ${to} ${protocol} ${port}`)) continue;
                throw new Error(`${from} to ${to}, ${protocol} ${port}: the matrix says ${open}`);
              }
            }
          }
        }
      }
    }),
    BOUNDS,
  );
});

/** The allowed traffic before and after, for each pair of pods separately. */
function* portPairs(before: Network, after: Network): Iterable<readonly [ReachSet, ReachSet]> {
  const ports = [...before.ports.values()].flatMap((old) => {
    const now = old.pod === undefined ? undefined : after.ports.get(old.name);
    return now === undefined ? [] : [{ old, now }];
  });
  for (const from of ports) {
    for (const to of ports) {
      if (from !== to) yield [reachBetween(before, from.old, to.old), reachBetween(after, from.now, to.now)];
    }
  }
}

t.test("a comparison finds exactly the pairs that change, and the connections that they gain or lose", async () => {
  const two = fc.tuple(networkPolicyWorlds, networkPolicyWorlds);
  fc.assert(
    fc.property(two, fc.boolean(), ([world, other], same) => {
      const relabelled = world.pods.map((pod, i) => {
        const labels = other.pods[i]?.metadata.labels ?? pod.metadata.labels;
        return { ...pod, metadata: { ...pod.metadata, labels } };
      });
      const next: OracleWorld = same ? { ...world, pods: relabelled } : { ...world, policies: other.policies };
      const [before, after] = [sideOf(world), sideOf(next)];
      const { totals } = reachChanges(before, after, after.network.facts.all("pods"));
      const found = { losing: 0, gaining: 0 };
      for (const [was, is] of portPairs(before.network, after.network)) {
        if (reachMinus(was, is).length > 0) found.losing++;
        if (reachMinus(is, was).length > 0) found.gaining++;
      }
      const { losing, gaining } = totals;
      if (losing !== found.losing || gaining !== found.gaining)
        throw new Error(`${JSON.stringify(totals)}, but pair by pair ${JSON.stringify(found)}`);
      const none = reachChanges(after, sideOf(next), after.network.facts.all("pods"));
      if (none.changes.length > 0) throw new Error(`nothing changed, but ${JSON.stringify(none.changes)}`);
    }),
    BOUNDS,
  );
});
